"""The documents among a release's files, which are held in memory whole: how large they may be, and whose contract."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from edustream_contracts import contract as contracts
from edustream_contracts.contract import ModelContract, parse_contract
from edustream_contracts.errors import InvalidInput, Problem, Rejected
from edustream_registry import golden_vectors
from edustream_registry.manifest import ReleaseContent, ReleaseFile

PROFILE: Final = "profile.json"
MAX_BYTES: Final = {
    contracts.FILE_NAME: contracts.MAX_BYTES,
    golden_vectors.FILE_NAME: golden_vectors.MAX_BYTES,
    PROFILE: 8 * 1024 * 1024,
}


def require_size(file: ReleaseFile, release: str) -> None:
    """Raise `Rejected` (kind `malformed`) for a document that is too large, before a byte of it is read."""
    most = MAX_BYTES.get(file.name, file.size)
    if file.size > most:
        raise unusable("malformed", file.name, release, f"has {file.size} bytes; at most {most} are allowed")


def carried_contract(content: ReleaseContent, data: bytes, release: str) -> ModelContract:
    """The contract that a release carries; `data` is its contract.json, `release` is what messages call it.

    Raises `Rejected`: kind `malformed` for what is no contract, `digest` for another one than the manifest states,
    `mix_and_match` for another model's.
    """
    name = contracts.FILE_NAME
    try:
        contract = parse_contract(data)
    except InvalidInput as error:
        raise unusable("malformed", name, release, "is no valid contract", error.problems) from error
    if contract.digest != content.contract_digest:
        how = f"has the digest {contract.digest}; the manifest states {content.contract_digest}"
        raise unusable("digest", name, release, how)
    require_model(contract, content, release)
    return contract


def require_model(contract: ModelContract, content: ReleaseContent, release: str) -> None:
    """Raise `Rejected` (kind `mix_and_match`) for the contract of another model than the release's."""
    if contract.model != content.model:
        raise unusable("mix_and_match", contracts.FILE_NAME, release, f"is the contract of {contract.model!r}")


def unusable(kind: str, name: str, release: str, how: str, problems: Sequence[Problem] = ()) -> Rejected:
    """The refusal of a release for one of its documents."""
    return Rejected(
        kind,
        f"{name} of {release} {how}.",
        remedy="do not use it; have a corrected release published under a new version, and this one yanked.",
        problems=problems,
    )
