"""From the texts of a CSV file to columns of the contract's own types."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from edustream_contracts.contract import Field, ModelContract
from edustream_contracts.number_set import NumberSet
from edustream_contracts.value_set import Listed, ValueSet
from edustream_contracts.value_set import admitted as values_of

from edustream_api.offline.cells import Mask

# A number as JSON writes it (RFC 8259, section 6).
NUMBER: Final = r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?"
WHOLE: Final = re.compile(r"-?[0-9]+")
MAX_DIGITS: Final = 18
BOOLEANS: Final = {"true": True, "false": False}
TEXT: Final = pa.dictionary(pa.int32(), pa.string())
INT64: Final = np.iinfo(np.int64)


class CsvText:
    """How the texts of a CSV file are read: numbers as JSON writes them, booleans as true and false, in any case.

    An empty cell without quotes is null. Columns that are no fields stay texts.
    """

    def __init__(self, contract: ModelContract) -> None:
        self._kinds = {field.name: field.kind for field in contract.inputs}
        self._types = {field.name: _column_type(field, contract) for field in contract.inputs}

    def column_type(self, name: str) -> pa.DataType:
        """The Arrow type of a column of accepted rows."""
        return self._types.get(name, pa.string())

    def typed(self, batch: pa.RecordBatch) -> tuple[pa.RecordBatch, Mask]:
        """The batch with typed columns, and which rows could be read, bool (n,).

        A cell that cannot be read is null there.
        """
        readable = np.ones(batch.num_rows, dtype=np.bool_)
        columns = []
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            typed = self._column(name, column)
            if typed.null_count > column.null_count:
                readable &= ~(typed.is_null().to_numpy(zero_copy_only=False) & column.is_valid().to_numpy(False))
            columns.append(typed)
        return pa.RecordBatch.from_arrays(columns, names=batch.schema.names), readable

    def cells(self, texts: Mapping[str, str | None]) -> dict[str, Any]:
        """The cells of one row; what cannot be read stays the text that it is."""
        return {name: self._cell(name, text) for name, text in texts.items()}

    def _column(self, name: str, column: pa.Array) -> pa.Array:
        kind = self._kinds.get(name)
        if kind is None:
            return column
        if kind == "string":
            # The check, the tensor and Parquet all ask for it.
            return column.dictionary_encode()
        if kind == "boolean":
            lower = pc.utf8_lower(column)
            known = pc.is_in(lower, value_set=pa.array(list(BOOLEANS)))
            return pc.if_else(known, pc.equal(lower, "true"), None)
        matching = pc.match_substring_regex(column, f"^{NUMBER}$")
        return _numbers(pc.if_else(matching, column, None), whole=kind == "integer")

    def _cell(self, name: str, text: str | None) -> Any:
        kind = self._kinds.get(name)
        if text is None or kind in (None, "string"):
            return text
        if kind == "boolean":
            return BOOLEANS.get(text.lower(), text)
        if not re.fullmatch(NUMBER, text):
            return text
        # A whole number beyond 64 bits has no JSON form that would be read back.
        number = int(text) if WHOLE.fullmatch(text) and len(text) <= MAX_DIGITS else float(text)
        return number if math.isfinite(number) else text


def _numbers(column: pa.Array, *, whole: bool) -> pa.Array:
    if whole:
        try:
            return column.cast(pa.int64())
        except pa.ArrowInvalid:
            pass  # 1.0 and 1e3 are whole numbers too.
    try:
        return column.cast(pa.float64())
    except pa.ArrowInvalid:
        # Beyond the range of a double: Python reads these as infinite, and the check refuses them.
        return pa.array([None if text is None else float(text) for text in column.to_pylist()], pa.float64())


def _column_type(field: Field, contract: ModelContract) -> pa.DataType:
    if field.kind == "string":
        return TEXT
    if field.kind == "boolean":
        return pa.bool_()
    fits = _greatest(values_of(contract.document["input"]["properties"][field.name])) < INT64.max
    return pa.int64() if field.kind == "integer" and fits else pa.float64()


def _greatest(values: ValueSet) -> float:
    if isinstance(values.body, Listed):
        return float(max(map(abs, values.body.values), default=0))
    return max(abs(values.body.low), abs(values.body.high)) if isinstance(values.body, NumberSet) else 0.0
