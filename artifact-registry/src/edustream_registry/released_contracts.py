"""The contract documents that releases carry: bounded, verified by digest, and each distinct one read once."""

from __future__ import annotations

from edustream_contracts.contract import FILE_NAME, MAX_BYTES, ModelContract, parse_contract
from edustream_contracts.errors import InvalidInput, Rejected
from edustream_registry.manifest import Manifest
from edustream_registry.reading import ReleaseReader


class ReleasedContracts:
    """Reads the contracts of releases on behalf of one reader; a digest that was read before costs no request."""

    def __init__(self, reader: ReleaseReader) -> None:
        self._reader = reader
        self._read: dict[str, ModelContract] = {}

    def of(self, release: Manifest) -> ModelContract:
        """The contract of a release.

        Raises `NothingToServe` (kind `file_missing`) where it is not in the registry, `Rejected` where it is damaged
        (kind `digest`), or is none, is above `MAX_BYTES`, is not the one that the manifest states, or is another
        model's (kind `malformed`).
        """
        digest = release.content.contract_digest
        if digest not in self._read:
            self._read[digest] = self._verified(release)
        contract = self._read[digest]
        if contract.model != release.content.model:
            raise _unusable(release, f"has a {FILE_NAME} that is about the model {contract.model}")
        return contract

    def _verified(self, release: Manifest) -> ModelContract:
        content = release.content
        try:
            file = content.file(FILE_NAME)
            if file.size > MAX_BYTES:
                raise _unusable(release, f"states a {FILE_NAME} of {file.size} bytes; {MAX_BYTES} are the most")
            contract = parse_contract(self._reader.read_file(content.model, file))
        except InvalidInput as error:
            raise _unusable(release, f"has no valid {FILE_NAME}") from error
        if contract.digest != content.contract_digest:
            raise _unusable(release, f"has a {FILE_NAME} whose digest is not the one that its manifest states")
        return contract


def _unusable(release: Manifest, how: str) -> Rejected:
    return Rejected(
        "malformed",
        f"{release.content.model}@{release.version} {how}.",
        remedy="run edustream-registry check on it; publish a corrected release, and yank this one.",
    )
