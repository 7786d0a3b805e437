"""The metrics of an evaluation as functions of how often each row counts, so that a thousand resamples cost one sort.

With each row counted once they are those of `evaluate`. `edustream_ml.gates.figures` has those that gates compare too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from edustream_ml.configuration import TrainingPlan
from edustream_ml.gates.bootstrap import Counts, Statistic
from edustream_ml.gates.figures import macro_f1, mean, r2, roc_auc
from edustream_ml.scores import Labels, Scores
from edustream_ml.tasks import Task

Numbers = npt.NDArray[np.floating[Any]]
Truth = npt.NDArray[np.bool_]


def statistics(plan: TrainingPlan, truth: Labels, answered: Scores) -> Mapping[str, Statistic]:
    """Every metric that `evaluate` takes of the same answers, by its name.

    Args:
        plan: says what kind of question is asked, and into how many bins probabilities are divided.
        truth: (n,), str objects or float64 as in `Scores.labels`.
        answered: the model's answers to the same rows.
    """
    if answered.probabilities is None:
        return _of_numbers(truth, answered.labels.astype(np.float64), log=plan.configuration.target.scale == "log")
    bins = plan.configuration.calibration.bins
    if plan.task is Task.BINARY:
        probability = answered.of_class(plan.positive, plan.classes).astype(np.float64)
        return _of_two_classes(truth == plan.positive, probability, answered.labels == plan.positive, bins)
    codes = {name: number for number, name in enumerate(plan.classes)}
    classes = np.array([codes[name] for name in truth], dtype=np.intp)
    named = np.array([codes[name] for name in answered.labels], dtype=np.intp)
    probabilities = answered.probabilities.astype(np.float64)
    return _of_classes(classes, probabilities / probabilities.sum(axis=1, keepdims=True), named, bins)


def _of_two_classes(truth: Truth, probability: Numbers, predicted: Truth, bins: int) -> dict[str, Statistic]:
    outcome = truth.astype(np.float64)
    return {
        "roc_auc": roc_auc(truth, probability),
        "average_precision": average_precision(truth, probability),
        "f1": lambda counts: float(2.0 * (counts @ (truth & predicted)) / max(counts @ (outcome + predicted), 1.0)),
        "accuracy": mean((truth == predicted).astype(np.float64)),
        "brier_score": mean((probability - outcome) ** 2),
        "log_loss": mean(_logarithmic_loss(np.where(truth, probability, 1.0 - probability))),
        "expected_calibration_error": calibration_error(outcome, probability, bins),
    }


def _of_classes(
    truth: npt.NDArray[np.intp], probabilities: Numbers, named: npt.NDArray[np.intp], bins: int
) -> dict[str, Statistic]:
    size = probabilities.shape[1]
    right = (truth == named).astype(np.float64)
    areas = [roc_auc(truth == number, probabilities[:, number]) for number in range(size)]

    def balanced_accuracy(counts: Counts) -> float:
        found = np.bincount(truth, counts * right, size) / np.bincount(truth, counts, size)
        return float(found.mean())

    return {
        "macro_f1": macro_f1(truth, named),
        "macro_roc_auc": lambda counts: float(np.mean([area(counts) for area in areas])),
        "balanced_accuracy": balanced_accuracy,
        "accuracy": mean(right),
        "log_loss": mean(_logarithmic_loss(probabilities[np.arange(len(truth)), truth])),
        "expected_calibration_error": calibration_error(right, probabilities.max(axis=1), bins),
    }


def _of_numbers(truth: Numbers, predicted: Numbers, *, log: bool) -> dict[str, Statistic]:
    errors = np.abs(predicted - truth)
    square = mean(errors**2)
    return {
        "r2": r2(np.log(truth), np.log(predicted)) if log else r2(truth, predicted),
        "mean_absolute_error": mean(errors),
        "root_mean_squared_error": lambda counts: float(np.sqrt(square(counts))),
        "median_absolute_percentage_error": median(errors / np.maximum(np.abs(truth), np.finfo(np.float64).tiny)),
    }


def average_precision(positive: Truth, score: Numbers) -> Statistic:
    """Precision at each score that occurs, weighted by what recall gains there; not a number without a positive.

    `positive` is bool (n,), `score` float (n,); equal scores are one step.
    """
    order = np.argsort(-score, kind="stable")
    truth = positive[order]
    ends = np.append(np.flatnonzero(np.diff(score[order])), len(order) - 1)

    def statistic(counts: Counts) -> float:
        drawn = counts[order]
        found = np.cumsum(np.where(truth, drawn, 0))[ends]
        marked = np.cumsum(drawn)[ends]
        gained = np.diff(found, prepend=0)
        return float((gained * found / np.maximum(marked, 1)).sum() / found[-1]) if found[-1] else float("nan")

    return statistic


def calibration_error(outcome: Numbers, promised: Numbers, bins: int) -> Statistic:
    """Mean |observed - promised share| over equally wide bins, weighted by rows (Naeini and others, 2015).

    `outcome` is 0.0 or 1.0 (n,), `promised` its probability (n,).
    """
    numbers = np.clip(np.searchsorted(np.linspace(0.0, 1.0, bins + 1), promised, side="right") - 1, 0, bins - 1)
    gap = outcome - promised
    return lambda counts: float(np.abs(np.bincount(numbers, counts * gap, bins)).sum() / counts.sum())


def median(values: Numbers) -> Statistic:
    """The median of the values (n,); the mean of the two in the middle where there are two."""
    order = np.argsort(values, kind="stable")
    ranked = values[order]

    def statistic(counts: Counts) -> float:
        drawn = np.cumsum(counts[order])
        middle = [(drawn[-1] - 1) // 2, drawn[-1] // 2]
        return float(ranked[np.searchsorted(drawn, middle, side="right")].mean())

    return statistic


def _logarithmic_loss(probability: Numbers) -> Numbers:
    smallest = np.finfo(np.float64).eps
    return -np.log(np.clip(probability, smallest, 1.0 - smallest))
