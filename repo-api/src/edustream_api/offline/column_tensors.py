"""From the columns of accepted rows to a model's two tensors."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from edustream_contracts.contract import ModelContract

from edustream_api.offline.cells import numbers, texts

ABSENT_TEXT: Final = ""


def tensors(batch: pa.RecordBatch, contract: ModelContract) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.object_]]:
    """`numeric` float32 (n, k) and `categorical` object (n, m) of str, columns in the contract's order.

    Null and absent numbers are NaN, null and absent texts empty, as `Inference` has them.
    """
    numeric = np.full((batch.num_rows, len(contract.numeric)), np.nan, dtype=np.float32)
    categorical = np.full((batch.num_rows, len(contract.categorical)), ABSENT_TEXT, dtype=np.object_)
    present = dict(zip(batch.schema.names, batch.columns, strict=True))
    for place, name in enumerate(contract.numeric):
        if name in present and not pa.types.is_null(present[name].type):
            values, null = numbers(present[name])
            # As numpy does with a row's own numbers: by way of a double.
            numeric[:, place] = values.astype(np.float64)
            numeric[null, place] = np.nan
    for place, name in enumerate(contract.categorical):
        if name in present and not pa.types.is_null(present[name].type):
            codes, different = texts(present[name])
            categorical[:, place] = np.array([text or ABSENT_TEXT for text in different], dtype=np.object_)[codes]
    return numeric, categorical
