"""Compare two releases: contract and its verdict, metrics, thresholds, data, code, libraries, files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from edustream_contracts import compatibility
from edustream_contracts.compatibility import Verdict
from edustream_registry.manifest import ReleaseContent
from edustream_registry.reading import ReleaseReader
from edustream_registry.released_contracts import ReleasedContracts
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
    """Two releases and what differs between them; `identical` if a consumer could not tell them apart.

    `contract` is the verdict on the change of the contract and every reason for it; None between two models, whose
    contracts nobody takes for one another.
    """

    before: Resolved
    after: Resolved
    identical: bool
    contract: compatibility.Comparison | None
    changes: tuple[Change, ...]


def compare(reader: ReleaseReader, before: Resolved, after: Resolved) -> Comparison:
    """What differs between two releases, which may be of different models.

    Reads nothing but the two contract documents, and these only where their digests differ.

    Raises `NothingToServe` (kind `file_missing`), `Rejected` for a contract that is damaged or none.
    """
    one, other = before.manifest.content, after.manifest.content
    verdict, contract_changes = _contract_change(reader, before, after)
    changes = (
        *contract_changes,
        *_changes("tensors", _tensors(one), _tensors(other)),
        *_changes("metrics", one.metrics, other.metrics),
        *_changes("thresholds", one.thresholds, other.thresholds),
        *_changes("data", one.data.model_dump(), other.data.model_dump()),
        *_changes("code", one.code.model_dump(), other.code.model_dump()),
        *_changes("libraries", one.libraries, other.libraries),
        *_changes("rebuild", one.rebuild.model_dump(), other.rebuild.model_dump()),
        *_changes("files", _files(one), _files(other)),
    )
    return Comparison(before, after, one.identity == other.identity, verdict, changes)


def _contract_change(
    reader: ReleaseReader, before: Resolved, after: Resolved
) -> tuple[compatibility.Comparison | None, list[Change]]:
    digests = [one.manifest.content.contract_digest for one in (before, after)]
    if digests[0] == digests[1]:
        return compatibility.Comparison(Verdict.IDENTICAL, Verdict.IDENTICAL, ()), []
    contracts = ReleasedContracts(reader)
    old, new = (contracts.of(one.manifest) for one in (before, after))
    verdict = compatibility.compare(old, new) if before.model == after.model else None
    return verdict, [Change("contract", "digest", *digests), *_document_changes("", old.document, new.document)]


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
