"""Measures a model on rows whose truth is known: the chosen one, once, on the rows that were set aside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn import metrics

from edustream_ml.calibration import CalibrationBin, calibration_bins, expected_calibration_error, rounded
from edustream_ml.configuration import TrainingPlan
from edustream_ml.scores import Labels, Scores
from edustream_ml.tasks import FOLD_METRICS, Task

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ConfusionMatrix:
    """How often each class was predicted for each class: a row for each true class, a column for each predicted one."""

    classes: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Evaluation:
    """The figures of one model on one set of rows.

    `class_shares`, `confusion` and `calibration` are empty for a regression. The calibration of two classes is that of
    the positive one's probability; of more, that of the probability of the predicted class (Guo and others, 2017).
    """

    rows: int
    scores: Mapping[str, float]
    class_shares: Mapping[str, float]
    confusion: ConfusionMatrix | None
    calibration: tuple[CalibrationBin, ...]


def evaluate(plan: TrainingPlan, truth: Labels, answered: Scores) -> Evaluation:
    """Measure a model's answers.

    Args:
        plan: says what kind of question is asked, and into how many bins probabilities are divided.
        truth: (n,), str objects or float64 as in `Scores.labels`.
        answered: the model's answers to the same rows.
    """
    if not plan.task.is_classification:
        scores = _rounded(regression_scores(truth, answered.labels, log=plan.configuration.target.scale == "log"))
        return Evaluation(len(truth), scores, {}, None, ())
    calibration = _calibration(plan, truth, answered)
    binary = plan.task is Task.BINARY
    scores = _binary_scores(plan, truth, answered) if binary else _multiclass_scores(plan, truth, answered)
    counts = metrics.confusion_matrix(truth.astype(str), answered.labels.astype(str), labels=list(plan.classes))
    return Evaluation(
        rows=len(truth),
        scores=_rounded({**scores, "expected_calibration_error": expected_calibration_error(calibration)}),
        class_shares={name: rounded((truth == name).mean()) for name in plan.classes},
        confusion=ConfusionMatrix(plan.classes, tuple(tuple(map(int, row)) for row in counts)),
        calibration=calibration,
    )


def fold_scores(plan: TrainingPlan, truth: Labels, answered: Scores) -> dict[str, float]:
    """The metrics that are taken on every fold, that which decides among the candidates first; see `evaluate`."""
    if plan.task is Task.BINARY:
        positive = answered.of_class(plan.positive, plan.classes)
        found = {"roc_auc": metrics.roc_auc_score(truth == plan.positive, positive)}
    elif plan.task is Task.MULTICLASS:
        found = {"macro_f1": _macro_f1(plan, truth, answered)}
    else:
        found = regression_scores(truth, answered.labels, log=plan.configuration.target.scale == "log")
    return {name: float(found[name]) for name in FOLD_METRICS[plan.task]}


def regression_scores(truth: Numbers, predicted: Numbers, *, log: bool) -> dict[str, float]:
    """The metrics of a regression: errors in the contract's unit, R2 of the logarithms where `log`.

    Args:
        truth: float64 (n,).
        predicted: (n,).
        log: whether numbers were learned on a logarithmic scale; all are above 0 then.

    The median absolute percentage error is a share, not a percentage: 0.1 is 10 %.
    """
    scaled = (np.log(truth), np.log(predicted)) if log else (truth, predicted)
    # A truth of 0 would have no percentage error: it gets a huge one, or none where the prediction is 0 too.
    shares = np.abs(predicted - truth) / np.maximum(np.abs(truth), np.finfo(np.float64).eps)
    return {
        "r2": metrics.r2_score(*scaled),
        "mean_absolute_error": metrics.mean_absolute_error(truth, predicted),
        "root_mean_squared_error": metrics.root_mean_squared_error(truth, predicted),
        "median_absolute_percentage_error": float(np.median(shares)),
    }


def _binary_scores(plan: TrainingPlan, truth: Labels, answered: Scores) -> dict[str, Any]:
    """The Brier score is the mean squared error of the probability (Brier, 1950)."""
    probability = answered.of_class(plan.positive, plan.classes)
    is_positive, said_positive = truth == plan.positive, answered.labels == plan.positive
    return {
        "roc_auc": metrics.roc_auc_score(is_positive, probability),
        "average_precision": metrics.average_precision_score(is_positive, probability),
        "f1": metrics.f1_score(is_positive, said_positive, zero_division=0.0),
        "accuracy": metrics.accuracy_score(is_positive, said_positive),
        "brier_score": metrics.brier_score_loss(is_positive, probability),
        "log_loss": metrics.log_loss(is_positive, np.asarray(probability, dtype=np.float64), labels=[False, True]),
    }


def _multiclass_scores(plan: TrainingPlan, truth: Labels, answered: Scores) -> dict[str, Any]:
    """The area under the ROC curve is the mean over the classes, each against all others (Provost, Domingos, 2000)."""
    names, said, probabilities = truth.astype(str), answered.labels.astype(str), _distributions(answered)
    return {
        "macro_f1": _macro_f1(plan, truth, answered),
        "macro_roc_auc": metrics.roc_auc_score(names, probabilities, multi_class="ovr", labels=list(plan.classes)),
        "balanced_accuracy": metrics.balanced_accuracy_score(names, said),
        "accuracy": metrics.accuracy_score(names, said),
        "log_loss": metrics.log_loss(names, probabilities, labels=list(plan.classes)),
    }


def _macro_f1(plan: TrainingPlan, truth: Labels, answered: Scores) -> Any:
    """The mean of the F1 of the classes, each as weighty as the others; a class that is never right has 0."""
    said = answered.labels.astype(str)
    return metrics.f1_score(truth.astype(str), said, labels=list(plan.classes), average="macro", zero_division=0.0)


def _distributions(answered: Scores) -> Numbers:
    """The probabilities in float64, each row with the sum 1 that float32 misses by its rounding."""
    probabilities = np.asarray(answered.probabilities, dtype=np.float64)
    return np.asarray(probabilities / probabilities.sum(axis=1, keepdims=True))


def _calibration(plan: TrainingPlan, truth: Labels, answered: Scores) -> tuple[CalibrationBin, ...]:
    bins = plan.configuration.calibration.bins
    if plan.task is Task.BINARY:
        positive = answered.of_class(plan.positive, plan.classes)
        return calibration_bins(truth == plan.positive, positive, bins)
    return calibration_bins(truth == answered.labels, _distributions(answered).max(axis=1), bins)


def _rounded(scores: Mapping[str, Any]) -> dict[str, float]:
    return {name: rounded(value) for name, value in scores.items()}
