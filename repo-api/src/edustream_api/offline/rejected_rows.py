"""Rejected rows as they were, with the words that `/predict` has for them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from edustream_contracts.errors import Problem

from edustream_api import json_document
from edustream_api.loading import ServedModel
from edustream_api.problems import RequestRefused


def row_of(cells: Mapping[str, Any], model: ServedModel) -> dict[str, Any]:
    """The row that the cells of one line of a file make: the contract's fields alone.

    A null is left out where the contract does not admit it and the field is not required; see `ColumnCheck`.
    """
    required = model.contract.document["input"]["required"]
    return {
        field.name: cells[field.name]
        for field in model.contract.inputs
        if field.name in cells and (cells[field.name] is not None or field.nullable or field.name in required)
    }


def reasons(row: Mapping[str, Any], model: ServedModel) -> Sequence[Problem]:
    """Everything that `/predict` finds wrong with a row; empty for one that it answers."""
    try:
        document = json_document.parse(json.dumps(row).encode())
    except RequestRefused as refused:
        return refused.errors
    return [] if model.accepts(document) else model.problems(document)


def record(index: int, cells: Mapping[str, Any], problems: Sequence[Problem]) -> bytes:
    """One line of the side file, JSON: `index` of the row in its file from 0, the row, its problems.

    Numbers that JSON does not have are written as texts: "NaN", "Infinity", "-Infinity".
    """
    line = {
        "index": index,
        "row": {name: _shown(value) for name, value in cells.items()},
        "problems": [{"pointer": problem.pointer, "detail": problem.message} for problem in problems],
    }
    return orjson.dumps(line, default=str, option=orjson.OPT_APPEND_NEWLINE)


def _shown(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, float) and not math.isfinite(value) else value
