"""Checks the rows of a data set against the contract: all violations counted, the first of them shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Final

from edustream_contracts.contract import ModelContract
from edustream_contracts.errors import Problem
from edustream_contracts.tensor_range import beyond_float32, unbounded

SHOWN: Final = 20


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
    """All violations of a data set, in row order."""

    violations: tuple[Violation, ...]

    @property
    def summary(self) -> str:
        """How many violations there are in how many rows, in one sentence."""
        rows = len({violation.row for violation in self.violations})
        shown = f"; the first {SHOWN} are shown" if len(self.violations) > SHOWN else ""
        return f"Violations of the contract: {len(self.violations)}, in {rows} row{'s' if rows > 1 else ''}{shown}."

    @property
    def problems(self) -> list[Problem]:
        """One problem a column with its count, then the first violations one by one."""
        counts = Counter(violation.column for violation in self.violations)
        return [
            *(Problem(f"column {name}", f"breaks the contract {count} times") for name, count in counts.most_common()),
            *(violation.as_problem() for violation in self.violations[:SHOWN]),
        ]


def validate_rows(
    rows: Sequence[Mapping[str, Any]], contract: ModelContract, columns: AbstractSet[str], lines: Sequence[int]
) -> RowReport:
    """Check every row against the contract's input.

    Args:
        rows: contract rows.
        contract: what they must keep to.
        columns: the columns that the file has; a field without one is no violation of each row.
        lines: the line of the file on which each row begins.
    """
    validator = contract.input_validator
    absent = {field.name for field in contract.inputs} - columns
    fields = unbounded(contract)
    violations = []
    for number, (row, line) in enumerate(zip(rows, lines, strict=True), start=1):
        problems = beyond_float32(row, fields) if validator.is_valid(row) else validator.problems(row)
        for problem in problems:
            column = problem.pointer.removeprefix("/")
            if column not in absent:
                violations.append(Violation(number, line, column or "(whole row)", problem.message))
    return RowReport(tuple(violations))
