from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edustream_contracts.errors import GateRefused
from edustream_ml.evaluation import calibration_bins, check_thresholds, evaluate, expected_calibration_error

TRUTH = np.array([False, False, True, True])
PROBABILITY = np.array([0.1, 0.6, 0.4, 1.0])


def test_figures_of_four_rows_worked_out_by_hand() -> None:
    evaluation = evaluate(TRUTH, PROBABILITY, PROBABILITY >= 0.5, bins=2)
    assert evaluation.scores["roc_auc"] == 0.75
    assert evaluation.scores["brier_score"] == pytest.approx((0.01 + 0.36 + 0.36 + 0.0) / 4)
    assert evaluation.scores["f1"] == 0.5
    assert evaluation.confusion.true_negative == evaluation.confusion.true_positive == 1
    assert evaluation.confusion.false_positive == evaluation.confusion.false_negative == 1
    assert [(bin_.rows, bin_.mean_probability, bin_.positive_share) for bin_ in evaluation.calibration] == [
        (2, 0.25, 0.5),
        (2, 0.8, 0.5),
    ]
    assert evaluation.scores["expected_calibration_error"] == pytest.approx(0.275)


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


def test_thresholds_that_are_met_exactly_are_kept() -> None:
    check_thresholds({"roc_auc": 0.8, "brier_score": 0.15}, {"roc_auc": 0.8, "brier_score": 0.15})


def test_every_threshold_that_is_missed_is_listed() -> None:
    with pytest.raises(GateRefused, match="misses 2 of 3 thresholds") as refused:
        check_thresholds(
            {"roc_auc": 0.7, "brier_score": 0.3, "f1": 0.6}, {"roc_auc": 0.8, "brier_score": 0.15, "f1": 0.5}
        )
    assert refused.value.kind == "threshold"
    assert [str(problem) for problem in refused.value.problems] == [
        "roc_auc: is 0.7000; the threshold is at least 0.8",
        "brier_score: is 0.3000; the threshold is at most 0.15",
    ]
