"""How far a regression is off, and whether that depends on what it predicts; quantiles of many rows, never a row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from edustream_ml.calibration import rounded

BANDS: Final = 10
HISTOGRAM_BINS: Final = 30
QUANTILES: Final = (0.05, 0.25, 0.5, 0.75, 0.95)
OUTER: Final = (0.01, 0.99)

Numbers = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class ResidualBand:
    """Rows with neighbouring predictions: their means, and the quantiles of observed minus predicted."""

    rows: int
    mean_predicted: float
    mean_observed: float
    q05: float
    q25: float
    q50: float
    q75: float
    q95: float


@dataclass(frozen=True, slots=True)
class Residuals:
    """Observed minus predicted, in the target's unit: by prediction, and as a histogram.

    `edges` has one more number than `counts`; `below` and `above` are the rows beyond the first and the last edge.
    """

    mean: float
    bands: tuple[ResidualBand, ...]
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    below: int
    above: int


def residuals(truth: Numbers, predicted: Numbers) -> Residuals:
    """Of `truth` and `predicted`, (n,) each; the bands hold about equally many rows."""
    target, answer = truth.astype(np.float64), predicted.astype(np.float64)
    off = target - answer
    parts = [part for part in np.array_split(np.argsort(answer, kind="stable"), BANDS) if len(part)]
    lowest, highest = np.quantile(off, OUTER)
    inside = off[(off >= lowest) & (off <= highest)]
    counts, edges = np.histogram(inside, bins=HISTOGRAM_BINS, range=(float(lowest), float(highest)))
    return Residuals(
        mean=rounded(off.mean()),
        bands=tuple(_band(target[part], answer[part], off[part]) for part in parts),
        edges=tuple(rounded(edge) for edge in edges),
        counts=tuple(int(count) for count in counts),
        below=int((off < lowest).sum()),
        above=int((off > highest).sum()),
    )


def _band(target: Numbers, answer: Numbers, off: Numbers) -> ResidualBand:
    quantiles = (rounded(quantile) for quantile in np.quantile(off, QUANTILES))
    return ResidualBand(len(off), rounded(answer.mean()), rounded(target.mean()), *quantiles)
