from __future__ import annotations

import pytest

from edustream_contracts.metrics import reaches, relation


@pytest.mark.parametrize("name", ["roc_auc", "f1", "average_precision", "cross_validation_roc_auc", "error_recall"])
def test_a_score_must_reach_its_threshold(name: str) -> None:
    assert [reaches(name, value, 0.8) for value in (0.7, 0.8, 0.9)] == [False, True, True]
    assert relation(name) == "at least"


@pytest.mark.parametrize("name", ["brier_score", "log_loss", "expected_calibration_error", "mean_absolute_error"])
def test_an_error_must_not_exceed_it(name: str) -> None:
    assert [reaches(name, value, 0.8) for value in (0.7, 0.8, 0.9)] == [True, True, False]
    assert relation(name) == "at most"


@pytest.mark.parametrize("name", ["roc_auc", "log_loss"])
def test_not_a_number_keeps_no_threshold(name: str) -> None:
    assert not reaches(name, float("nan"), 0.8)
