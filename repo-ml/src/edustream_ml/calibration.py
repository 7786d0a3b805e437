"""How far the probabilities that a model states are from how often it turns out to be right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

DIGITS: Final = 6
"""Decimals that are kept of a figure: enough for any reader, and the same on every processor."""

Truth = npt.NDArray[np.bool_]
Probability = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """Rows whose probability lies in one bin: their number, mean probability, and share of positives."""

    lower: float
    upper: float
    rows: int
    mean_probability: float | None
    positive_share: float | None


def calibration_bins(truth: Truth, probability: Probability, bins: int) -> tuple[CalibrationBin, ...]:
    """Compare promised and observed shares of positives in `bins` equally wide bins; 1.0 lies in the last.

    Args:
        truth: bool (n,), whether a row is positive.
        probability: (n,), the model's probability that it is.
        bins: number of bins.
    """
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


def rounded(value: Any) -> float:
    """A figure as it is reported."""
    return round(float(value), DIGITS)
