"""The contract documents that releases carry: bounded, verified by digest, and each distinct one read once."""

from __future__ import annotations

from edustream_contracts.contract import FILE_NAME, ModelContract
from edustream_contracts.errors import InvalidInput
from edustream_registry.manifest import Manifest, ReleaseContent
from edustream_registry.reading import ReleaseReader
from edustream_registry.release_documents import carried_contract, require_model, require_size, unusable


class ReleasedContracts:
    """Reads the contracts of releases on behalf of one reader; a digest that was read before costs no request."""

    def __init__(self, reader: ReleaseReader) -> None:
        self._reader = reader
        self._read: dict[str, ModelContract] = {}

    def of(self, release: Manifest) -> ModelContract:
        """The contract of a release.

        Raises `NothingToServe` (kind `file_missing`) where it is not in the registry, `Rejected` where it is damaged,
        too large, or not the contract that the release states (see `carried_contract`).
        """
        content, name = release.content, f"{release.content.model}@{release.version}"
        if content.contract_digest not in self._read:
            self._read[content.contract_digest] = self._verified(content, name)
        contract = self._read[content.contract_digest]
        require_model(contract, content, name)
        return contract

    def _verified(self, content: ReleaseContent, release: str) -> ModelContract:
        try:
            file = content.file(FILE_NAME)
        except InvalidInput as error:
            raise unusable("malformed", FILE_NAME, release, "is missing from the manifest") from error
        require_size(file, release)
        return carried_contract(content, self._reader.read_file(content.model, file), release)
