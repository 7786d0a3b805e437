"""Verify a whole release, and pull one: every byte is checked before it counts."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edustream_contracts.contract import FILE_NAME, parse_contract
from edustream_contracts.errors import InvalidInput, Problem, Rejected
from edustream_contracts.schemas import ObjectName, object_validator
from edustream_registry import manifest
from edustream_registry.manifest import ReleaseFile
from edustream_registry.names import Reference
from edustream_registry.reading import ReleaseReader
from edustream_registry.resolved import Resolved

CHECKED_DOCUMENTS: Final[dict[str, ObjectName]] = {"golden.json": "golden", "profile.json": "profile"}


@dataclass(frozen=True, slots=True)
class Checked:
    """What was verified, in the order of checking; there is one sentence for each check that passed."""

    resolved: Resolved
    passed: tuple[str, ...]


def check(reader: ReleaseReader, reference: Reference) -> Checked:
    """Verify everything about the release that a reference stands for.

    Raises what the first failing check raises: `NothingToServe` or `Rejected`.
    """
    found = reader.resolve(reference)
    passed = [f"manifest of {found.model}@{found.version} signed by {', '.join(k[:12] for k in found.release.key_ids)}"]
    if reference.channel:
        entries = reader.history(reference.model, reference.channel)
        passed.append(f"{len(entries)} log entries of {reference}, gapless and linked")
    contents = {file.name: reader.read_file(found.model, file) for file in found.manifest.content.files}
    passed.append(f"{len(contents)} files, {sum(map(len, contents.values()))} bytes, every digest right")
    check_documents(found, contents)
    passed.append("contract and documents valid")
    return Checked(found, tuple(passed))


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


def pull(reader: ReleaseReader, found: Resolved, to: Path) -> tuple[ReleaseFile, ...]:
    """Write a release's verified files and its manifest into `to`, all or nothing.

    Raises `InvalidInput` (kind `argument`) when `to` holds something already.
    """
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise InvalidInput("argument", f"{to} holds something already.", remedy="name a new or an empty folder.")
    to.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=to.parent, prefix=f".{to.name}-") as temporary:
        staged = Path(temporary) / "release"
        staged.mkdir()
        for file in found.manifest.content.files:
            (staged / file.name).write_bytes(reader.read_file(found.model, file))
        (staged / manifest.FILE_NAME).write_bytes(found.release.data)
        if to.exists():
            to.rmdir()
        shutil.move(staged, to)
    return found.manifest.content.files


def _bad(found: Resolved, name: str, how: str, problems: Sequence[Problem] = ()) -> Rejected:
    return Rejected(
        "malformed",
        f"{name} of {found.model}@{found.version} {how}.",
        remedy="publish a corrected release under a new version, and yank this one.",
        problems=problems,
    )
