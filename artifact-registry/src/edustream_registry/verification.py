"""Verify a whole release: signatures, chain, every byte of every file, and what the documents say."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from edustream_contracts.contract import FILE_NAME
from edustream_contracts.errors import Problem, Rejected
from edustream_contracts.schemas import object_validator
from edustream_registry import golden_vectors
from edustream_registry.reading import ReleaseReader
from edustream_registry.release_documents import MAX_BYTES, PROFILE, carried_contract, require_size, unusable
from edustream_registry.resolved import Resolved

# Naming what is wrong with a larger profile could take a thousand times its size.
MAX_EXPLAINED_BYTES: Final = 64 * 1024


def verify(reader: ReleaseReader, found: Resolved) -> tuple[str, ...]:
    """Verify everything about a release that was resolved; one sentence for each check that passed.

    Raises what the first failing check raises: `NothingToServe` or `Rejected`.
    """
    passed = [f"manifest of {found.model}@{found.version} signed by {', '.join(k[:12] for k in found.release.key_ids)}"]
    if found.reference.channel:
        entries = reader.history(found.model, found.reference.channel)
        passed.append(f"{len(entries)} log entries of {found.reference}, gapless and linked")
    files = found.manifest.content.files
    documents = {}
    for file in files:
        require_size(file, _named(found))
    for file in files:
        if file.name in MAX_BYTES:
            documents[file.name] = reader.read_file(found.model, file)
        else:
            reader.check_file(found.model, file)
    passed.append(f"{len(files)} files, {sum(file.size for file in files)} bytes, every digest right")
    check_documents(found, documents)
    passed.append("contract and documents valid")
    return tuple(passed)


def check_documents(found: Resolved, contents: dict[str, bytes]) -> None:
    """Raise `Rejected` unless contract, golden vectors and profile are what manifest, schemas and contract demand."""
    if FILE_NAME not in contents:
        raise _bad(found, FILE_NAME, "is missing from the manifest")
    contract = carried_contract(found.manifest.content, contents[FILE_NAME], _named(found))
    if golden_vectors.FILE_NAME in contents:
        try:
            golden_vectors.read_rows(contents[golden_vectors.FILE_NAME], contract)
        except Rejected as error:
            raise _bad(found, golden_vectors.FILE_NAME, "is no valid golden document", error.problems) from error
    if PROFILE in contents:
        _check_profile(found, contents[PROFILE])


def _check_profile(found: Resolved, data: bytes) -> None:
    try:
        profile = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise _bad(found, PROFILE, f"is no JSON: {error}") from error
    shape = object_validator("profile")
    if not shape.is_valid(profile):
        problems = shape.problems(profile) if len(data) <= MAX_EXPLAINED_BYTES else ()
        raise _bad(found, PROFILE, "is no valid profile document", problems)


def _bad(found: Resolved, name: str, how: str, problems: Sequence[Problem] = ()) -> Rejected:
    return unusable("malformed", name, _named(found), how, problems)


def _named(found: Resolved) -> str:
    return f"{found.model}@{found.version}"
