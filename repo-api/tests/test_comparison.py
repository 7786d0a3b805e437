"""Two releases' answers, counted: against counts and statistics that are worked out another way."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from challenged import challenge
from consumers import ConsumerBench
from hypothesis import given
from hypothesis import strategies as st

from edustream_api.challenger.comparison import Comparison, Failure, wilson
from edustream_api.loading import ServedModel


@pytest.fixture
def pair(bench: ConsumerBench) -> tuple[ServedModel, ServedModel]:
    challenge(bench)
    found = [bench.keeper(f"churn@{name}").start().serving for name in ("production", "candidate")]
    champion, challenger = found
    assert champion is not None
    assert challenger is not None
    return champion, challenger


def answers(labels: str, probabilities: list[float]) -> list[dict[str, Any]]:
    return [
        {"prediction": {"y": "Yes", "n": "No"}[label], "probability": probability}
        for label, probability in zip(labels, probabilities, strict=True)
    ]


def test_wilson_against_published_values() -> None:
    # Newcombe (1998, Statistics in Medicine 17, 857-872), table I, method 3.
    for hits, trials, low, high in ((81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611)):
        assert wilson(hits, trials) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 10_000), st.data())
def test_wilson_holds_the_share_and_stays_a_share(trials: int, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, trials))
    low, high = wilson(hits, trials)
    assert 0 <= low <= hits / trials <= high <= 1


def test_counts_labels_and_differences(pair: tuple[ServedModel, ServedModel]) -> None:
    comparison = Comparison(*pair)
    comparison.add(answers("yny", [0.9, 0.1, 0.6]), answers("ynn", [0.8, 0.3, 0.4]))
    comparison.add(answers("n", [0.2]), [Failure("it is tired")])
    assert (comparison.compared, comparison.failed, comparison.last_failure) == (3, 1, "it is tired")
    agreement = comparison.agreement()
    assert agreement is not None
    assert (agreement["agreed"], agreement["share"]) == (2, pytest.approx(2 / 3))
    assert (agreement["low"], agreement["high"]) == wilson(2, 3)
    differences = comparison.differences()["probability"]
    assert differences["mean"] == pytest.approx(np.mean([-0.1, 0.2, -0.2]))
    assert differences["mean_absolute"] == pytest.approx(np.mean([0.1, 0.2, 0.2]))
    assert differences["max_absolute"] == pytest.approx(0.2)
    assert differences["quantiles_absolute"]["0.5"] == pytest.approx(0.2, rel=0.06)


def test_parts_of_workers_add_up(pair: tuple[ServedModel, ServedModel]) -> None:
    first, second, whole = Comparison(*pair), Comparison(*pair), Comparison(*pair)
    for one in (first, whole):
        one.add(answers("yn", [0.9, 0.1]), answers("yy", [0.8, 0.6]))
        one.time(1e-5, 2e-5)
    for one in (second, whole):
        one.add(answers("n", [0.2]), [Failure("it is tired")])
        one.add(answers("n", [0.5]), answers("n", [0.1]))
        one.dropped += 3
    first.include(second.counts())
    assert first.counts() == whole.counts()
    assert first.latency() == whole.latency()


def test_nothing_compared_claims_nothing(pair: tuple[ServedModel, ServedModel]) -> None:
    comparison = Comparison(*pair)
    assert comparison.agreement() is None
    assert comparison.differences()["probability"]["mean"] is None
