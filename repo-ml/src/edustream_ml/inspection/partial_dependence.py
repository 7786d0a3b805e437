"""How a model's answer moves with one column while all others stay as they are (Friedman, 2001)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from edustream_contracts.contract import Field
from edustream_ml.calibration import rounded
from edustream_ml.tensors import Tensors

MOST_VALUES: Final = 20
MOST_ROWS: Final = 300
SPREAD: Final = (0.1, 0.9)
RANGE: Final = (0.01, 0.99)

Numbers = npt.NDArray[np.floating[Any]]
Answer = Callable[[Tensors], Numbers]


@dataclass(frozen=True, slots=True)
class Effect:
    """One number of the answer at each value of the column: its mean over the rows, and where most rows lie."""

    answer: str
    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class PartialDependence:
    """The effects of one column at `values`: numbers in ascending order, or categories in the contract's."""

    column: str
    values: tuple[float | str, ...]
    effects: tuple[Effect, ...]


def partial_dependence(rows: Tensors, field: Field, answer: Answer, names: Sequence[str]) -> PartialDependence | None:
    """Ask the model about rows in which one column holds each of some values in turn.

    Args:
        rows: rows of the data set; at most `MOST_ROWS` of them, at equal distances, are asked about.
        field: the column; None is returned where the rows hold fewer than two values of it.
        answer: gives float (n, len(names)), e.g. the probabilities of some classes.
        names: what each number of the answer is.
    """
    values = _grid(rows, field)
    if len(values) < 2:
        return None
    chosen = np.unique(np.linspace(0, len(rows.numeric) - 1, MOST_ROWS).astype(np.intp))
    asked = _with_values(rows, chosen, field, values)
    answers = answer(asked).astype(np.float64).reshape(len(values), len(chosen), len(names))
    means = answers.mean(axis=1)
    lows, highs = np.quantile(answers, SPREAD, axis=1)
    effects = (
        Effect(name, _rounded(means[:, number]), _rounded(lows[:, number]), _rounded(highs[:, number]))
        for number, name in enumerate(names)
    )
    return PartialDependence(field.name, tuple(values), tuple(effects))


def _grid(rows: Tensors, field: Field) -> list[float] | list[str]:
    if not field.is_numeric:
        cells = rows.categorical[:, rows.contract.categorical.index(field.name)]
        counts = {str(category): int((cells == category).sum()) for category in field.categories or ()}
        common = sorted((name for name in counts if counts[name]), key=lambda name: -counts[name])[:MOST_VALUES]
        return [name for name in counts if name in common]
    numbers = rows.numeric[:, rows.contract.numeric.index(field.name)].astype(np.float64)
    numbers = numbers[np.isfinite(numbers)]
    if not len(numbers):
        return []
    distinct = np.unique(numbers)
    if len(distinct) > MOST_VALUES:
        # Values that occur: between two of them there may be none that the contract allows.
        distinct = np.unique(np.quantile(numbers, np.linspace(*RANGE, MOST_VALUES), method="inverted_cdf"))
    return [rounded(value) for value in distinct]


def _with_values(
    rows: Tensors, chosen: npt.NDArray[np.intp], field: Field, values: Sequence[float] | Sequence[str]
) -> Tensors:
    """The chosen rows once for each value, which their column holds."""
    numeric = np.tile(rows.numeric[chosen], (len(values), 1))
    categorical = np.tile(rows.categorical[chosen], (len(values), 1))
    if field.is_numeric:
        numeric[:, rows.contract.numeric.index(field.name)] = np.repeat(np.array(values, np.float32), len(chosen))
    else:
        column = np.repeat(np.array(values, dtype=object), len(chosen))
        categorical[:, rows.contract.categorical.index(field.name)] = column
    return replace(rows, numeric=numeric, categorical=categorical)


def _rounded(values: Numbers) -> tuple[float, ...]:
    return tuple(rounded(value) for value in values)
