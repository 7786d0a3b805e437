"""What is wrong with the rows of one request, in as many words as are told of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from edustream_contracts.errors import Problem

from edustream_api.loading import ServedModel
from edustream_api.problems import MAX_ERRORS


def problems_of(model: ServedModel, rows: Sequence[Any], place: Callable[[int, str], str]) -> list[Problem]:
    """What is wrong with rows; `place` names the row of a number, from 0 on, and the pointer into it."""
    problems: list[Problem] = []
    for index, row in enumerate(rows):
        if model.accepts(row):
            continue
        if len(problems) < MAX_ERRORS:
            found = model.problems(row)
            problems += [Problem(place(index, problem.pointer), problem.message) for problem in found]
        else:
            # It is counted and not listed: what exactly is wrong with it takes a thousand times longer to be told.
            problems.append(Problem(place(index, ""), "does not keep the contract"))
    return problems
