from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edustream_ml.gates.bootstrap import Counts, Resampling, difference, everything, interval, strata
from edustream_ml.gates.figures import mean, roc_auc

HOW = Resampling(resamples=400, confidence=0.95, seed=7)


@given(st.lists(st.sampled_from("ab"), min_size=2, max_size=30))
def test_every_draw_has_as_many_rows_of_each_label_as_there_are(labels: list[str]) -> None:
    given_labels = np.array(labels, dtype=object)
    within = np.arange(len(labels))
    drawn: list[Counts] = []

    def remember(counts: Counts) -> float:
        drawn.append(counts)
        return 0.0

    interval(remember, strata(given_labels, within), len(labels), Resampling(5, 0.9, 1))
    for label in set(labels):
        inside = given_labels == label
        assert {int(counts[inside].sum()) for counts in drawn} == {int(inside.sum())}


def test_rows_outside_the_groups_are_never_drawn() -> None:
    labels = np.array(list("abab"), dtype=object)
    seen: list[Counts] = []

    def see(counts: Counts) -> float:
        seen.append(counts)
        return 0.0

    interval(see, strata(labels, np.array([0, 1])), 4, Resampling(9, 0.9, 1))
    assert all(counts[2:].sum() == 0 and counts[:2].sum() == 2 for counts in seen)


def test_the_interval_of_a_mean_is_that_of_the_normal_distribution() -> None:
    """Of 2,000 values, the mean of a resample is as good as normal, with the standard error of the mean."""
    values = np.random.default_rng(1).normal(3.0, 2.0, 2000)
    found = interval(mean(values), (np.arange(2000),), 2000, Resampling(4000, 0.95, 3))
    assert found is not None
    error = values.std() / np.sqrt(2000)
    assert found.low == pytest.approx(values.mean() - 1.96 * error, abs=0.1 * error)
    assert found.high == pytest.approx(values.mean() + 1.96 * error, abs=0.1 * error)


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    """Of 200 samples, a 90 % interval misses the mean of the population about 20 times (standard deviation 4.2)."""
    generator = np.random.default_rng(11)
    misses = 0
    for _ in range(200):
        found = interval(mean(generator.normal(0.0, 1.0, 80)), (np.arange(80),), 80, Resampling(200, 0.9, 5))
        assert found is not None
        misses += not found.low <= 0.0 <= found.high
    assert 8 <= misses <= 36


def test_a_paired_interval_is_narrower_than_that_of_either_model() -> None:
    generator = np.random.default_rng(2)
    truth = generator.random(600) < 0.3
    one = truth + generator.normal(0.0, 1.0, 600)
    other = one + generator.normal(0.0, 0.05, 600)
    groups = strata(truth, np.arange(600))
    alone = interval(roc_auc(truth, one), groups, 600, HOW)
    paired = interval(difference(roc_auc(truth, one), roc_auc(truth, other)), groups, 600, HOW)
    assert alone is not None
    assert paired is not None
    assert paired.high - paired.low < (alone.high - alone.low) / 4
    assert paired.low <= difference(roc_auc(truth, one), roc_auc(truth, other))(everything(600)) <= paired.high


def test_equal_seeds_draw_alike_and_others_do_not() -> None:
    values = np.random.default_rng(4).normal(size=50)
    found = [interval(mean(values), (np.arange(50),), 50, Resampling(50, 0.9, seed)) for seed in (1, 1, 2)]
    assert found[0] == found[1] != found[2]


def test_a_figure_that_some_draw_leaves_undefined_has_no_interval() -> None:
    truth = np.array([True, False, False])
    assert interval(roc_auc(truth, np.arange(3.0)), (np.arange(3),), 3, HOW) is None
