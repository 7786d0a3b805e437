"""The numbers that a field of a contract admits: a closed range of IEEE 754 doubles (RFC 7493, 2.2)."""

from __future__ import annotations

import math
import sys
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, Final

GREATEST: Final = sys.float_info.max
# From 2**52 on every double is a whole number; from 2**53 on the next whole number is the next double.
ALL_WHOLE: Final = 2.0**52
ALL_EVEN: Final = 2.0**53


@dataclass(frozen=True, slots=True)
class NumberSet:
    """The doubles from `low` to `high`, both included; only those without a fractional part where `whole`.

    The ends are members themselves. The set is empty where `low` is greater than `high`.
    """

    low: float
    high: float
    whole: bool

    @classmethod
    def of(cls, spec: Mapping[str, Any]) -> NumberSet:
        """What a field's bounds admit, its enumeration apart."""
        whole = "integer" in spec["type"]
        return cls(
            low=_least(spec.get("minimum"), spec.get("exclusiveMinimum"), whole),
            high=-_least(_negated(spec.get("maximum")), _negated(spec.get("exclusiveMaximum")), whole),
            whole=whole,
        )

    @property
    def is_empty(self) -> bool:
        """Whether no number is admitted."""
        return self.low > self.high

    def refusals(self, value: float) -> Iterator[str]:
        """Every aspect that keeps `value` out: `low`, `high`, `whole`; none for a member."""
        if value < self.low:
            yield "low"
        if value > self.high:
            yield "high"
        if self.whole and not _is_whole(value):
            yield "whole"

    def lost_to(self, other: NumberSet) -> Iterator[tuple[str, float]]:
        """For each aspect in which `other` refuses members of this set: the aspect, and a member that it refuses."""
        if self.low < other.low:
            yield "low", self._below(other.low)
        if self.high > other.high:
            yield "high", -self._mirrored()._below(-other.high)
        if other.whole and (fraction := self.fraction()) is not None:
            yield "whole", fraction

    def outside(self, listed: Collection[float]) -> float | None:
        """A member that is not in `listed`, or None; looks at no more than two members for each that is listed."""
        return next((member for member in self._members(len(listed) + 1) if member not in listed), None)

    def _members(self, count: int) -> Iterator[float]:
        """At least `count` different members, or all where there are fewer; whole ones near zero come first."""
        yield from islice(self._whole_members(), count)
        if not self.whole:
            yield from islice(_ascending(self.low, self.high, whole=False), count)

    def _whole_members(self) -> Iterator[float]:
        start = float(math.ceil(min(max(0.0, self.low), self.high)))
        down = _ascending(_next(-start, whole=True), -self.low, whole=True)
        return chain(_ascending(start, self.high, whole=True), (-member for member in down))

    def _below(self, limit: float) -> float:
        """A member below `limit`, which is greater than `low`; whole and near the limit where possible."""
        wished = (float(math.ceil(limit) - 1), float(math.floor(self.high)), self.high)
        return next((number for number in wished if number < limit and not any(self.refusals(number))), self.low)

    def fraction(self) -> float | None:
        """A member with a fractional part, or None."""
        halfway = math.floor(min(max(0.0, self.low), self.high)) + 0.5
        least = max(self.low, -ALL_WHOLE)
        least = math.nextafter(least, math.inf) if _is_whole(least) else least
        fitting = (number for number in (halfway, least) if not _is_whole(number) and not any(self.refusals(number)))
        return next(fitting, None)

    def _mirrored(self) -> NumberSet:
        return NumberSet(-self.high, -self.low, self.whole)


def _is_whole(number: float) -> bool:
    return float(number).is_integer()


def _negated(bound: float | None) -> float | None:
    return None if bound is None else -bound


def _least(inclusive: float | None, exclusive: float | None, whole: bool) -> float:
    """The least admitted double; beyond every double where there is none."""
    least = -GREATEST if inclusive is None else float(inclusive)
    if exclusive is not None:
        least = max(least, math.nextafter(float(exclusive), math.inf))
    return float(math.ceil(least)) if whole and math.isfinite(least) else least


def _ascending(first: float, last: float, *, whole: bool) -> Iterator[float]:
    member = first
    while member <= last:
        yield member
        member = _next(member, whole=whole)


def _next(number: float, *, whole: bool) -> float:
    return number + 1.0 if whole and abs(number) < ALL_EVEN else math.nextafter(number, math.inf)
