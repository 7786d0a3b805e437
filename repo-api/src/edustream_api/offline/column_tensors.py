"""From the columns of accepted rows to a model's two tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from edustream_contracts.contract import ModelContract
from edustream_registry.inference.tensors import ABSENT_TEXT

from edustream_api.offline.cells import numbers, texts

WIDEST: Final = 64

Columns = Mapping[str, pa.Array]


def tensors(batch: pa.RecordBatch, contract: ModelContract) -> tuple[npt.NDArray[np.float32], npt.NDArray[Any]]:
    """`numeric` float32 (n, k) and `categorical` (n, m), as `Inference.columns` takes them.

    Null and absent numbers are NaN, null and absent texts empty.
    """
    columns = zip(batch.schema.names, batch.columns, strict=True)
    present = {name: column for name, column in columns if not pa.types.is_null(column.type)}
    return _numeric(present, contract, batch.num_rows), _categorical(present, contract, batch.num_rows)


def _numeric(present: Columns, contract: ModelContract, rows: int) -> npt.NDArray[np.float32]:
    tensor = np.full((rows, len(contract.numeric)), np.nan, dtype=np.float32)
    for place, name in enumerate(contract.numeric):
        if name in present:
            values, null = numbers(present[name])
            # As numpy does with a row's own numbers: by way of a double.
            tensor[:, place] = values.astype(np.float64, copy=False)
            if null is not None:
                tensor[null, place] = np.nan
    return tensor


def _categorical(present: Columns, contract: ModelContract, rows: int) -> npt.NDArray[Any]:
    different = [ABSENT_TEXT]
    places = np.zeros((rows, len(contract.categorical)), dtype=np.intp)
    for place, name in enumerate(contract.categorical):
        if name in present:
            codes, values = texts(present[name])
            places[:, place] = codes
            places[:, place] += len(different)
            different.extend(value or ABSENT_TEXT for value in values)
    return _table(different).take(places)


def _table(different: Sequence[str]) -> npt.NDArray[Any]:
    """Texts as bytes of one width where that takes little memory: onnxruntime reads them without a Python object each.

    It reads each up to its first zero byte, so there has to be one after the longest.
    """
    encoded = [text.encode() for text in different]
    width = max(map(len, encoded)) + 1
    if width > WIDEST or any(b"\0" in text for text in encoded):
        return np.array(different, dtype=np.object_)
    return np.array(encoded, dtype=f"S{width}")
