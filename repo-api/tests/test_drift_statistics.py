"""Distances of two samples in the same bins: worked out by hand, their laws, and scipy's own values."""

from __future__ import annotations

from itertools import permutations
from math import log, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edustream_api.drift.statistics import (
    Counts,
    jensen_shannon_distance,
    population_stability_index,
    stability_index_by_chance,
)

# scipy 1.17.1: scipy.spatial.distance.jensenshannon(p, q, base=2)
SCIPY_DISTANCES = [
    ([1, 1], [1, 1], 0.0),
    ([1, 0], [0, 1], 1.0),
    ([1, 0], [1, 1], 0.5579230452841438),
    ([10, 20, 30, 40], [40, 30, 20, 10], 0.3918681606471551),
    ([5, 0, 3, 2, 0], [0, 7, 3, 1, 0], 0.7640498115172023),
    ([495, 587, 556, 605, 538], [20, 31, 90, 12, 7], 0.36243050084016853),
]


def counts(*numbers: int) -> Counts:
    return np.array(numbers, dtype=np.int64)


samples = st.integers(1, 12).flatmap(
    lambda bins: st.tuples(
        *[st.lists(st.integers(0, 10**6), min_size=bins, max_size=bins).filter(any).map(np.array) for _ in range(2)]
    )
)


def test_the_index_of_large_samples_is_what_the_formula_gives() -> None:
    by_hand = (0.5 - 0.2) * log(0.5 / 0.2) + (0.3 - 0.3) * log(0.3 / 0.3) + (0.2 - 0.5) * log(0.2 / 0.5)
    assert by_hand == pytest.approx(0.5497744391)
    index = population_stability_index(counts(2_000_000, 3_000_000, 5_000_000), counts(500_000, 300_000, 200_000))
    assert index == pytest.approx(by_hand, rel=1e-4)


def test_smoothing_adds_twenty_rows_spread_as_both_samples_are() -> None:
    # Together 4 and 4 rows, so 10 more in either bin: 13 and 11 of 24 against 11 and 13 of 24.
    assert population_stability_index(counts(3, 1), counts(1, 3)) == pytest.approx(2 * (2 / 24) * log(13 / 11))


def test_a_bin_that_one_side_never_saw_is_finite_and_large() -> None:
    assert 1 < population_stability_index(counts(5000, 0), counts(0, 1000)) < 30


@given(samples)
def test_the_index_is_symmetric_and_never_negative(pair: tuple[Counts, Counts]) -> None:
    index = population_stability_index(*pair)
    assert index >= 0
    assert index == pytest.approx(population_stability_index(*reversed(pair)))


@given(samples)
def test_the_index_is_zero_exactly_for_equal_shares(pair: tuple[Counts, Counts]) -> None:
    reference, observed = pair
    equal = bool((reference * observed.sum() == observed * reference.sum()).all())
    # Samples of 10**6 rows that differ in one row have an index of about 10**-12; what is below is rounding.
    assert (population_stability_index(reference, observed) < 1e-15) == equal
    assert population_stability_index(reference, reference * 3) < 1e-15


@given(samples)
def test_bins_that_are_empty_on_both_sides_and_their_order_change_nothing(pair: tuple[Counts, Counts]) -> None:
    with_empty = [np.concatenate([sample[::-1], [0, 0]]) for sample in pair]
    for measure in (population_stability_index, jensen_shannon_distance, stability_index_by_chance):
        assert measure(*with_empty) == pytest.approx(measure(*pair), abs=1e-9)


@pytest.mark.parametrize(("p", "q", "expected"), SCIPY_DISTANCES)
def test_the_distance_is_that_of_scipy(p: list[int], q: list[int], expected: float) -> None:
    assert jensen_shannon_distance(counts(*p), counts(*q)) == pytest.approx(expected, abs=1e-12)


def test_the_distance_by_hand() -> None:
    # (1, 0) against (1/2, 1/2): the middle is (3/4, 1/4).
    divergence = (log(1 / 0.75, 2) + (0.5 * log(0.5 / 0.75, 2) + 0.5 * log(0.5 / 0.25, 2))) / 2
    assert jensen_shannon_distance(counts(7, 0), counts(2, 2)) == pytest.approx(sqrt(divergence))


@given(samples)
def test_the_distance_is_symmetric_within_0_and_1_and_zero_for_equal_shares(pair: tuple[Counts, Counts]) -> None:
    distance = jensen_shannon_distance(*pair)
    assert 0 <= distance <= 1
    assert distance == pytest.approx(jensen_shannon_distance(*reversed(pair)), abs=1e-7)
    assert jensen_shannon_distance(pair[0], pair[0] * 3) < 1e-7


def test_the_distance_keeps_the_triangle_inequality() -> None:
    random = np.random.default_rng(0)
    for _ in range(50):
        a, b, c = random.integers(0, 30, (3, 6)) + 1
        for first, middle, last in permutations((a, b, c)):
            through = jensen_shannon_distance(first, middle) + jensen_shannon_distance(middle, last)
            assert jensen_shannon_distance(first, last) <= through + 1e-12


@pytest.mark.parametrize(("bins", "quantile"), [(2, 15.137), (4, 21.108), (12, 37.367), (50, 94.597)])
def test_chance_alone_reaches_the_quantile_of_chi_squared(bins: int, quantile: float) -> None:
    """Within 8 % of scipy.stats.chi2.ppf(1 - CHANCE, bins - 1), which Wilson and Hilferty approximate."""
    reference, observed = np.full(bins, 1000), np.full(bins, 20)
    scale = 1 / reference.sum() + 1 / observed.sum()
    assert stability_index_by_chance(reference, observed) == pytest.approx(quantile * scale, rel=0.08)


def test_one_occupied_bin_leaves_nothing_to_chance() -> None:
    assert stability_index_by_chance(counts(0, 9), counts(0, 5)) == 0


@pytest.mark.parametrize("rows", [500, 5000])
def test_without_a_shift_hardly_any_window_exceeds_what_chance_allows(rows: int) -> None:
    random = np.random.default_rng(1)
    shares = np.array([0.3, 0.25, 0.2, 0.1, 0.1, 0.03, 0.01, 0.008, 0.0015, 0.0005])
    exceeding, warned, windows = 0, 0, 2000
    for _ in range(windows):
        reference, observed = random.multinomial(6000, shares), random.multinomial(rows, shares)
        index = population_stability_index(reference, observed)
        exceeding += index > stability_index_by_chance(reference, observed)
        warned += index >= 0.1
    # Bins in which less than a row is expected stretch the tail.
    assert exceeding <= 0.005 * windows
    assert warned == 0
