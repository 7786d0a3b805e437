from __future__ import annotations

import json
from pathlib import Path

import pytest

from serving.latencies import Load, percentile
from serving.swaps import windows


def load(*rows: tuple[float, float, str]) -> Load:
    """Rows of due, latency, answer."""
    return Load(
        [due for due, _, _ in rows],
        [latency for _, latency, _ in rows],
        [0.0 for _ in rows],
        [answer for _, _, answer in rows],
    )


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, 1), (0.5, 50), (0.505, 51), (0.99, 99), (0.991, 100), (1.0, 100)]
)
def test_percentiles_by_nearest_rank(share: float, expected: float) -> None:
    assert percentile(range(100, 0, -1), share) == expected


def test_no_values_have_no_percentile() -> None:
    with pytest.raises(ValueError, match="no values"):
        percentile([], 0.5)


def test_a_load_is_read_in_the_order_in_which_requests_were_due(tmp_path: Path) -> None:
    path = tmp_path / "load.json"
    path.write_text(json.dumps([[2.0, 0.1, 0.01, "b"], [1.0, 1.5, 0.02, "a"]]))
    assert Load.read(path) == Load((1.0, 2.0), (1.5, 0.1), (0.02, 0.01), ("a", "b"))


def test_requests_within_windows_bounds_included() -> None:
    everything = load(*((float(due), due / 10, "a") for due in range(10)))
    assert everything.within([(6.5, 7.0), (2.0, 4.0)]).due_s == [2.0, 3.0, 4.0, 7.0]


def test_parts_of_a_load_are_of_one_length_and_the_shorter_end_is_left_out() -> None:
    everything = load(*((10 + due / 4, due / 10, "a") for due in range(10)))
    assert [part.due_s for part in everything.parts(1.0)] == [[10.0, 10.25, 10.5, 10.75], [11.0, 11.25, 11.5, 11.75]]
    assert everything.parts(1.0)[1].latency_s == [0.4, 0.5, 0.6, 0.7]


def test_a_change_ends_with_the_last_answer_of_the_version_before() -> None:
    seen = load((0.0, 0.1, "1"), (1.0, 0.1, "1"), (2.0, 0.9, "1"), (2.5, 0.1, "2"), (3.0, 0.1, "2"), (4.0, 0.1, "1"))
    assert seen.windows_of_change([(0.5, "2"), (3.5, "1")]) == [(0.5, pytest.approx(2.9)), (3.5, 3.5)]


def test_a_last_version_that_never_answered_is_named() -> None:
    seen = load((0.0, 0.1, "1"), (1.0, 0.1, "1"))
    with pytest.raises(ValueError, match=r"2 was asked for at 0\.500 s and never answered"):
        seen.windows_of_change([(0.5, "2")])


def test_a_version_that_the_next_one_overtakes_is_changed_to_until_then() -> None:
    seen = load((0.0, 0.1, "1"), (1.0, 0.1, "1"), (2.0, 0.1, "1"), (3.0, 0.1, "2"))
    asked = [(0.5, "2"), (1.5, "1"), (2.5, "2")]
    assert seen.windows_of_change(asked) == [(0.5, 1.5), (1.5, 1.5), (2.5, 2.5)]
    assert seen.changes_seen(asked) == 1


def test_milliseconds_of_the_usual_percentiles() -> None:
    seen = load(*((float(number), number / 1000, "a") for number in range(1, 1001)))
    assert seen.milliseconds() == {"p50": 500.0, "p90": 900.0, "p99": 990.0, "p99.9": 999.0}


def test_windows_of_swaps_last_a_moment_longer_and_never_overlap() -> None:
    seen = load((0.0, 0.01, "1"), (1.0, 0.01, "2"), (1.04, 0.01, "1"), (2.0, 0.01, "1"))
    asked = [(0.5, "2"), (1.02, "1")]
    assert seen.windows_of_change(asked) == [(0.5, 0.5), (1.02, 1.02)]
    assert windows(seen, asked) == [(0.5, 0.6), (1.02, 1.12)]
    assert windows(seen, [(0.95, "2"), (1.02, "1")]) == [(0.95, 1.02), (1.02, 1.12)]
