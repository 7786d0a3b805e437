"""What a data set holds, column by column, as the data card tells it: counts and quantiles, never a row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd

from edustream_contracts.contract import Field
from edustream_ml.calibration import rounded
from edustream_ml.dataset import Dataset

MOST_CATEGORIES: Final = 20
TRUTHS: Final = {0.0: "false", 1.0: "true"}


@dataclass(frozen=True, slots=True)
class ColumnSummary:
    """One column: its empty cells; and the range and the median of its numbers, its commonest categories, or texts.

    `categories` has the commonest first, at most `MOST_CATEGORIES`; `others` are the rows of all that it leaves out.
    Free texts may be about somebody: they are not told, only how many different ones there are.
    """

    missing: int
    least: float | None = None
    median: float | None = None
    greatest: float | None = None
    categories: dict[str, int] | None = None
    others: int | None = None
    distinct: int | None = None


@dataclass(frozen=True)
class DataSummary:
    """A data set: its file's name and SHA-256, its rows, its target, and its columns in the contract's order."""

    name: str
    sha256: str
    rows: int
    target: ColumnSummary
    columns: dict[str, ColumnSummary]


def summarise(dataset: Dataset) -> DataSummary:
    """The summary of a whole data set, the held-out rows among it."""
    return DataSummary(
        name=dataset.name,
        sha256=dataset.sha256,
        rows=len(dataset),
        target=_summary(pd.Series(dataset.labels)),
        columns={field.name: _field_summary(dataset, field) for field in dataset.fields},
    )


def _field_summary(dataset: Dataset, field: Field) -> ColumnSummary:
    column = dataset.columns[field.name]
    if field.kind == "string" and not field.categories:
        return ColumnSummary(int(column.isna().sum()), distinct=int(column.nunique()))
    return _summary(column.map(TRUTHS) if field.kind == "boolean" else column)


def _summary(column: pd.Series[Any]) -> ColumnSummary:
    missing = int(column.isna().sum())
    if not pd.api.types.is_numeric_dtype(column):
        counts = {str(name): int(count) for name, count in column.value_counts().items() if count}
        ranked = sorted(counts, key=lambda name: (-counts[name], name))
        shown, left_out = ranked[:MOST_CATEGORIES], ranked[MOST_CATEGORIES:]
        others = sum(counts[name] for name in left_out)
        return ColumnSummary(missing, categories={name: counts[name] for name in shown}, others=others)
    numbers = column.dropna().to_numpy(dtype=np.float64)
    if not len(numbers):
        return ColumnSummary(missing)
    least, median, greatest = (_whole(rounded(number)) for number in np.quantile(numbers, [0.0, 0.5, 1.0]))
    return ColumnSummary(missing, least, median, greatest)


def _whole(number: float) -> float:
    """The same number, as an integer where it is one, so that months are not shown with decimals."""
    return int(number) if number.is_integer() else number
