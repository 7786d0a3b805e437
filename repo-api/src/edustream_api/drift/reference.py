"""What a release's profile says of the rows that it was made from, as bins that live rows are counted in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from math import isfinite
from operator import itemgetter
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import orjson
from edustream_contracts.contract import Field, ModelContract
from edustream_contracts.errors import Rejected
from edustream_contracts.schemas import object_validator
from edustream_registry.inference.loading import ReadFile
from edustream_registry.manifest import ReleaseContent
from edustream_registry.release_documents import MAX_BYTES, PROFILE

from edustream_api.drift.statistics import Counts

MAX_BINS: Final = 50
"""The most bins of one field beside those for what is missing and what is other: chance alone moves many small ones."""
MAX_ROWS: Final = 2**53
MOST_WAITING: Final = 64
"""So few that they stay in the processor's cache."""
OTHER: Final = "other"
MISSING: Final = "missing"
UNLISTED: Final = object()
"""Stands for every text that is none of a profile's categories."""

Rows: TypeAlias = Sequence[Mapping[str, Any]]


class ProfileUnusable(ValueError):
    """A profile that nothing can be compared with, and why; the release serves all the same."""


@dataclass(frozen=True, slots=True)
class NumericBins:
    """Numbers below the first edge, between neighbours (lower edge included), at or above the last; missing.

    The bins below the first and above the last edge take what lies out of the profile's range.
    `bounds` (e + 1,) are the edges, and infinity.
    """

    bounds: npt.NDArray[np.float64]

    @staticmethod
    def between(edges: Sequence[float]) -> NumericBins:
        """The bins that ascending `edges` (e,) make."""
        return NumericBins(np.array([*edges, np.inf]))

    @property
    def labels(self) -> list[str]:
        """What the bins are called."""
        texts = [f"{edge:g}" for edge in self.bounds[:-1].tolist()]
        between = [f"{low} to {high}" for low, high in pairwise(texts)]
        return [f"below {texts[0]}", *between, f"{texts[-1]} or more", MISSING]

    def count(self, values: Counter[Any]) -> Counts:
        """How many of `values`, numbers and None, lie in each bin: int64 (e + 2,)."""
        # None becomes NaN, which is sorted behind every number, infinity too.
        places = np.searchsorted(self.bounds, np.array(list(values), dtype=np.float64), side="right")
        counts = np.zeros(len(self.bounds) + 1, dtype=np.int64)
        np.add.at(counts, places, list(values.values()))
        return counts


@dataclass(frozen=True, slots=True)
class CategoricalBins:
    """One bin for each of `categories` (c); one for all others, the profile's rare and unseen ones; one for missing."""

    categories: tuple[Any, ...]

    @property
    def labels(self) -> list[str]:
        """What the bins are called."""
        return [*(orjson.dumps(category).decode() for category in self.categories), OTHER, MISSING]

    def count(self, values: Counter[Any]) -> Counts:
        """How many of `values`, None among them, lie in each bin: int64 (c + 2,)."""
        known = [values.get(category, 0) for category in self.categories]
        missing = values.get(None, 0)
        return np.array([*known, values.total() - sum(known) - missing, missing], dtype=np.int64)


@dataclass(frozen=True, slots=True)
class FieldReference:
    """One field of rows or of answers: its bins, and how many reference rows lie in each (int64).

    `free_text` is whether its contract admits any text, however long.
    """

    name: str
    answered: bool
    bins: NumericBins | CategoricalBins
    counts: Counts
    free_text: bool


@dataclass(frozen=True)
class Reference:
    """The fields that a release's profile describes, in order; `without` says of each other one why it has none."""

    rows: int
    fields: tuple[FieldReference, ...]
    without: Mapping[str, str]

    @cached_property
    def ends(self) -> tuple[int, ...]:
        """Where each field's bins end in the counts of all fields."""
        return tuple(np.cumsum([len(field.counts) for field in self.fields]).tolist())

    def split(self, counts: Counts) -> list[Counts]:
        """The counts of each field."""
        return np.split(counts, self.ends[:-1])


class Values:
    """How often each value occurred in each field of a reference, in rows and their answers."""

    def __init__(self, reference: Reference) -> None:
        self.rows = 0
        self._reference = reference
        self._uncounted = 0
        self._asked, self._answered = (
            _Side([field for field in reference.fields if field.answered is answered]) for answered in (False, True)
        )

    def add(self, rows: Rows, answers: Rows) -> None:
        """Count the values of rows, and of as many answers."""
        self._asked.take(rows)
        self._answered.take(answers)
        self.rows += len(rows)
        self._uncounted += len(rows)
        if self._uncounted >= MOST_WAITING:
            self._count()

    def binned(self) -> Counts:
        """How many rows lie in each bin of each field, one field after the other."""
        self._count()
        counters = {**self._asked.counters, **self._answered.counters}
        return np.concatenate([field.bins.count(counters[field.name]) for field in self._reference.fields])

    def _count(self) -> None:
        self._asked.count()
        self._answered.count()
        self._uncounted = 0


class _Side:
    """The values of rows, or those of answers: some of them as they came, which is cheap, the others counted.

    Of a free text only whether it is a category stays: what callers write is theirs, and may be a megabyte each time.
    """

    def __init__(self, fields: Sequence[FieldReference]) -> None:
        names = [field.name for field in fields]
        self.counters: dict[str, Counter[Any]] = {name: Counter() for name in names}
        # One call for all of a row's values; the first name once more, since of a single one it would give no tuple.
        self._read = (*names, *names[:1])
        self._texts = [
            (place, frozenset((*field.bins.categories, None)))
            for place, field in enumerate((*fields, *fields[:1]))
            if field.free_text and isinstance(field.bins, CategoricalBins)
        ]
        self._values = itemgetter(*self._read) if names and not self._texts else self._each
        self._waiting: list[tuple[Any, ...]] = []

    def take(self, members: Rows) -> None:
        known = len(self._waiting)
        try:
            self._waiting.extend(map(self._values, members))
        except KeyError:
            del self._waiting[known:]
            self._waiting.extend(map(self._each, members))

    def count(self) -> None:
        for column, counter in zip(zip(*self._waiting, strict=True), self.counters.values(), strict=False):
            counter.update(column)
        self._waiting.clear()

    def _each(self, member: Mapping[str, Any]) -> tuple[Any, ...]:
        values = [member.get(name) for name in self._read]
        for place, kept in self._texts:
            if values[place] not in kept:
                values[place] = UNLISTED
        return tuple(values)


@dataclass(frozen=True, slots=True)
class NoReference:
    """Why there is nothing that a release's rows could be compared with."""

    reason: str


def reference_of(content: ReleaseContent, contract: ModelContract, read: ReadFile) -> Reference | NoReference:
    """What a release's profile says; whatever is wrong with it keeps no release from being served.

    `read` gives a file's verified bytes, and raises `Rejected` where there are none.
    """
    size = next((file.size for file in content.files if file.name == PROFILE), None)
    if size is None:
        return NoReference(f"The release has no {PROFILE}.")
    if size > MAX_BYTES[PROFILE]:
        return NoReference(f"{PROFILE} has {size} bytes; at most {MAX_BYTES[PROFILE]} are read.")
    try:
        return read_reference(read(PROFILE), contract)
    except Rejected as error:
        return NoReference(error.fact)
    except ProfileUnusable as error:
        return NoReference(f"{PROFILE} {error}.")


def read_reference(data: bytes, contract: ModelContract) -> Reference:
    """Read a profile.json for the fields of `contract`. Raises `ProfileUnusable`."""
    try:
        profile = orjson.loads(data)
    except ValueError as error:
        raise ProfileUnusable(f"is no JSON: {error}") from error
    if not object_validator("profile").is_valid(profile):
        raise ProfileUnusable("is no valid profile document")
    rows = profile["rows"]
    if rows > MAX_ROWS:
        raise ProfileUnusable(f"is of {rows} rows; at most {MAX_ROWS} can be counted")
    described = {**profile["features"], **_prediction(profile["prediction"], contract)}
    answered = {field.name for field in contract.outputs}
    fields, without = [], {}
    for field in (*contract.inputs, *contract.outputs):
        if field.name not in described:
            without[field.name] = "The profile does not describe it."
            continue
        try:
            bins, counts = _bins(described[field.name], rows, field)
            free_text = field.kind == "string" and field.categories is None
            fields.append(FieldReference(field.name, field.name in answered, bins, counts, free_text))
        except ProfileUnusable as error:
            without[field.name] = f"Its profile {error}."
    if not fields:
        raise ProfileUnusable("describes no field of the contract")
    return Reference(rows, tuple(fields), without)


def _prediction(distribution: dict[str, Any], contract: ModelContract) -> dict[str, Any]:
    """Whose distribution `prediction` is: categories are those of the label, numbers the one probability's."""
    probabilities = [field.name for field in contract.outputs if field.for_class is not None]
    (label,) = (field.name for field in contract.outputs if field.for_class is None)
    if distribution["kind"] == "categorical" or not probabilities:
        return {label: distribution}
    return {probabilities[0]: distribution} if len(probabilities) == 1 else {}


def _bins(distribution: dict[str, Any], rows: int, field: Field) -> tuple[NumericBins | CategoricalBins, Counts]:
    counts, missing = distribution["counts"], distribution["missing"]
    total = sum(counts) + missing
    if total > rows:
        raise ProfileUnusable(f"counts {total} rows; the whole profile has {rows}")
    if distribution["kind"] == "numeric":
        if total == 0:
            raise ProfileUnusable("counts no row")
        if not field.is_numeric:
            raise ProfileUnusable("is one of numbers, and the field is none")
        edges, counts = _coarser(_edges(distribution["edges"], counts), counts)
        return NumericBins.between(edges), np.array([*counts, missing], dtype=np.int64)
    categories = distribution["categories"]
    if len(categories) != len(counts):
        raise ProfileUnusable(f"has {len(categories)} categories and {len(counts)} counts")
    ranked = sorted(zip(categories, counts, strict=True), key=lambda pair: -pair[1])[:MAX_BINS]
    frequent = dict(ranked)
    if len(frequent) != len(ranked):
        raise ProfileUnusable("has a category twice")
    other = rows - missing - sum(frequent.values())
    return CategoricalBins(tuple(frequent)), np.array([*frequent.values(), other, missing], dtype=np.int64)


def _edges(edges: list[float], counts: list[int]) -> list[float]:
    if len(counts) != len(edges) + 1:
        raise ProfileUnusable(f"has {len(edges)} edges and {len(counts)} counts; one count more is expected")
    if not all(isfinite(edge) for edge in edges) or any(low >= high for low, high in pairwise(edges)):
        raise ProfileUnusable("has edges that are not finite and ascending")
    return edges


def _coarser(edges: list[float], counts: list[int]) -> tuple[list[float], list[int]]:
    """Every so manieth edge, the first and the last among them, with the counts of what lies between."""
    if len(edges) < MAX_BINS:
        return edges, counts
    kept = np.unique(np.linspace(0, len(edges) - 1, MAX_BINS - 1).astype(int)).tolist()
    starts = [0, *(index + 1 for index in kept)]
    return [edges[index] for index in kept], [sum(counts[start:end]) for start, end in pairwise([*starts, len(counts)])]
