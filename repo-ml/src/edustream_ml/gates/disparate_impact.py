"""Whether the model gives its favourable answer about as often in every category of a column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from edustream_ml.gates.bootstrap import Counts, Index, Statistic
from edustream_ml.gates.figures import mean
from edustream_ml.gates.slices import Categories, Slice

FAVOURABLE_SHARE: Final = "favourable_share"


@dataclass(frozen=True, slots=True)
class Impact:
    """The categories with the lowest and the highest share of favourable answers; `ratio` is lowest / highest.

    The rule of four fifths asks for at least 0.8 (EEOC, Uniform Guidelines, 1978; Feldman and others, 2015). It is None
    where no category has a favourable answer: who gives nothing to anybody has not shown that all are treated alike.
    """

    lowest: Slice
    highest: Slice

    @property
    def ratio(self) -> float | None:
        """Lowest share / highest share."""
        most = self.highest.metrics[FAVOURABLE_SHARE]
        return self.lowest.metrics[FAVOURABLE_SHARE] / most if most else None


def favourable_share(predicted: npt.NDArray[Any], favourable: str) -> Statistic:
    """The share of rows (n,) that get the favourable answer."""
    return mean((predicted == favourable).astype(np.float64))


def impact(found: Sequence[Slice], column: str, rows_at_least: int) -> Impact | None:
    """The impact among a column's slices of enough rows; None where fewer than two have them."""
    judged = [one for one in found if one.column == column and one.rows >= rows_at_least]
    if len(judged) < 2:
        return None
    by_share = sorted(judged, key=lambda one: one.metrics[FAVOURABLE_SHARE])
    return Impact(by_share[0], by_share[-1])


def ratio_of(found: Impact, share: Statistic, columns: Mapping[str, Categories]) -> Statistic:
    """The ratio between the impact's two categories; not a number where a draw has no favourable answer in both."""
    low, high = ((columns[one.column] == one.value).astype(np.int64) for one in (found.lowest, found.highest))

    def statistic(counts: Counts) -> float:
        most = share(counts * high)
        return share(counts * low) / most if most else float("nan")

    return statistic


def groups(found: Impact, columns: Mapping[str, Categories]) -> tuple[Index, Index]:
    """The row numbers of the two categories, each of which is drawn within itself."""
    values = columns[found.lowest.column]
    return np.flatnonzero(values == found.lowest.value), np.flatnonzero(values == found.highest.value)
