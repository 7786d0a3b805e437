from __future__ import annotations

import numpy as np
import pytest

from edustream_ml.configuration import TrainingPlan
from edustream_ml.evaluation import evaluate, fold_scores, regression_scores
from edustream_ml.scores import Scores

TRUTH = np.array(["No", "No", "Yes", "Yes"], dtype=object)


def scores(*positive: float) -> Scores:
    """Answers with these probabilities of Yes."""
    probability = np.array(positive)
    return Scores(
        np.where(probability >= 0.5, "Yes", "No").astype(object), np.column_stack([1 - probability, probability])
    )


def test_two_classes_worked_out_by_hand(small_plan: TrainingPlan) -> None:
    evaluation = evaluate(small_plan, TRUTH, scores(0.1, 0.6, 0.4, 1.0))
    assert evaluation.scores["roc_auc"] == 0.75
    assert evaluation.scores["brier_score"] == pytest.approx((0.01 + 0.36 + 0.36 + 0.0) / 4)
    assert evaluation.scores["f1"] == 0.5
    assert evaluation.class_shares == {"No": 0.5, "Yes": 0.5}
    assert evaluation.confusion is not None
    assert evaluation.confusion.counts == ((1, 1), (1, 1))
    assert evaluation.scores["expected_calibration_error"] == pytest.approx((0.1 + 0.6 + 0.6 + 0.0) / 4)
    assert fold_scores(small_plan, TRUTH, scores(0.1, 0.6, 0.4, 1.0)) == {"roc_auc": 0.75}


def test_numbers_worked_out_by_hand() -> None:
    found = regression_scores(np.array([1.0, 2.0, 6.0]), np.array([1.5, 2.0, 4.0]), log=False)
    assert found["r2"] == pytest.approx(1 - 4.25 / 14)
    assert found["mean_absolute_error"] == pytest.approx(2.5 / 3)
    assert found["root_mean_squared_error"] == pytest.approx((4.25 / 3) ** 0.5)
    assert found["median_absolute_percentage_error"] == pytest.approx(1 / 3)


def test_on_a_logarithmic_scale_r2_is_that_of_the_logarithms_and_errors_keep_their_unit() -> None:
    truth, predicted = np.exp([0.0, 1.0, 2.0]), np.exp([0.0, 1.5, 2.0])
    found = regression_scores(truth, predicted, log=True)
    assert found["r2"] == pytest.approx(1 - 0.25 / 2)
    assert found["mean_absolute_error"] == pytest.approx((np.exp(1.5) - np.exp(1)) / 3)


def test_a_truth_of_nothing_has_a_percentage_error_that_is_a_number() -> None:
    found = regression_scores(np.zeros(3), np.array([0.0, 1.0, 1.0]), log=False)
    assert np.isfinite(found["median_absolute_percentage_error"])
