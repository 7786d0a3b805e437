"""Numeric columns that say the same twice: one is a linear function of the other in every row, but for rounding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np
import numpy.typing as npt

DECIMALS: Final = range(7)
# Rounding alone leaves at least this share of the variance explained where a column has a hundred steps or more.
EXPLAINED: Final = 0.9999
CORRELATED: Final = 0.99
DISTINCT: Final = 3

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class RepeatedColumn:
    """`column` is `slope` times `of` plus `intercept` in every row where both are given, within its last decimal."""

    column: str
    of: str
    slope: float
    intercept: float

    def __str__(self) -> str:
        offset = f" {self.intercept:+.4g}" if self.intercept else ""
        return f"{self.slope:.4g} times {self.of}{offset}"


def repeated_columns(matrix: Numbers, names: Sequence[str]) -> Iterator[RepeatedColumn]:
    """Every pair of repeated columns of a matrix (n, k), NaN for absent values; the later one repeats the earlier."""
    present = ~np.isnan(matrix)
    varying = [number for number in range(len(names)) if len(np.unique(matrix[present[:, number], number])) >= DISTINCT]
    if len(varying) < 2:
        return
    part = matrix[:, varying]
    gaps = np.asarray(np.isnan(part).any(axis=0))
    correlation = np.corrcoef(np.where(np.isnan(part), np.nanmean(part, axis=0), part), rowvar=False)
    for first, second in combinations(range(len(varying)), 2):
        # Of columns without gaps the correlation tells at once, and for all pairs, which are worth a closer look.
        if gaps[first] or gaps[second] or abs(correlation[first, second]) > CORRELATED:
            found = _relation(matrix, names, varying[first], varying[second])
            if found:
                yield found


def _relation(matrix: Numbers, names: Sequence[str], first: int, second: int) -> RepeatedColumn | None:
    both = ~np.isnan(matrix[:, [first, second]]).any(axis=1)
    x, y = matrix[both, first], matrix[both, second]
    if len(x) < DISTINCT or x.std() == 0 or y.std() == 0:
        return None
    slope = float(((x - x.mean()) * (y - y.mean())).mean() / x.var())
    intercept = float(y.mean() - slope * x.mean())
    rest = y - slope * x - intercept
    apart = float(np.abs(rest).max())
    if 1 - rest.var() / y.var() < EXPLAINED or apart > _last_decimal(y):
        return None
    # An offset that rounding alone explains is none.
    return RepeatedColumn(names[second], names[first], slope, intercept if abs(intercept) > apart else 0.0)


def _last_decimal(values: Numbers) -> float:
    """The unit of the last decimal that the values are written with; at most a millionth counts."""
    for decimals in DECIMALS:
        if np.allclose(values, np.round(values, decimals), rtol=1e-6, atol=10.0 ** -(decimals + 3)):
            return float(10.0**-decimals)
    return 1e-6 * float(np.abs(values).max())
