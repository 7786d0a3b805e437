"""Compare two releases: contract, metrics, thresholds, data, code, libraries, files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from edustream_contracts.contract import FILE_NAME, ModelContract, parse_contract
from edustream_contracts.errors import InvalidInput, Rejected
from edustream_registry.manifest import ReleaseContent
from edustream_registry.reading import ReleaseReader
from edustream_registry.resolved import Resolved


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that differs; None stands for "not there".

    `part` is `contract`, `tensors`, `metrics`, `thresholds`, `data`, `code`, `libraries`, `rebuild` or `files`; `name`
    says what of it, e.g. `roc_auc`, or `/input/properties/age/maximum`.
    """

    part: str
    name: str
    before: Any
    after: Any

    @property
    def difference(self) -> float | None:
        """After minus before, where both are numbers."""
        if isinstance(self.before, bool) or isinstance(self.after, bool):
            return None
        if isinstance(self.before, int | float) and isinstance(self.after, int | float):
            return self.after - self.before
        return None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two releases and what differs between them; `identical` if a consumer could not tell them apart."""

    before: Resolved
    after: Resolved
    identical: bool
    changes: tuple[Change, ...]


def compare(reader: ReleaseReader, before: Resolved, after: Resolved) -> Comparison:
    """What differs between two releases, which may be of different models.

    Reads nothing but the two contract documents, and these only where their digests differ.

    Raises `NothingToServe` (kind `file_missing`), `Rejected` for a contract that is damaged or none.
    """
    one, other = before.manifest.content, after.manifest.content
    changes = (
        *_contract_changes(reader, before, after),
        *_changes("tensors", _tensors(one), _tensors(other)),
        *_changes("metrics", one.metrics, other.metrics),
        *_changes("thresholds", one.thresholds, other.thresholds),
        *_changes("data", one.data.model_dump(), other.data.model_dump()),
        *_changes("code", one.code.model_dump(), other.code.model_dump()),
        *_changes("libraries", one.libraries, other.libraries),
        *_changes("rebuild", one.rebuild.model_dump(), other.rebuild.model_dump()),
        *_changes("files", _files(one), _files(other)),
    )
    return Comparison(before, after, one.identity == other.identity, changes)


def _contract_changes(reader: ReleaseReader, before: Resolved, after: Resolved) -> Iterator[Change]:
    digests = [one.manifest.content.contract_digest for one in (before, after)]
    if digests[0] != digests[1]:
        yield Change("contract", "digest", *digests)
        yield from _document_changes("", _contract(reader, before).document, _contract(reader, after).document)


def _contract(reader: ReleaseReader, found: Resolved) -> ModelContract:
    content = found.manifest.content
    try:
        contract = parse_contract(reader.read_file(found.model, content.file(FILE_NAME)))
    except InvalidInput as error:
        raise _unusable(found, f"has no valid {FILE_NAME}") from error
    if contract.digest != content.contract_digest:
        raise _unusable(found, f"has a {FILE_NAME} whose digest is not the one that its manifest states")
    return contract


def _unusable(found: Resolved, how: str) -> Rejected:
    return Rejected(
        "malformed",
        f"{found.model}@{found.version} {how}.",
        remedy="run edustream-registry check on it; publish a corrected release, and yank this one.",
    )


def _document_changes(pointer: str, before: Any, after: Any) -> Iterator[Change]:
    """Every place where two contract documents differ, as JSON Pointers; a field that came or went is one place."""
    if isinstance(before, dict) and isinstance(after, dict):
        for name in [*before, *(name for name in after if name not in before)]:
            yield from _document_changes(f"{pointer}/{name}", before.get(name), after.get(name))
    elif before != after or isinstance(before, bool) != isinstance(after, bool):
        yield Change("contract", pointer, before, after)


def _changes(part: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    for name in [*before, *(name for name in after if name not in before)]:
        if before.get(name) != after.get(name):
            yield Change(part, name, before.get(name), after.get(name))


def _tensors(content: ReleaseContent) -> dict[str, Any]:
    inputs = {f"input {one.name}": [one.dtype, *one.columns] for one in content.inputs}
    outputs = {f"output {name}": value for name, value in content.outputs.model_dump(mode="json").items()}
    return {"task": content.task} | inputs | outputs


def _files(content: ReleaseContent) -> dict[str, str]:
    return {file.name: file.sha256 for file in content.files}
