"""The cells of one Arrow column as numpy arrays: numbers with their nulls, texts by the code of each different one."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from edustream_contracts.errors import InvalidInput

Mask = npt.NDArray[np.bool_]

# Nanoseconds, years beyond 9999, zones that nobody knows, bytes that are no UTF-8.
NO_VALUE: Final = (ValueError, OverflowError, pa.ArrowException)
EVERY_CELL: Final = 2**31 - 1


class Numbers(NamedTuple):
    """`values` (n,) of the column's own type, 0 where `null` (n,); `null` is None where no cell is null."""

    values: npt.NDArray[Any]
    null: Mask | None


class Texts(NamedTuple):
    """`values[codes[i]]` is the text of row i; None stands for null, and is there only where a cell may be null."""

    codes: npt.NDArray[np.integer[Any]]
    values: list[str | None]


def null_mask(column: pa.Array) -> Mask:
    """Which cells are null, bool (n,); those that a dictionary holds are, too."""
    return _mask(_plain(column).is_null())


def numbers(column: pa.Array) -> Numbers:
    """The cells of a column of integers, floats or booleans."""
    plain = _plain(column)
    if not plain.null_count:
        return Numbers(plain.to_numpy(zero_copy_only=False), None)
    filled = plain.fill_null(False if pa.types.is_boolean(plain.type) else 0)
    return Numbers(filled.to_numpy(zero_copy_only=False), _mask(plain.is_null()))


def texts(column: pa.Array) -> Texts:
    """The cells of a column of texts, plain or dictionary-encoded.

    Raises `InvalidInput` (kind `data`) for bytes that are no UTF-8.
    """
    # A file's dictionary may be longer than the rows at hand, and each of its entries costs as much as a row.
    shared = pa.types.is_dictionary(column.type) and len(column.dictionary) <= max(len(column), 1)
    encoded = column if shared else _plain(column).dictionary_encode()
    codes = encoded.indices
    try:
        values = encoded.dictionary.to_pylist()
    except UnicodeDecodeError as error:
        raise InvalidInput(
            "data",
            f"A text is no UTF-8: {error.object!r:.80}.",
            remedy="have the file written again with texts in UTF-8.",
        ) from error
    if codes.null_count:
        # In its own type the number of the entry after the last may have no room.
        codes = codes.cast(pa.int64()).fill_null(len(values))
        values.append(None)
    return Texts(codes.to_numpy(zero_copy_only=False), values)


def values(column: pa.Array) -> list[Any]:
    """The cells of a column of any type as Python values; where Python has none, the text that Arrow shows."""
    try:
        return list(column.to_pylist())
    except NO_VALUE:
        return [_value(cell) for cell in column]


def _value(cell: pa.Scalar) -> Any:
    try:
        return cell.as_py()
    except NO_VALUE:
        return _shown(cell)


def _shown(cell: pa.Scalar) -> Any:
    if isinstance(cell, pa.DictionaryScalar):
        return _value(cell.value)
    if isinstance(cell, pa.StructScalar):
        return {name: _value(inner) for name, inner in cell.items()}
    if isinstance(cell, pa.ListScalar):
        return [_value(inner) for inner in cell.values]
    if isinstance(cell, pa.StringScalar):
        return cell.as_buffer().to_pybytes().decode(errors="backslashreplace")
    alone = pa.repeat(cell, 1).to_string(window=EVERY_CELL, container_window=EVERY_CELL, skip_new_lines=True)
    return alone.removeprefix("[").removesuffix("]")


def _plain(column: pa.Array) -> pa.Array:
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def _mask(column: pa.BooleanArray) -> Mask:
    found: Mask = column.to_numpy(zero_copy_only=False)
    return found
