"""The target's column of a data set: its texts as classes or numbers, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from edustream_contracts.errors import Problem
from edustream_contracts.tensor_range import FLOAT32_MAX
from edustream_ml.columns import Mask, numbers, texts
from edustream_ml.target import Target
from edustream_ml.tasks import Outcome

MIN_PER_CLASS: Final = 10
MIN_NUMBERS: Final = 50
SHOWN: Final = 5

Labels = npt.NDArray[np.object_] | npt.NDArray[np.float64]


def labels_of(cells: pa.ChunkedArray, outcome: Outcome) -> Labels:
    """The labels of valid cells: str (n,) where classes are predicted, float64 (n,) where a number is."""
    if not outcome.task.is_classification:
        return numbers(cells).values
    found = texts(cells)
    values: npt.NDArray[np.object_] = np.array(found.values, dtype=object)[found.codes]
    return values


def label_problems(cells: pa.ChunkedArray, target: Target, outcome: Outcome) -> list[Problem]:
    """What keeps a model from being trained on these labels: no class or number of the contract, or too few of them."""
    judge = _class_problems if outcome.task.is_classification else _number_problems
    return [Problem(f"column {target.column}", message) for message in judge(cells, target, outcome)]


def _class_problems(cells: pa.ChunkedArray, target: Target, outcome: Outcome) -> Iterable[str]:
    found = texts(cells)
    unknown = np.array([text not in outcome.classes for text in found.values], dtype=np.bool_)[found.codes]
    if unknown.any():
        yield f"has {unknown.sum()} labels that are no class of the contract: {_some(cells, unknown)}"
    for name in sorted(outcome.classes, key=lambda name: name == target.positive):
        count = int((found.codes == found.values.index(name)).sum()) if name in found.values else 0
        if count < MIN_PER_CLASS:
            yield f"has {count} rows of class {name!r}; at least {MIN_PER_CLASS} are needed"


def _number_problems(cells: pa.ChunkedArray, target: Target, outcome: Outcome) -> Iterable[str]:
    found = numbers(cells)
    none = found.null | found.text
    if none.any():
        yield f"has {none.sum()} labels that are no finite number: {_some(cells, none)}"
    below = found.values <= 0
    if target.scale == "log" and below.any():
        yield f"has {below.sum()} labels that are not above 0 and so have no logarithm: {_some(cells, below)}"
    least = -FLOAT32_MAX if outcome.field.minimum is None else outcome.field.minimum
    most = FLOAT32_MAX if outcome.field.maximum is None else outcome.field.maximum
    beyond = (found.values < least) | (found.values > most)
    if beyond.any():
        allowed = f"numbers from {least:g} to {most:g}"
        yield f"has {beyond.sum()} labels that no model may answer, {allowed} alone: {_some(cells, beyond)}"
    if len(found.values) < MIN_NUMBERS:
        yield f"has {len(found.values)} rows; at least {MIN_NUMBERS} are needed"
    elif len(np.unique(found.values)) == 1:
        yield f"holds {found.values[0]:g} in every row; there is nothing to learn"


def _some(cells: pa.ChunkedArray, wrong: Mask) -> str:
    """The first of the different texts at fault, and the first rows (from 1) that hold one."""
    at_fault = {"" if cell is None else str(cell) for cell in cells.filter(pa.array(wrong)).to_pylist()}
    shown = ", ".join(map(repr, sorted(at_fault)[:SHOWN]))
    return f"{shown} (rows {', '.join(str(row + 1) for row in np.flatnonzero(wrong)[:SHOWN])})"
