"""Loads the data set: a CSV file whose every row keeps to the contract, or nothing at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, overload

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from edustream_contracts.canonical import sha256_hex
from edustream_contracts.contract import Field
from edustream_contracts.errors import InvalidInput, Problem
from edustream_ml.columns import column
from edustream_ml.configuration import TrainingPlan
from edustream_ml.csv_table import open_csv
from edustream_ml.labels import Labels, label_problems, labels_of
from edustream_ml.row_validation import RowReport, validate_rows

Row = dict[str, Any]


@dataclass(frozen=True)
class Dataset:
    """Rows that keep to the contract, and their labels.

    `columns` has one column for each input field, in the contract's order: categories for a field of texts, else
    float64 with 1 for true and 0 for false; NaN is null. `labels` are str (n,) for classes, float64 (n,) for numbers;
    `sha256` is the digest of the file's bytes.
    """

    name: str
    sha256: str
    fields: tuple[Field, ...]
    columns: pd.DataFrame
    labels: Labels

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def rows(self) -> Rows:
        """The rows as JSON would give them; each is made when it is asked for."""
        return Rows(self.columns, self.fields)

    @property
    def constant(self) -> tuple[str, ...]:
        """The columns that hold the same value, or null, in every row: nothing can be learned from them."""
        return tuple(str(name) for name in self.columns if self.columns[name].nunique(dropna=False) == 1)

    def part(self, index: npt.NDArray[np.intp]) -> Dataset:
        """The rows with the given numbers (from 0), in that order."""
        columns = self.columns.take(index).reset_index(drop=True)
        return Dataset(self.name, self.sha256, self.fields, columns, self.labels[index])


class Rows(Sequence[Row]):
    """The rows of a table as contract rows."""

    def __init__(self, columns: pd.DataFrame, fields: Sequence[Field]) -> None:
        self._columns = columns
        self._fields = fields

    def __len__(self) -> int:
        return len(self._columns)

    @overload
    def __getitem__(self, index: int) -> Row: ...

    @overload
    def __getitem__(self, index: slice) -> Rows: ...

    def __getitem__(self, index: int | slice) -> Row | Rows:
        if isinstance(index, slice):
            return Rows(self._columns.iloc[index], self._fields)
        return {field.name: _json_value(self._columns[field.name].iat[index], field) for field in self._fields}


def load_dataset(plan: TrainingPlan) -> Dataset:
    """Read the plan's CSV file and check all of it.

    Raises `InvalidInput` (kind `data`) with every violation: digest, columns, rows, labels.
    """
    path = plan.data_path
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InvalidInput(
            "data",
            f"The data set {path} cannot be read: {error.strerror}.",
            remedy="correct data.path in the configuration; it is relative to the configuration's folder.",
        ) from error
    target = plan.configuration.target
    file = open_csv(data, path.name)
    table = file.table(_numeric(plan))
    digest = sha256_hex(data)
    report = validate_rows(table, plan.contract, file.rows)
    problems = [
        *_digest_problems(digest, plan.configuration.data.sha256),
        *_column_problems(table, plan),
        *(label_problems(table[target.column], target, plan.outcome) if target.column in table.column_names else ()),
        *report.problems,
    ]
    if problems:
        raise _refused(str(path), problems, report)
    fields = plan.contract.inputs
    columns = pd.DataFrame({field.name: column(table[field.name], field) for field in fields})
    return Dataset(path.name, digest, fields, columns, labels_of(table[target.column], plan.outcome))


def _numeric(plan: TrainingPlan) -> list[str]:
    names = [field.name for field in plan.contract.inputs if field.kind in ("number", "integer")]
    return names if plan.task.is_classification else [*names, plan.configuration.target.column]


def _json_value(cell: Any, field: Field) -> Any:
    if pd.isna(cell):
        return None
    if field.kind == "string":
        return str(cell)
    if field.kind == "boolean":
        return bool(cell)
    number = float(cell)
    return int(number) if number.is_integer() else number


def _digest_problems(digest: str, expected: str) -> list[Problem]:
    if digest == expected:
        return []
    return [Problem("(file)", f"has the SHA-256 {digest}; the configuration's data.sha256 expects {expected}")]


def _column_problems(table: pa.Table, plan: TrainingPlan) -> list[Problem]:
    configuration = plan.configuration
    needed = [field.name for field in plan.contract.inputs] + [configuration.target.column]
    known = {*needed, *configuration.dropped_columns}
    missing = [name for name in [*needed, *configuration.dropped_columns] if name not in table.column_names]
    extra = [name for name in table.column_names if name not in known]
    return [
        *(Problem(f"column {name}", "is missing from the file") for name in missing),
        *(
            Problem(f"column {name}", "is neither in the contract nor the target; give a reason in dropped_columns")
            for name in extra
        ),
    ]


def _refused(path: str, problems: list[Problem], report: RowReport) -> InvalidInput:
    rows = f" {report.summary}" if report.rows else ""
    return InvalidInput(
        "data",
        f"The data set {path} was refused before any training.{rows}",
        remedy="correct the data, or have both teams widen the contract; after a wanted change set data.sha256 anew.",
        problems=problems,
    )
