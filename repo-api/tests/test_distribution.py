from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edustream_api.challenger.distribution import LEAST, Distribution

NUMBERS = st.lists(st.floats(0, 1e11, allow_subnormal=False), min_size=1, max_size=200)


def of(numbers: list[float]) -> Distribution:
    distribution = Distribution()
    distribution.add(np.array(numbers, dtype=np.float64))
    return distribution


@given(NUMBERS, st.sampled_from([0.01, 0.5, 0.9, 0.99, 1.0]))
def test_a_quantile_is_right_within_six_percent(numbers: list[float], share: float) -> None:
    exact = float(np.quantile(numbers, share, method="inverted_cdf"))
    found = of(numbers).quantile(share)
    assert found is not None
    assert found == pytest.approx(exact, rel=0.06, abs=LEAST)


@given(NUMBERS, NUMBERS)
def test_parts_add_up(some: list[float], others: list[float]) -> None:
    found = of(some)
    found.include(json.loads(json.dumps(of(others).counts())))
    whole = of([*some, *others])
    assert (found.count, found.largest) == (whole.count, max([*some, *others]))
    assert found.mean == pytest.approx(np.mean([*some, *others]))
    assert found.quantile(0.9) == whole.quantile(0.9)


def test_nothing_has_no_mean_and_no_quantile() -> None:
    empty = of([])
    assert (empty.mean, empty.quantile(0.5), empty.count) == (None, None, 0)


def test_what_is_beyond_the_bins_is_counted_all_the_same() -> None:
    assert of([1e300]).quantile(0.5) == pytest.approx(1e12, rel=0.06)
    assert of([0.0, 1e-300]).quantile(1.0) == 0.0
