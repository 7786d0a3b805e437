from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edustream_ml.calibration import calibration_bins, expected_calibration_error

TRUTH = np.array([False, False, True, True])


def test_promised_and_observed_shares_of_four_rows_worked_out_by_hand() -> None:
    bins = calibration_bins(TRUTH, np.array([0.1, 0.6, 0.4, 1.0]), bins=2)
    assert [(bin_.rows, bin_.mean_probability, bin_.positive_share) for bin_ in bins] == [(2, 0.25, 0.5), (2, 0.8, 0.5)]
    assert expected_calibration_error(bins) == pytest.approx(0.275)


def test_an_empty_bin_has_no_mean_and_weighs_nothing() -> None:
    bins = calibration_bins(TRUTH, np.full(4, 0.5), bins=4)
    assert [bin_.rows for bin_ in bins] == [0, 0, 4, 0]
    assert bins[0].mean_probability is None
    assert expected_calibration_error(bins) == 0.0


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1)), min_size=1, max_size=50), st.integers(2, 20))
def test_every_row_is_in_exactly_one_bin(rows: list[tuple[bool, float]], bins: int) -> None:
    truth, probability = (np.array(column) for column in zip(*rows, strict=True))
    found = calibration_bins(truth, probability, bins)
    assert sum(bin_.rows for bin_ in found) == len(rows)
    assert 0.0 <= expected_calibration_error(found) <= 1.0
