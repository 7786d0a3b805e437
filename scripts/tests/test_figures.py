from __future__ import annotations

import pytest
from figures import figure, paired_figure


@pytest.mark.parametrize(
    ("ours", "target", "met"),
    [(2.0, "<= 2", True), (2.1, "<= 2", False), (2.0, ">= 2", True), (1.9, ">= 2", False), (0.1, ">= 0", True)],
)
def test_a_target_holds_for_the_ratio_and_its_bound_is_good_enough(ours: float, target: str, met: bool) -> None:
    assert figure("a / b", [ours], [1.0], "s", target).met is met


def test_the_ratio_is_that_of_the_medians() -> None:
    row = figure("a / b", [1.0, 100.0, 3.0], [2.0, 1.0], "s", ">= 0")
    assert (row.ours, row.theirs, row.ratio) == (3.0, 1.5, 2.0)


def test_digits_that_mean_nothing_are_dropped_after_the_comparison() -> None:
    row = figure("a / b", [149.9996], [1.0], "requests/s", ">= 150")
    assert (row.ours, row.ratio, row.met) == (150.0, 150.0, False)


def test_a_paired_ratio_is_that_of_the_rounds() -> None:
    # The machine is ten times slower in two of five rounds.
    row = paired_figure("a / b", [9.0, 0.9, 9.0, 0.9, 9.0], [10.0, 1.0, 10.0, 1.0, 10.0], "requests/s", ">= 0.9")
    assert (row.ratio, row.met) == (0.9, True)
