"""Loads the data set: a CSV file whose every row keeps to the contract, or nothing at all."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, overload

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from edustream_contracts.canonical import sha256_hex
from edustream_contracts.contract import Field
from edustream_contracts.errors import InvalidInput, Problem
from edustream_ml.columns import column, optional_fields
from edustream_ml.configuration import TrainingPlan
from edustream_ml.csv_table import open_csv
from edustream_ml.labels import Labels, label_problems, labels_of
from edustream_ml.row_validation import RowReport, validate_rows

Row = dict[str, Any]


@dataclass(frozen=True)
class Dataset:
    """Rows that keep to the contract, and their labels.

    `columns` has one column for each input field, in the contract's order: categories for a field of texts, else
    float64 with 1 for true and 0 for false; NaN is null, or, in a field of `optional`, absence. `labels` are str (n,)
    for classes, float64 (n,) for numbers; `sha256` is the digest of the file's bytes.
    """

    name: str
    sha256: str
    fields: tuple[Field, ...]
    optional: frozenset[str]
    columns: pd.DataFrame
    labels: Labels

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def rows(self) -> Rows:
        """The rows as JSON would give them; each is made when it is asked for."""
        return Rows(self.columns, self.fields, self.optional)

    def values(self, name: str) -> list[Any]:
        """The values of a column as JSON would give them, None for one that is null or absent."""
        (field,) = (field for field in self.fields if field.name == name)
        return [_json_value(cell, field) for cell in self.columns[name]]

    @property
    def constant(self) -> tuple[str, ...]:
        """The columns that hold the same value in every row: nothing can be learned from them."""
        return tuple(str(name) for name, column in self._columns_of_one_value if column.notna().any())

    @property
    def empty(self) -> tuple[str, ...]:
        """The columns without a value in any row, those of optional fields that the file lacks among them."""
        return tuple(str(name) for name, column in self._columns_of_one_value if column.isna().all())

    @property
    def _columns_of_one_value(self) -> list[tuple[Any, pd.Series[Any]]]:
        return [(name, column) for name, column in self.columns.items() if column.nunique(dropna=False) == 1]

    def part(self, index: npt.NDArray[np.intp]) -> Dataset:
        """The rows with the given numbers (from 0), in that order."""
        columns = self.columns.take(index).reset_index(drop=True)
        return replace(self, columns=columns, labels=self.labels[index])


class Rows(Sequence[Row]):
    """The rows of a table as contract rows; one has no member for an optional field that is absent."""

    def __init__(self, columns: pd.DataFrame, fields: Sequence[Field], optional: frozenset[str]) -> None:
        self._columns = columns
        self._fields = fields
        self._optional = optional

    def __len__(self) -> int:
        return len(self._columns)

    @overload
    def __getitem__(self, index: int) -> Row: ...

    @overload
    def __getitem__(self, index: slice) -> Rows: ...

    def __getitem__(self, index: int | slice) -> Row | Rows:
        if isinstance(index, slice):
            return Rows(self._columns.iloc[index], self._fields, self._optional)
        held = {field.name: _json_value(self._columns[field.name].iat[index], field) for field in self._fields}
        return {name: value for name, value in held.items() if value is not None or name not in self._optional}


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
    with ThreadPoolExecutor(max_workers=1) as beside:
        hashed = beside.submit(sha256_hex, data)
        table = file.table(_numeric(plan))
        digest = hashed.result()
    report = validate_rows(table, plan.contract, file.rows)
    misnamed = _column_problems(table, plan)
    problems = [
        *_digest_problems(digest, plan.configuration.data.sha256),
        *misnamed,
        *(
            label_problems(table[target.column], target, plan.outcome, file.rows)
            if target.column in table.column_names
            else ()
        ),
        *report.problems,
    ]
    if problems:
        raise _refused(plan, problems, report, misnamed=bool(misnamed))
    fields = plan.contract.inputs
    with ThreadPoolExecutor() as threads:
        series = threads.map(partial(_column, table), fields)
    columns = pd.DataFrame(dict(zip((field.name for field in fields), series, strict=True)), copy=False)
    labels = labels_of(table[target.column], plan.outcome)
    return Dataset(path.name, digest, plan.contract.inputs, optional_fields(plan.contract), columns, labels)


def _column(table: pa.Table, field: Field) -> pd.Series[Any]:
    """The field's column; one that the file lacks, which only an optional field may, is absent in every row."""
    if field.name in table.column_names:
        return column(table[field.name], field)
    return column(pa.chunked_array([pa.nulls(table.num_rows, pa.string())]), field)


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
    expected = [
        *(field.name for field in plan.contract.inputs),
        configuration.target.column,
        *configuration.dropped_columns,
    ]
    known, optional = frozenset(expected), optional_fields(plan.contract)
    named = dict.fromkeys(configuration.dropped_columns, ", and dropped_columns names it")
    named[configuration.target.column] = ", and target.column names it"
    missing = [name for name in expected if name not in table.column_names and name not in optional]
    extra = [name for name in table.column_names if name not in known]
    return [
        *(Problem(f"column {name}", f"is missing from the file{named.get(name, '')}") for name in missing),
        *(
            Problem(f"column {name}", "is neither in the contract nor the target; give a reason in dropped_columns")
            for name in extra
        ),
    ]


def _refused(plan: TrainingPlan, problems: list[Problem], report: RowReport, *, misnamed: bool) -> InvalidInput:
    steps = ["correct the data, or have both teams widen the contract."]
    if misnamed:
        steps.append("Columns are named as in the contract, or as in target.column and dropped_columns.")
    if plan.given_data is None:
        steps.append("After a wanted change set data.sha256 anew.")
    rows = f" {report.summary}" if report.rows else ""
    return InvalidInput(
        "data",
        f"The data set {plan.data_path} was refused before any training.{rows}",
        remedy=" ".join(steps),
        problems=problems,
    )
