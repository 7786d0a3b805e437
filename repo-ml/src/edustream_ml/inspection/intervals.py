"""How sure every metric is: percentile intervals over resamples of the held-out rows (Efron, 1979)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from edustream_ml.calibration import rounded
from edustream_ml.gates.bootstrap import Interval, Statistic

PERCENT: Final = 95
MOST_RESAMPLES: Final = 1000
LEAST_RESAMPLES: Final = 200
DRAWN_ROWS: Final = 20_000_000
"""Rows that all resamples may draw together: a metric of many rows varies little, and needs fewer resamples."""


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """Where `percent` % of the values of each metric lie over the resamples.

    It says how much a metric varies with the rows that it is measured on, not with those that the model was fitted on.
    """

    percent: int
    resamples: int
    intervals: Mapping[str, Interval]


def bootstrap(statistics: Mapping[str, Statistic], rows: int, seed: int) -> Bootstrap:
    """Take all statistics of the same resamples of `rows` rows.

    A resample on which a statistic is not a number is left out of its interval; a statistic that is none on all of them
    has no interval.
    """
    generator = np.random.default_rng(seed)
    resamples = int(np.clip(DRAWN_ROWS // rows, LEAST_RESAMPLES, MOST_RESAMPLES))
    drawn = np.empty((len(statistics), resamples))
    with np.errstate(divide="ignore", invalid="ignore"):
        for number in range(resamples):
            counts = np.bincount(generator.integers(rows, size=rows), minlength=rows)
            drawn[:, number] = [statistic(counts) for statistic in statistics.values()]
    tail = (100 - PERCENT) / 200
    intervals = {}
    for name, values in zip(statistics, drawn, strict=True):
        defined = values[np.isfinite(values)]
        if len(defined):
            low, high = np.quantile(defined, [tail, 1.0 - tail])
            intervals[name] = Interval(rounded(low), rounded(high))
    return Bootstrap(PERCENT, resamples, intervals)
