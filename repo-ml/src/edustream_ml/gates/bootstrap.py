"""How far a figure may be from the truth because of which rows were held out: the bootstrap (Efron, 1979).

A resample is told by how often it drew each row, so that a figure is computed from counts instead of from copies of the
rows, and two models are compared on the very same draws.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int64]
Index = npt.NDArray[np.intp]
Statistic = Callable[[Counts], float]
"""A figure of the rows, each taken as often as its count says, int64 (n,); not a number where it is undefined."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A percentile interval of the bootstrap (Efron and Tibshirani, 1993, chapter 13)."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Resampling:
    """How intervals are found: the number of resamples, the share of them inside the interval, and the seed."""

    resamples: int
    confidence: float
    seed: int


def everything(rows: int) -> Counts:
    """Each row once: the counts that give the figure itself."""
    return np.ones(rows, dtype=np.int64)


def strata(labels: npt.NDArray[Any], within: Index) -> tuple[Index, ...]:
    """The row numbers `within`, one array for each label (n,): who draws inside them keeps the share of every label."""
    return tuple(within[labels[within] == label] for label in np.unique(labels[within]))


def interval(statistic: Statistic, groups: Sequence[Index], rows: int, how: Resampling) -> Interval | None:
    """The interval of a figure of `rows` rows, of which those in `groups` are drawn, each group within itself.

    None where the figure is undefined for one of the draws: leaving these out would make the interval too narrow.
    """
    values = [statistic(counts) for counts in _draws(groups, rows, how)]
    if not np.isfinite(values).all():
        return None
    tail = (1.0 - how.confidence) / 2.0
    low, high = np.quantile(values, [tail, 1.0 - tail])
    return Interval(float(low), float(high))


def difference(one: Statistic, other: Statistic) -> Statistic:
    """How much `one` is above `other` on the same draw, so that what makes a draw hard for both cancels out."""
    return lambda counts: one(counts) - other(counts)


def _draws(groups: Sequence[Index], rows: int, how: Resampling) -> Iterator[Counts]:
    generator = np.random.default_rng(how.seed)
    for _ in range(how.resamples):
        counts = np.zeros(rows, dtype=np.int64)
        for group in groups:
            drawn = generator.integers(len(group), size=len(group))
            counts[group] = np.bincount(drawn, minlength=len(group))
        yield counts
