"""The figure of a model on the rows of one category at a time, and the category where it is worst."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from edustream_ml.gates.bootstrap import Counts, Index, Statistic

NULL: Final = "null"
Categories = npt.NDArray[np.object_]


@dataclass(frozen=True, slots=True)
class Slice:
    """The rows of one category of one column, and their figures by name; one that is undefined there is absent."""

    column: str
    value: str
    rows: int
    metrics: Mapping[str, float]

    @property
    def title(self) -> str:
        """The slice in words, e.g. contract = 'Two year'."""
        return f"{self.column} = {self.value!r}"


def categories(values: Sequence[Any]) -> Categories:
    """The name of each JSON value's category: str (n,), e.g. `true`, or `null` for what is absent.

    A text that is called null gets quotation marks, so that it has a slice of its own.
    """
    return np.array([_named(value) for value in values], dtype=object)


def slices(columns: Mapping[str, Categories], statistics: Mapping[str, Statistic]) -> tuple[Slice, ...]:
    """One slice for each category that occurs in each column (n,), with every statistic of its rows."""
    return tuple(
        Slice(column, str(value), int(inside.sum()), _defined(statistics, inside))
        for column, values in columns.items()
        for value in sorted(set(values.tolist()))
        for inside in [(values == value).astype(np.int64)]
    )


def worst(found: Sequence[Slice], metric: str, rows_at_least: int) -> Slice | None:
    """The slice of enough rows where the metric is lowest; None where it is defined in none of them."""
    judged = [one for one in found if one.rows >= rows_at_least and metric in one.metrics]
    return min(judged, key=lambda one: one.metrics[metric], default=None)


def rows_of(one: Slice, columns: Mapping[str, Categories]) -> Index:
    """The numbers of a slice's rows."""
    return np.flatnonzero(columns[one.column] == one.value)


def _defined(statistics: Mapping[str, Statistic], inside: Counts) -> dict[str, float]:
    figures = {name: statistic(inside) for name, statistic in statistics.items()}
    return {name: figure for name, figure in figures.items() if isfinite(figure)}


def _named(value: Any) -> str:
    if isinstance(value, str):
        return f'"{value}"' if value.strip('"') == NULL else value
    return json.dumps(value)
