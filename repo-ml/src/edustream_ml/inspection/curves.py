"""ROC and precision-recall curves of each class against the others, thinned to what an eye can tell apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score, roc_curve

from edustream_ml.calibration import CalibrationBin, calibration_bins, rounded

POINTS: Final = 160
DECIMALS: Final = 4
MOST_CLASSES: Final = 8

Numbers = npt.NDArray[np.floating[Any]]
Labels = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Line:
    """A line through points: `x` and `y` of the same length, at most `POINTS`."""

    x: tuple[float, ...]
    y: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class ClassCurves:
    """One class against all others: `roc` is true over false positive rate, the other precision over recall."""

    name: str
    rows: int
    share: float
    roc_auc: float
    average_precision: float
    roc: Line
    precision_recall: Line
    calibration: tuple[CalibrationBin, ...]


def class_curves(labels: Labels, probabilities: Numbers, classes: Sequence[str], bins: int) -> tuple[ClassCurves, ...]:
    """The curves of every class that some but not all rows have; of the commonest ones where there are many.

    Args:
        labels: str (n,), the true classes.
        probabilities: (n, len(classes)), those of `classes` in that order.
        classes: whose curves to take.
        bins: number of equally wide bins of the probability for the calibration.
    """
    counted = [(name, int((labels == name).sum())) for name in classes]
    common = sorted(counted, key=lambda pair: -pair[1])[:MOST_CLASSES]
    return tuple(
        _curves(name, np.asarray(labels == name, dtype=np.bool_), probabilities[:, number], bins)
        for number, (name, count) in enumerate(counted)
        if (name, count) in common and 0 < count < len(labels)
    )


def _curves(name: str, truth: npt.NDArray[np.bool_], probability: Numbers, bins: int) -> ClassCurves:
    false_positive_rate, true_positive_rate, _ = roc_curve(truth, probability)
    precision, recall, _ = precision_recall_curve(truth, probability)
    return ClassCurves(
        name=name,
        rows=int(truth.sum()),
        share=rounded(truth.mean()),
        roc_auc=rounded(roc_auc_score(truth, probability)),
        average_precision=rounded(average_precision_score(truth, probability)),
        roc=thinned(false_positive_rate, true_positive_rate),
        precision_recall=thinned(recall[::-1], precision[::-1]),
        calibration=calibration_bins(truth, probability, bins),
    )


def thinned(x: Numbers, y: Numbers) -> Line:
    """At most `POINTS` points of a line, the ends among them, at about equal distances along it."""
    along = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y)))])
    wanted = np.linspace(0.0, along[-1], POINTS - 1)
    chosen = np.unique(np.append(np.searchsorted(along, wanted), len(x) - 1)) if len(x) > POINTS else np.arange(len(x))
    return Line(_points(x[chosen]), _points(y[chosen]))


def _points(values: Numbers) -> tuple[float, ...]:
    return tuple(round(float(value), DECIMALS) for value in values)
