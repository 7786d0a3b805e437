"""Loads the data set: a CSV file whose every row keeps to the contract, or nothing at all."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from edustream_contracts.canonical import sha256_hex
from edustream_contracts.contract import Field, ModelContract
from edustream_contracts.errors import InvalidInput, Problem
from edustream_ml.configuration import TrainingPlan
from edustream_ml.row_validation import RowReport, validate_rows

MIN_PER_CLASS: Final = 10
_NUMBER: Final = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_INTEGER: Final = re.compile(r"[+-]?\d{1,18}", re.ASCII)
_BOOLEANS: Final = {"true": True, "false": False}

Labels = npt.NDArray[np.object_]
Row = dict[str, Any]


@dataclass(frozen=True)
class Dataset:
    """Rows that keep to the contract, and their labels.

    `rows` are contract rows as JSON would give them, `labels` str (n,), `sha256` the digest of the file's bytes.
    """

    name: str
    sha256: str
    rows: Sequence[Row]
    labels: Labels

    def __len__(self) -> int:
        return len(self.rows)

    def part(self, index: npt.NDArray[np.intp]) -> Dataset:
        """The rows with the given numbers (from 0), in that order."""
        return Dataset(self.name, self.sha256, [self.rows[i] for i in index], self.labels[index])


def load_dataset(plan: TrainingPlan) -> Dataset:
    """Read the plan's CSV file (UTF-8, a header line, commas) and check all of it.

    An empty cell is null. Nothing else is: "None" and "NA" are texts.

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
    table = _read_table(data, path.name)
    contract = plan.contract
    rows = _rows(table, contract)
    report = validate_rows(rows, contract, set(table.columns), _line_numbers(table))
    problems = [
        *_digest_problems(data, plan.configuration.data.sha256),
        *_column_problems(table, plan),
        *_label_problems(table, plan),
        *report.problems,
    ]
    if problems:
        raise _refused(str(path), problems, report)
    labels = table[plan.configuration.target.column].to_numpy(dtype=object)
    return Dataset(path.name, sha256_hex(data), rows, labels)


def _read_table(data: bytes, name: str) -> pd.DataFrame:
    try:
        cells = pd.read_csv(
            BytesIO(data), header=None, dtype=str, keep_default_na=False, skip_blank_lines=False, encoding="utf-8"
        ).astype(object)
    except (pd.errors.EmptyDataError, pd.errors.ParserError, UnicodeDecodeError) as error:
        raise InvalidInput(
            "data",
            f"The data set {name} is no UTF-8 CSV file: {' '.join(str(error).split())}",
            remedy="export it again as CSV: UTF-8, a header line, commas, the same number of cells in every row.",
        ) from error
    header = [str(cell) for cell in cells.iloc[0]]
    table = cells.iloc[1:].reset_index(drop=True).fillna("")
    table.columns = pd.Index(header)
    twice = sorted({column for column in header if header.count(column) > 1})
    if twice or table.empty:
        fact = f"has two columns called {twice[0]!r}" if twice else "has a header line and no rows"
        raise InvalidInput("data", f"The data set {name} {fact}.", remedy="correct the file, or export it again.")
    return table


def _rows(table: pd.DataFrame, contract: ModelContract) -> list[Row]:
    columns = {
        field.name: [_value(cell, field) for cell in table[field.name]]
        for field in contract.inputs
        if field.name in table.columns
    }
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _value(cell: str, field: Field) -> Any:
    """The JSON value that a cell stands for; a cell that is none of the field's kind stays a text."""
    if cell == "":
        return None
    if field.kind == "string":
        return cell
    if field.kind == "boolean":
        return _BOOLEANS.get(cell.lower(), cell)
    if _INTEGER.fullmatch(cell):
        return int(cell)
    number = float(cell) if _NUMBER.fullmatch(cell) else math.inf
    return number if math.isfinite(number) else cell


def _line_numbers(table: pd.DataFrame) -> list[int]:
    """The line of the file (from 1) on which each row begins; a quoted cell may hold line breaks."""
    breaks = sum((table[column].str.count("\n").to_numpy() for column in table.columns), np.zeros(len(table)))
    return [int(line) for line in np.arange(2, len(table) + 2) + np.concatenate([[0], np.cumsum(breaks)[:-1]])]


def _digest_problems(data: bytes, expected: str) -> list[Problem]:
    digest = sha256_hex(data)
    if digest == expected:
        return []
    return [Problem("(file)", f"has the SHA-256 {digest}; the configuration's data.sha256 expects {expected}")]


def _column_problems(table: pd.DataFrame, plan: TrainingPlan) -> list[Problem]:
    configuration = plan.configuration
    needed = [field.name for field in plan.contract.inputs] + [configuration.target.column]
    known = {*needed, *configuration.dropped_columns}
    missing = [name for name in [*needed, *configuration.dropped_columns] if name not in table.columns]
    extra = [name for name in table.columns if name not in known]
    return [
        *(Problem(f"column {name}", "is missing from the file") for name in missing),
        *(
            Problem(f"column {name}", "is neither in the contract nor the target; give a reason in dropped_columns")
            for name in extra
        ),
    ]


def _label_problems(table: pd.DataFrame, plan: TrainingPlan) -> list[Problem]:
    if plan.configuration.target.column not in table.columns:
        return []
    labels = table[plan.configuration.target.column]
    column = f"column {plan.configuration.target.column}"
    wrong = labels[~labels.isin(plan.classes)]
    shown = ", ".join(str(number + 1) for number in wrong.index[:5])
    problems = []
    if len(wrong):
        values = ", ".join(repr(value) for value in sorted(set(wrong))[:5])
        message = f"has {len(wrong)} labels that are no class of the contract: {values} (rows {shown})"
        problems.append(Problem(column, message))
    for name in plan.classes:
        count = int((labels == name).sum())
        if count < MIN_PER_CLASS:
            problems.append(Problem(column, f"has {count} rows of class {name!r}; at least {MIN_PER_CLASS} are needed"))
    return problems


def _refused(path: str, problems: list[Problem], report: RowReport) -> InvalidInput:
    rows = f" {report.summary}" if report.violations else ""
    return InvalidInput(
        "data",
        f"The data set {path} was refused before any training.{rows}",
        remedy="correct the data, or have both teams widen the contract; after a wanted change set data.sha256 anew.",
        problems=problems,
    )
