"""The columns of a CSV file as what a contract's fields make of their texts: numbers, truths, categories."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from edustream_contracts.contract import Field

NUMBER: Final = r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?"
_NUMBER: Final = re.compile(NUMBER, re.ASCII)
_INTEGER: Final = re.compile(r"[+-]?\d{1,18}", re.ASCII)
_BOOLEANS: Final = {"true": True, "false": False}

Mask = npt.NDArray[np.bool_]
Float64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Numbers:
    """`values` float64 (n,), NaN where a cell is null or no number; `null` and `text` bool (n,) say which it is."""

    values: Float64
    null: Mask
    text: Mask


@dataclass(frozen=True)
class Texts:
    """`values[codes[i]]` is the text of row i; a code of -1, which leads to the last of `values`, is null."""

    codes: npt.NDArray[np.int32]
    values: tuple[str | None, ...]


def numbers(cells: pa.ChunkedArray) -> Numbers:
    """The nearest double of every cell that holds a finite decimal number, as `value` reads it.

    `cells` are texts, or finite numbers already.
    """
    null = np.asarray(cells.is_null())
    try:
        values = np.asarray(cells.cast(pa.float64()), dtype=np.float64)
    except pa.ArrowInvalid:
        matching = pc.match_substring_regex(cells, f"^{NUMBER}$")
        values = np.asarray(pc.if_else(matching, cells, None).cast(pa.float64()), dtype=np.float64)
    finite = np.isfinite(values)
    return Numbers(np.where(finite, values, np.nan), null, ~finite & ~null)


def texts(cells: pa.ChunkedArray) -> Texts:
    """Every cell by the code of its text; `cells` are texts, plain or coded."""
    coded = cells if pa.types.is_dictionary(cells.type) else cells.dictionary_encode()
    encoded = coded.unify_dictionaries().combine_chunks()
    codes = np.asarray(encoded.indices.fill_null(-1))
    return Texts(codes, (*encoded.dictionary.to_pylist(), None))


def value(cell: str | None, field: Field) -> Any:
    """The JSON value that a cell stands for; a cell that is none of the field's kind stays a text.

    A number is the nearest IEEE 754 double, as in JSON that others can read (RFC 7493, 2.2).
    """
    if cell is None or field.kind == "string":
        return cell
    if field.kind == "boolean":
        return _BOOLEANS.get(cell.lower(), cell)
    number = float(cell) if _NUMBER.fullmatch(cell) else math.inf
    if not math.isfinite(number):
        return cell
    return int(number) if _INTEGER.fullmatch(cell) else number


def column(cells: pa.ChunkedArray, field: Field) -> pd.Series[Any]:
    """A column of valid cells: categories for texts, else float64 with 1 for true, 0 for false and NaN for null."""
    if field.kind not in ("string", "boolean"):
        return pd.Series(numbers(cells).values)
    found = texts(cells)
    if field.kind == "string":
        return pd.Series(pd.Categorical.from_codes(found.codes, categories=pd.Index(found.values[:-1], dtype=object)))
    truths = [math.nan if text is None else float(_BOOLEANS[text.lower()]) for text in found.values]
    return pd.Series(np.array(truths)[found.codes])
