"""Evaluates the chosen model once, on the rows that were set aside, and holds it against its thresholds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from sklearn import metrics

from edustream_contracts.errors import GateRefused, Problem
from edustream_contracts.metrics import reaches, relation
from edustream_ml.configuration import MetricName

DIGITS: Final = 6
"""Decimals that are kept: enough for any reader, and the same on every processor."""

Truth = npt.NDArray[np.bool_]
Probabilities = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """Rows whose probability lies in one bin: their number, mean probability, and share of positives."""

    lower: float
    upper: float
    rows: int
    mean_probability: float | None
    positive_share: float | None


@dataclass(frozen=True, slots=True)
class ConfusionMatrix:
    """How often each class was predicted for each class."""

    true_negative: int
    false_positive: int
    false_negative: int
    true_positive: int


@dataclass(frozen=True)
class Evaluation:
    """The figures of one binary model on one set of rows."""

    rows: int
    positive_share: float
    scores: Mapping[str, float]
    confusion: ConfusionMatrix
    calibration: tuple[CalibrationBin, ...]


def evaluate(truth: Truth, probability: Probabilities, predicted: Truth, bins: int) -> Evaluation:
    """Measure a binary model.

    Args:
        truth: bool (n,), whether a row is positive.
        probability: (n,), the model's probability that it is.
        predicted: bool (n,), whether the model's label is the positive class.
        bins: number of equally wide bins of the probability for the calibration.

    The Brier score is the mean squared error of the probability (Brier, 1950); the expected calibration error is the
    mean of |positive share - mean probability| over the bins, weighted by their rows (Naeini and others, 2015).
    """
    matrix = metrics.confusion_matrix(truth, predicted, labels=[False, True])
    calibration = calibration_bins(truth, probability, bins)
    scores = {
        "roc_auc": metrics.roc_auc_score(truth, probability),
        "average_precision": metrics.average_precision_score(truth, probability),
        "f1": metrics.f1_score(truth, predicted, zero_division=0.0),
        "accuracy": metrics.accuracy_score(truth, predicted),
        "brier_score": metrics.brier_score_loss(truth, probability),
        "log_loss": metrics.log_loss(truth, np.asarray(probability, dtype=np.float64), labels=[False, True]),
        "expected_calibration_error": expected_calibration_error(calibration),
    }
    return Evaluation(
        rows=len(truth),
        positive_share=rounded(truth.mean()),
        scores={name: rounded(value) for name, value in scores.items()},
        confusion=ConfusionMatrix(*(int(count) for count in matrix.ravel())),
        calibration=calibration,
    )


def calibration_bins(truth: Truth, probability: Probabilities, bins: int) -> tuple[CalibrationBin, ...]:
    """Compare promised and observed shares of positives in `bins` equally wide bins; 1.0 lies in the last."""
    edges = np.linspace(0.0, 1.0, bins + 1)
    numbers = np.clip(np.searchsorted(edges, probability, side="right") - 1, 0, bins - 1)
    return tuple(
        CalibrationBin(
            lower=rounded(edges[number]),
            upper=rounded(edges[number + 1]),
            rows=int(inside.sum()),
            mean_probability=rounded(probability[inside].mean(dtype=np.float64)) if inside.any() else None,
            positive_share=rounded(truth[inside].mean()) if inside.any() else None,
        )
        for number in range(bins)
        for inside in [numbers == number]
    )


def expected_calibration_error(bins: tuple[CalibrationBin, ...]) -> float:
    """Mean distance of observed from promised shares, weighted by rows (Naeini and others, 2015)."""
    total = sum(calibration.rows for calibration in bins)
    return sum(
        calibration.rows / total * abs(calibration.positive_share - calibration.mean_probability)
        for calibration in bins
        if calibration.positive_share is not None and calibration.mean_probability is not None
    )


def check_thresholds(measured: Mapping[str, float], thresholds: Mapping[MetricName, float]) -> None:
    """Raise `GateRefused` (kind `threshold`) that names every threshold which is missed."""
    problems = [
        Problem(name, f"is {measured[name]:.4f}; the threshold is {relation(name)} {limit:g}")
        for name, limit in thresholds.items()
        if not reaches(name, measured[name], limit)
    ]
    if problems:
        raise GateRefused(
            "threshold",
            f"The model misses {len(problems)} of {len(thresholds)} thresholds.",
            remedy="nothing was published; improve the data, the features or the candidates. "
            "Thresholds are fixed before the evaluation.",
            problems=problems,
        )


def rounded(value: Any) -> float:
    """A figure as it is reported."""
    return round(float(value), DIGITS)
