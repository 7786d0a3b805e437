"""What the metrics are called where people read them, and what each of them says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from edustream_ml.tasks import CROSS_VALIDATION

WORST_SLICE: Final = "worst_slice_"
CHAMPION: Final = "champion_"
DIFFERENCE: Final = "_difference"
_TITLES: Final[Mapping[str, tuple[str, str]]] = {
    "roc_auc": ("ROC AUC", "how likely a row of the class gets a higher probability than a row without it"),
    "macro_roc_auc": ("Macro ROC AUC", "the mean over the classes of each one's ROC AUC against all others"),
    "average_precision": ("Average precision", "the area under the curve of precision over recall"),
    "f1": ("F1", "the harmonic mean of precision and recall of the label"),
    "macro_f1": ("Macro F1", "the mean over the classes of each one's F1, every class as weighty as the others"),
    "accuracy": ("Accuracy", "the share of right labels"),
    "balanced_accuracy": ("Balanced accuracy", "the mean over the classes of the share that is found"),
    "brier_score": ("Brier score", "the mean squared error of the probability; small is good"),
    "log_loss": ("Log loss", "minus the mean logarithm of the true class's probability; small is good"),
    "expected_calibration_error": (
        "Expected calibration error",
        "how far probabilities are from observed shares on average; small is good; rows drawn again look worse "
        "calibrated, so its interval may lie above it",
    ),
    "r2": ("R²", "the share of the target's variance that the model explains"),
    "mean_absolute_error": ("Mean absolute error", "in the target's unit; small is good"),
    "root_mean_squared_error": (
        "Root mean squared error",
        "in the target's unit, large errors weigh more; small is good",
    ),
    "median_absolute_percentage_error": (
        "Median absolute percentage error",
        "half of the rows are off by less than this share of the true value; small is good",
    ),
    "disparate_impact": ("Disparate impact", "the lowest share of favourable answers divided by the highest"),
    "business_value": ("Business value", "what the decision about one row is worth on average"),
    "latency_ms": ("Latency in ms", "the median time for one row; small is good"),
    "size_mib": ("Size in MiB", "that of model.onnx; small is good"),
    "favourable_share": ("Favourable share", "the share of rows that get the favourable answer"),
}


def metric_title(name: str) -> str:
    """The name of a metric, or of a gate, for people."""
    if name.startswith(WORST_SLICE):
        return f"{metric_title(name.removeprefix(WORST_SLICE))}, worst slice"
    if name.startswith(CHAMPION) and name.endswith(DIFFERENCE):
        return f"{metric_title(name.removeprefix(CHAMPION).removesuffix(DIFFERENCE))}, model minus champion"
    within = name.removeprefix(CROSS_VALIDATION)
    title = _TITLES.get(within, (within.replace("_", " "), ""))[0]
    return title if within == name else f"{title}, mean over the folds"


def metric_meaning(name: str) -> str:
    """What a metric says, in a few words; empty for one that only its owner knows."""
    return _TITLES.get(name.removeprefix(CROSS_VALIDATION), ("", ""))[1]
