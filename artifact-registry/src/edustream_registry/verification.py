"""Verify a whole release: signatures, chain, every byte of every file, and what the documents say."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from edustream_contracts.contract import FILE_NAME, parse_contract
from edustream_contracts.errors import InvalidInput, Problem, Rejected
from edustream_contracts.schemas import ObjectName, object_validator
from edustream_registry.reading import ReleaseReader
from edustream_registry.resolved import Resolved

CHECKED_DOCUMENTS: Final[dict[str, ObjectName]] = {"golden.json": "golden", "profile.json": "profile"}


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
        if file.name in (FILE_NAME, *CHECKED_DOCUMENTS):
            documents[file.name] = reader.read_file(found.model, file)
        else:
            reader.check_file(found.model, file)
    passed.append(f"{len(files)} files, {sum(file.size for file in files)} bytes, every digest right")
    check_documents(found, documents)
    passed.append("contract and documents valid")
    return tuple(passed)


def check_documents(found: Resolved, contents: dict[str, bytes]) -> None:
    """Raise `Rejected` unless contract, golden vectors and profile are what the manifest and the schemas say."""
    if FILE_NAME not in contents:
        raise _bad(found, FILE_NAME, "is missing from the manifest")
    try:
        contract = parse_contract(contents[FILE_NAME])
    except InvalidInput as error:
        raise _bad(found, FILE_NAME, "is no valid contract", error.problems) from error
    if contract.model != found.model:
        raise _bad(found, FILE_NAME, f"is the contract of {contract.model!r}")
    if contract.digest != found.manifest.content.contract_digest:
        raise _bad(found, FILE_NAME, "is not the contract whose digest the manifest states")
    for name, kind in CHECKED_DOCUMENTS.items():
        if name in contents:
            try:
                problems = object_validator(kind).problems(json.loads(contents[name]))
            except (ValueError, RecursionError) as error:
                raise _bad(found, name, f"is no JSON: {error}") from error
            if problems:
                raise _bad(found, name, f"is no valid {kind} document: {problems[0]}")


def _bad(found: Resolved, name: str, how: str, problems: Sequence[Problem] = ()) -> Rejected:
    return Rejected(
        "malformed",
        f"{name} of {found.model}@{found.version} {how}.",
        remedy="publish a corrected release under a new version, and yank this one.",
        problems=problems,
    )
