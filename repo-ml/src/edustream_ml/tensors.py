"""Turns contract rows into the two tensors that the model takes: `numeric` and `categorical`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from edustream_contracts.contract import ModelContract

NUMERIC: Final = "numeric"
CATEGORICAL: Final = "categorical"
ABSENT_TEXT: Final = ""

Float32 = npt.NDArray[np.float32]
Strings = npt.NDArray[np.object_]


@dataclass(frozen=True)
class Tensors:
    """`numeric` float32 (n, k), NaN for null; `categorical` str (n, m), empty for null; columns in contract order."""

    contract: ModelContract
    numeric: Float32
    categorical: Strings

    @staticmethod
    def of(rows: Sequence[Mapping[str, Any]], contract: ModelContract) -> Tensors:
        """The tensors of valid contract rows; an optional field that is absent counts as null."""
        numeric = [[_number(row.get(name)) for name in contract.numeric] for row in rows]
        categorical = [[_text(row.get(name)) for name in contract.categorical] for row in rows]
        return Tensors(
            contract,
            np.array(numeric, dtype=np.float32).reshape(len(rows), len(contract.numeric)),
            np.array(categorical, dtype=object).reshape(len(rows), len(contract.categorical)),
        )

    @staticmethod
    def of_columns(columns: pd.DataFrame, contract: ModelContract) -> Tensors:
        """The tensors of a data set's columns: float64 with NaN for null, or categories."""
        numeric = np.empty((len(columns), len(contract.numeric)), dtype=np.float32)
        for number, name in enumerate(contract.numeric):
            numeric[:, number] = columns[name]
        categorical = np.empty((len(columns), len(contract.categorical)), dtype=object)
        for number, name in enumerate(contract.categorical):
            cells = columns[name].cat
            # A code of -1, which is null, leads to the last text.
            categorical[:, number] = np.array([*cells.categories, ABSENT_TEXT], dtype=object)[cells.codes]
        return Tensors(contract, numeric, categorical)

    def frame(self) -> pd.DataFrame:
        """The same as a table for scikit-learn: the numeric columns (float32), then the categorical ones (object).

        Features are float32 *before* training, so that thresholds learned from them mean the same in ONNX.
        """
        columns = {name: self.numeric[:, i] for i, name in enumerate(self.contract.numeric)}
        texts = {
            name: pd.Series(self.categorical[:, i], dtype=object) for i, name in enumerate(self.contract.categorical)
        }
        return pd.DataFrame({**columns, **texts})

    def feeds(self) -> dict[str, Any]:
        """The inputs of an ONNX session."""
        return {NUMERIC: self.numeric, CATEGORICAL: self.categorical}


def _number(value: float | bool | None) -> float:
    return float("nan") if value is None else float(value)


def _text(value: str | None) -> str:
    return ABSENT_TEXT if value is None else value
