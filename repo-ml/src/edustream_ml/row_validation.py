"""Checks the columns of a data set against the contract: the row validator's verdict on every row.

All violations are counted; the validator itself words those that are shown.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa

from edustream_contracts.contract import Field, ModelContract
from edustream_contracts.errors import Problem
from edustream_contracts.number_set import NumberSet
from edustream_contracts.tensor_range import FLOAT32_MAX, beyond_float32, unbounded
from edustream_contracts.validation import SchemaValidator
from edustream_contracts.value_set import Listed, admitted
from edustream_ml.columns import Mask, numbers, texts, value
from edustream_ml.csv_table import TextRow

SHOWN: Final = 20
INVISIBLE: Final = " \t\r\n\u00a0\u200b\ufeff"
TextsOf = Callable[[Sequence[int]], Sequence[TextRow]]


@dataclass(frozen=True, slots=True)
class Violation:
    """One cell that breaks the contract; `row` counts data rows from 1, `line` the lines of the file from 1."""

    row: int
    line: int
    column: str
    message: str

    def as_problem(self) -> Problem:
        """The violation as an error message shows it."""
        return Problem(f"row {self.row} (line {self.line}), {self.column}", self.message)


@dataclass(frozen=True, slots=True)
class RowReport:
    """The violations of a data set: `counts` by column, the most frequent first; in how many `rows`; the first ones."""

    counts: Mapping[str, int]
    rows: int
    first: tuple[Violation, ...]

    @property
    def summary(self) -> str:
        """How many violations there are in how many rows, in one sentence."""
        total = sum(self.counts.values())
        shown = f"; the first {SHOWN} are shown" if total > SHOWN else ""
        return f"Violations of the contract: {total}, in {self.rows} row{'s' if self.rows > 1 else ''}{shown}."

    @property
    def problems(self) -> list[Problem]:
        """One problem a column with its count, then the first violations one by one."""
        return [
            *(Problem(f"column {name}", f"breaks the contract {count} times") for name, count in self.counts.items()),
            *(violation.as_problem() for violation in self.first),
        ]


def validate_rows(table: pa.Table, contract: ModelContract, texts_of: TextsOf) -> RowReport:
    """Check every row against the contract's input, and against what the model's tensors hold.

    A field that has no column is no violation of each row; columns that are no fields are not looked at.

    Args:
        table: the columns, as `CsvFile.table` has them.
        contract: what they must keep to.
        texts_of: the rows with the numbers that it is given (from 0), as they are written.
    """
    wrong = {
        field.name: wrong_cells(table[field.name], field, contract)
        for field in contract.inputs
        if field.name in table.column_names
    }
    anywhere = np.logical_or.reduce([*wrong.values(), np.zeros(table.num_rows, dtype=np.bool_)])
    rows = np.flatnonzero(anywhere)
    # Among columns with equally many the one whose violation comes first.
    order = sorted(wrong, key=lambda name: (-wrong[name].sum(), wrong[name].argmax(), name))
    return RowReport(
        counts={name: int(wrong[name].sum()) for name in order if wrong[name].any()},
        rows=len(rows),
        first=tuple(_violations(rows[:SHOWN].tolist(), texts_of, contract))[:SHOWN],
    )


def wrong_cells(cells: pa.ChunkedArray, field: Field, contract: ModelContract) -> Mask:
    """Which cells of a field's column the contract or a 32-bit tensor does not admit, bool (n,)."""
    spec = contract.document["input"]["properties"][field.name]
    if field.kind in ("string", "boolean"):
        return _wrong_texts(cells, field, spec)
    return _wrong_numbers(cells, spec)


def row_problems(row: Mapping[str, Any], contract: ModelContract) -> list[Problem]:
    """What the row validator says of one row, and which of its valid numbers a 32-bit tensor cannot hold."""
    fields = {field.name: field for field in contract.inputs}
    problems = [
        Problem(found.pointer, found.message + _looks_alike(row.get(found.pointer[1:]), fields.get(found.pointer[1:])))
        for found in contract.input_validator.problems(row)
    ]
    at_fault = {problem.pointer.removeprefix("/") for problem in problems}
    valid = [field for field in unbounded(contract) if field.name not in at_fault]
    return sorted([*problems, *beyond_float32(row, valid)], key=lambda problem: problem.pointer)


def _wrong_texts(cells: pa.ChunkedArray, field: Field, spec: Mapping[str, Any]) -> Mask:
    """Each different text is judged once."""
    found = texts(cells)
    validator = SchemaValidator(spec)
    wrong = np.array([not validator.is_valid(value(text, field)) for text in found.values], dtype=np.bool_)
    return np.asarray(wrong[found.codes])


def _wrong_numbers(cells: pa.ChunkedArray, spec: Mapping[str, Any]) -> Mask:
    found = numbers(cells)
    values, allowed = found.values, admitted(spec)
    fits = np.abs(values) <= FLOAT32_MAX
    if isinstance(allowed.body, Listed):
        fits &= np.isin(values, np.array(allowed.body.values, dtype=np.float64))
    elif isinstance(allowed.body, NumberSet):
        fits &= (values >= allowed.body.low) & (values <= allowed.body.high)
        if allowed.body.whole:
            fits &= np.trunc(values) == values
    return np.asarray(np.where(found.null, not allowed.null, ~fits))


def _violations(rows: Sequence[int], texts_of: TextsOf, contract: ModelContract) -> Iterator[Violation]:
    for row, (line, cells) in zip(rows, texts_of(rows), strict=True):
        held = {field.name: value(cells[field.name], field) for field in contract.inputs if field.name in cells}
        for problem in row_problems(held, contract):
            column = problem.pointer.removeprefix("/")
            if column in held:
                yield Violation(row + 1, line, column, problem.message)


def _looks_alike(held: Any, field: Field | None) -> str:
    """What eyes cannot see: the text is a category but for its Unicode form, or for blanks and marks round it."""
    categories = (field.categories if field else None) or ()
    if not isinstance(held, str) or held in categories:
        return ""
    meant = unicodedata.normalize("NFC", held).strip(INVISIBLE)
    if meant not in categories:
        return ""
    return f"; it looks like {json.dumps(meant, ensure_ascii=False)} and is written {json.dumps(held)}"
