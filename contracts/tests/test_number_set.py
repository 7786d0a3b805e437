from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edustream_contracts.number_set import GREATEST, NumberSet

SOME = st.sampled_from([-(2.0**53), -2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 2.5, 3.0, 2.0**52, 2.0**53, 1e300])
ENDS = SOME | st.floats(-10, 10)


def numbers(kind: str = "number", **bounds: float) -> NumberSet:
    return NumberSet.of({"type": kind, **bounds})


@pytest.mark.parametrize(
    ("kind", "bounds", "low", "high"),
    [
        ("number", {}, -GREATEST, GREATEST),
        ("number", {"minimum": 1, "exclusiveMinimum": 1}, math.nextafter(1, 2), GREATEST),
        ("number", {"exclusiveMaximum": 0}, -GREATEST, -5e-324),
        ("integer", {"exclusiveMinimum": 0, "exclusiveMaximum": 3}, 1, 2),
        ("integer", {"minimum": -0.5, "maximum": 0.5}, 0, 0),
        ("integer", {"minimum": 2**53 - 1, "exclusiveMaximum": 2.0**53 + 4}, 2.0**53 - 1, 2.0**53 + 2),
        ("integer", {"exclusiveMinimum": -(2.0**53) - 2}, -(2.0**53), GREATEST),
    ],
)
def test_the_ends_are_members(kind: str, bounds: dict[str, float], low: float, high: float) -> None:
    found = numbers(kind, **bounds)

    assert (found.low, found.high) == (low, high)
    assert not [*found.refusals(low), *found.refusals(high)]
    assert not found.is_empty


@pytest.mark.parametrize(
    ("found", "listed", "outside"),
    [
        (numbers("integer", minimum=0, maximum=2), [0, 1, 2], None),
        (numbers("integer", minimum=0, maximum=2), [0, 2], 1),
        (numbers("integer", minimum=-3, maximum=-1), [-1, -2, -3], None),
        (numbers("integer", minimum=-3, maximum=-1), [-1, -2], -3),
        (numbers("integer", maximum=1), [1, 0, -1], -2),
        (numbers("integer", maximum=-(2.0**53)), [-(2.0**53)], -(2.0**53) - 2),
        (numbers(minimum=1, maximum=math.nextafter(1, 2)), [1, math.nextafter(1, 2)], None),
        (numbers(minimum=1, maximum=math.nextafter(1, 2)), [1], math.nextafter(1, 2)),
        (numbers(minimum=0.25, maximum=0.25), [0.25], None),
        (numbers(), list(range(1000)), 1000),
    ],
)
def test_a_member_outside_a_list(found: NumberSet, listed: list[float], outside: float | None) -> None:
    assert found.outside(frozenset(listed)) == outside


@pytest.mark.parametrize(
    ("kind", "bounds", "fraction"),
    [
        ("number", {"minimum": 0}, 0.5),
        ("number", {"minimum": 3, "maximum": 3}, None),
        ("number", {"minimum": 3, "exclusiveMaximum": 3.25}, math.nextafter(3, 4)),
        ("number", {"minimum": 2.0**52}, None),
        ("number", {"minimum": -(2.0**60), "maximum": -(2.0**52) + 0.5}, -(2.0**52) + 0.5),
        ("integer", {}, None),
    ],
)
def test_a_fraction_is_lost_to_integers(kind: str, bounds: dict[str, Any], fraction: float | None) -> None:
    lost = dict(numbers(kind, **bounds).lost_to(numbers("integer")))

    assert lost == ({} if fraction is None else {"whole": fraction})


@given(st.lists(ENDS, min_size=4, max_size=4), st.booleans(), st.booleans())
def test_what_is_lost_is_in_one_set_only_and_nothing_is_overlooked(
    ends: list[float], mine_whole: bool, theirs_whole: bool
) -> None:
    mine = numbers("integer" if mine_whole else "number", minimum=min(ends[:2]), maximum=max(ends[:2]))
    theirs = numbers("integer" if theirs_whole else "number", minimum=min(ends[2:]), maximum=max(ends[2:]))
    if mine.is_empty or theirs.is_empty:
        return

    lost = dict(mine.lost_to(theirs))

    for aspect, member in lost.items():
        assert not list(mine.refusals(member))
        assert aspect in theirs.refusals(member)
    edges = [mine.low, mine.high, theirs.low, theirs.high]
    for edge in (*edges, *(math.nextafter(edge, side) for edge in edges for side in (-math.inf, math.inf))):
        if not list(mine.refusals(edge)):
            assert set(theirs.refusals(edge)) <= set(lost)
