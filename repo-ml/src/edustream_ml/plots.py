"""Plots of the evaluation, as PNG files without a date or a program's name, so that equal figures have equal bytes."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from sklearn.metrics import precision_recall_curve, roc_curve

from edustream_ml.training import Training

DPI: Final = 120
SIZE_INCHES: Final = (6.0, 4.5)
LINE: Final = "#1f5fa8"
REFERENCE: Final = "#8a8a8a"
SHOWN_COLUMNS: Final = 20


def plots(training: Training) -> dict[str, bytes]:
    """Every plot by its file name."""
    return {
        "roc.png": _png(training, _roc),
        "precision_recall.png": _png(training, _precision_recall),
        "calibration.png": _png(training, _calibration),
        "feature_importance.png": _png(training, _importance),
    }


def _png(training: Training, draw: Callable[[Axes, Training], None]) -> bytes:
    with mpl.rc_context(mpl.rcParamsDefault):
        figure = Figure(figsize=SIZE_INCHES, dpi=DPI, layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        axes.spines[["top", "right"]].set_visible(False)
        draw(axes, training)
        image = BytesIO()
        figure.savefig(image, format="png", metadata={"Software": None})
    return image.getvalue()


def _truth(training: Training) -> list[bool]:
    return [label == training.plan.classes[1] for label in training.split.held_out.labels]


def _roc(axes: Axes, training: Training) -> None:
    false_positive, true_positive, _ = roc_curve(_truth(training), training.held_out_probability)
    axes.plot([0, 1], [0, 1], color=REFERENCE, linestyle="--", label="chance")
    score = training.evaluation.scores["roc_auc"]
    axes.plot(false_positive, true_positive, color=LINE, label=f"{training.chosen.candidate.label} (area {score:.3f})")
    axes.set(title="ROC curve, held-out rows", xlabel="False positive rate", ylabel="True positive rate")
    axes.set(xlim=(0, 1), ylim=(0, 1.02))
    axes.legend(loc="lower right", frameon=False)


def _precision_recall(axes: Axes, training: Training) -> None:
    precision, recall, _ = precision_recall_curve(_truth(training), training.held_out_probability)
    share = training.evaluation.positive_share
    axes.axhline(share, color=REFERENCE, linestyle="--", label=f"chance ({share:.3f})")
    score = training.evaluation.scores["average_precision"]
    label = f"{training.chosen.candidate.label} (average precision {score:.3f})"
    axes.plot(recall, precision, color=LINE, label=label)
    axes.set(title="Precision and recall, held-out rows", xlabel="Recall", ylabel="Precision")
    axes.set(xlim=(0, 1), ylim=(0, 1.02))
    axes.legend(loc="upper right", frameon=False)


def _calibration(axes: Axes, training: Training) -> None:
    bins = [
        (calibration.mean_probability, calibration.positive_share, calibration.rows)
        for calibration in training.evaluation.calibration
        if calibration.mean_probability is not None and calibration.positive_share is not None
    ]
    axes.plot([0, 1], [0, 1], color=REFERENCE, linestyle="--", label="perfect")
    error = training.evaluation.scores["expected_calibration_error"]
    promised, observed, rows = zip(*bins, strict=True)
    axes.plot(promised, observed, color=LINE, marker="o", label=f"expected calibration error {error:.3f}")
    for x, y, count in zip(promised, observed, rows, strict=True):
        axes.annotate(f"n={count}", (x, y), textcoords="offset points", xytext=(6, -12), fontsize=7, color=REFERENCE)
    axes.set(title="Calibration, held-out rows", xlabel="Mean probability in the bin", ylabel="Share of positives")
    axes.set(xlim=(-0.03, 1.05), ylim=(-0.05, 1.05))
    axes.legend(loc="upper left", frameon=False)


def _importance(axes: Axes, training: Training) -> None:
    shown = training.importance[:SHOWN_COLUMNS][::-1]
    axes.barh(
        [importance.column for importance in shown],
        [importance.mean for importance in shown],
        xerr=[importance.std for importance in shown],
        color=LINE,
        error_kw={"ecolor": REFERENCE},
    )
    axes.tick_params(axis="y", labelsize=7)
    axes.axvline(0, color=REFERENCE, linewidth=0.8)
    axes.set(title="Permutation importance, held-out rows", xlabel="Loss of ROC AUC when the column is shuffled")
