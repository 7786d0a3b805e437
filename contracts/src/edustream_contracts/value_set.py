"""The set of values that one field of a contract admits, and what one such set has that another has not."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from edustream_contracts.number_set import NumberSet
from edustream_contracts.text_set import TextSet

Aspect = Literal["null", "type", "whole", "low", "high", "listed", "shortest", "longest", "pattern"]
Family = Literal["number", "string", "boolean"]


@dataclass(frozen=True)
class Listed:
    """Finitely many values of one family, none of them null."""

    values: tuple[Any, ...]

    @cached_property
    def members(self) -> frozenset[Any]:
        """The values, for a quick look; 1 and 1.0 are one."""
        return frozenset(self.values)

    def refusals(self, value: Any) -> Iterator[str]:
        """`listed` for a value that is not among them."""
        if value not in self.members:
            yield "listed"


@dataclass(frozen=True, slots=True)
class ValueSet:
    """What a field may hold where it is present: null or not, and values of one family.

    Numbers and integers are one family; a boolean is no number.
    """

    null: bool
    family: Family
    body: Listed | NumberSet | TextSet

    def lost_to(self, other: ValueSet, known: Collection[str] | None) -> dict[Aspect, tuple[Any, ...]]:
        """What this set has and `other` has not: by aspect, values that `other` refuses for it.

        Empty if and only if `other` holds every value of this set, but for patterns, which are compared by their text
        (see `TextSet`): there a tuple may be empty, since no value was found, or none was sought without `known`.
        """
        lost: dict[Any, list[Any]] = {"null": [None]} if self.null and not other.null else {}
        if self.family != other.family:
            if not (isinstance(self.body, Listed) and not self.body.values):
                lost["type"] = [value for value in self.samples(known) if value is not None]
        else:
            for aspect, value in self._lost_to(other, known):
                lost.setdefault(aspect, []).extend(() if value is None else (value,))
        return {aspect: tuple(values) for aspect, values in lost.items()}

    def samples(self, known: Collection[str] | None) -> Iterator[Any]:
        """Some values of the set, null last; none where a pattern admits none that was found."""
        if isinstance(self.body, Listed):
            yield from self.body.values[:1]
        else:
            sample = self.body.outside(()) if isinstance(self.body, NumberSet) else self.body.outside((), known)[1]
            yield from () if sample is None else (sample,)
        if self.null:
            yield None

    @property
    def has_fractions(self) -> bool:
        """Whether a number with a fractional part is among the values."""
        if isinstance(self.body, Listed):
            return self.family == "number" and not all(float(value).is_integer() for value in self.body.values)
        return isinstance(self.body, NumberSet) and self.body.fraction() is not None

    def _lost_to(self, other: ValueSet, known: Collection[str] | None) -> Iterator[tuple[str, Any]]:
        mine, theirs = self.body, other.body
        if isinstance(mine, Listed):
            yield from ((aspect, value) for value in mine.values for aspect in theirs.refusals(value))
        elif isinstance(mine, NumberSet) and isinstance(theirs, NumberSet):
            yield from mine.lost_to(theirs)
        elif isinstance(mine, TextSet) and isinstance(theirs, TextSet):
            yield from mine.lost_to(theirs, known)
        elif isinstance(mine, NumberSet) and isinstance(theirs, Listed):
            number = mine.outside(theirs.members)
            yield from (("listed", number),) if number is not None else ()
        elif isinstance(mine, TextSet) and isinstance(theirs, Listed):
            some, text = mine.outside(theirs.members, known)
            yield from (("listed", text),) if some else ()


def admitted(spec: Mapping[str, Any]) -> ValueSet:
    """The values that the schema of a field admits (PROTOCOL.md, section 8.3).

    The field is one of a contract, so no other keyword excludes a value of its `enum` or its `const`.
    """
    family = _family(spec)
    null = "null" in spec["type"] and None in spec.get("enum", [None]) and spec.get("const") is None
    body: Listed | NumberSet | TextSet | None = None if "enum" in spec or "const" in spec else bounded(spec)
    if body is None:
        values = [spec["const"]] if "const" in spec else spec.get("enum", [False, True])
        body = Listed(tuple(value for value in values if value is not None))
    return ValueSet(null, family, body)


def bounded(spec: Mapping[str, Any]) -> NumberSet | TextSet | None:
    """What a field's bounds, lengths and pattern admit, its enumeration apart; None for a boolean, which has none."""
    family = _family(spec)
    if family == "boolean":
        return None
    return NumberSet.of(spec) if family == "number" else TextSet.of(spec)


def _family(spec: Mapping[str, Any]) -> Family:
    types = spec["type"] if isinstance(spec["type"], list) else [spec["type"]]
    kind = types[0]
    return kind if kind in ("string", "boolean") else "number"
