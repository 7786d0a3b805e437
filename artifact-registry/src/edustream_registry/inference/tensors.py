"""Rows as the tensors that a model reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from edustream_registry.manifest import InputTensor

ABSENT_TEXT: Final = ""

Row = Mapping[str, Any]
Tensors = Mapping[str, npt.NDArray[Any]]
ReadValues = Callable[[Row], Sequence[Any]]


class TensorLayout:
    """Which columns of a row each input tensor of a model holds.

    Null and absent numbers become NaN, null and absent strings the empty string.
    """

    def __init__(self, inputs: Sequence[InputTensor]) -> None:
        """`inputs`: the release's description of the model's input tensors."""
        self._inputs = tuple((tensor.name, tensor.dtype, _reader(tensor.columns)) for tensor in inputs)

    def tensors(self, rows: Sequence[Row]) -> dict[str, npt.NDArray[Any]]:
        """The tensors of `rows`, by name: float32 (n, k) for numbers, object (n, k) of str for texts."""
        return {name: _tensor(dtype, read, rows) for name, dtype, read in self._inputs}

    def of_columns(self, numeric: npt.NDArray[np.float32], categorical: npt.NDArray[Any]) -> Tensors:
        """The tensors of rows whose numbers and texts are given: float32 (n, k) and (n, m)."""
        return {name: numeric if dtype == "float32" else categorical for name, dtype, _ in self._inputs}


def _reader(columns: Sequence[str]) -> ReadValues:
    """What reads the values of `columns` from a row, with None for those that are absent."""
    if len(columns) < 2:
        return lambda row: [row.get(name) for name in columns]
    whole = itemgetter(*columns)

    def read(row: Row) -> Sequence[Any]:
        # Rows are mostly complete: one call for all of their values halves the time that a batch takes to be read.
        try:
            values: Sequence[Any] = whole(row)
        except KeyError:
            values = [row.get(name) for name in columns]
        return values

    return read


def _tensor(dtype: str, read: ReadValues, rows: Sequence[Row]) -> npt.NDArray[Any]:
    if dtype == "float32":
        # numpy itself makes NaN of None.
        return np.array(list(map(read, rows)), dtype=np.float32)
    return np.array([[text or ABSENT_TEXT for text in read(row)] for row in rows], dtype=object)
