"""Tensors of the Open Inference Protocol: their datatypes, and their values as JSON and as bytes.

One tensor holds one field of every row, in the shape [n] or [n, 1]. As bytes, values follow Triton's binary tensor data
extension: little-endian, without padding; each text after its length, a 32-bit unsigned integer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from struct import Struct
from typing import Any, Final

import numpy as np
import orjson
from edustream_contracts.contract import Field, Kind

BYTES: Final = "BYTES"
BOOL: Final = "BOOL"
NUMBERS: Final = {
    **{f"FP{bits}": np.dtype(f"<f{bits // 8}") for bits in (16, 32, 64)},
    **{f"INT{bits}": np.dtype(f"<i{bits // 8}") for bits in (8, 16, 32, 64)},
    **{f"UINT{bits}": np.dtype(f"<u{bits // 8}") for bits in (8, 16, 32, 64)},
}
DATATYPES: Final[Mapping[Kind, str]] = {"number": "FP64", "integer": "INT64", "string": BYTES, "boolean": BOOL}
LENGTH: Final = Struct("<I")


class TensorRefused(ValueError):
    """Values that are not those of their datatype and shape; the message says which, without the tensor's name."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """What a request says of one input: a name, and `rows` values of a datatype."""

    name: str
    datatype: str
    rows: int
    nested: bool


def datatype_of(field: Field) -> str:
    """The datatype in which a field is described and answered."""
    return DATATYPES[field.kind]


def fits(field: Field, datatype: str) -> bool:
    """Whether a field's values may travel in a datatype: numbers and integers in any numeric one.

    Whether a value is a whole number is for the contract to say, which admits 12.0 where it asks for an integer.
    """
    return datatype in NUMBERS if field.kind in ("number", "integer") else datatype == datatype_of(field)


def from_json(tensor: Tensor, data: Any) -> list[Any]:
    """The values in `data`, flat or, for the shape [n, 1], nested; null stays None. Raises `TensorRefused`."""
    if not isinstance(data, list):
        raise TensorRefused("has no array of data")
    values: list[Any] = data
    if tensor.nested and all(value.__class__ is list and len(value) == 1 for value in data):
        values = [value[0] for value in data]
    if len(values) != tensor.rows:
        raise TensorRefused(f"has {len(values)} values and a shape for {tensor.rows}")
    admitted = _json_admission(tensor.datatype)
    for index, value in enumerate(values):
        if value is not None and not admitted(value):
            raise TensorRefused(f"has {shown(value)} in row {index}, which is no {tensor.datatype}")
    return values


def from_bytes(tensor: Tensor, data: bytes, *, nullable: bool) -> list[Any]:
    """The values in `data`. Bytes know no null: where a field admits it, a NaN is one. Raises `TensorRefused`."""
    if tensor.datatype == BYTES:
        return _texts(tensor, data)
    if tensor.datatype == BOOL:
        _require_size(tensor, data, 1)
        for index, value in enumerate(data):
            if value > 1:
                raise TensorRefused(f"has the byte {value} in row {index}; a BOOL is 0 or 1")
        return [value == 1 for value in data]
    dtype = NUMBERS[tensor.datatype]
    _require_size(tensor, data, dtype.itemsize)
    array = np.frombuffer(data, dtype)
    values: list[Any] = array.tolist()
    if dtype.kind == "f":
        for index in np.flatnonzero(~np.isfinite(array)).tolist():
            if not (nullable and isnan(values[index])):
                raise TensorRefused(f"has {shown(values[index])} in row {index}; a finite number is expected")
            values[index] = None
    return values


def to_bytes(datatype: str, values: Sequence[Any]) -> bytes:
    """The bytes of values of one of the `DATATYPES`."""
    if datatype == BYTES:
        texts = [value.encode() for value in values]
        return b"".join(LENGTH.pack(len(text)) + text for text in texts)
    return np.array(values, "?" if datatype == BOOL else NUMBERS[datatype]).tobytes()


def _texts(tensor: Tensor, data: bytes) -> list[Any]:
    values: list[Any] = []
    start = 0
    while start < len(data):
        end = start + LENGTH.size
        if end <= len(data):
            start, end = end, end + LENGTH.unpack_from(data, start)[0]
        if end > len(data):
            raise TensorRefused(f"ends within row {len(values)}")
        try:
            values.append(data[start:end].decode())
        except UnicodeDecodeError as error:
            raise TensorRefused(f"has bytes in row {len(values)} that are no UTF-8") from error
        start = end
    if len(values) != tensor.rows:
        raise TensorRefused(f"has {len(values)} values and a shape for {tensor.rows}")
    return values


def _require_size(tensor: Tensor, data: bytes, item: int) -> None:
    if len(data) != tensor.rows * item:
        raise TensorRefused(f"has {len(data)} bytes; {tensor.rows} of {tensor.datatype} are {tensor.rows * item}")


def _json_admission(datatype: str) -> Callable[[Any], bool]:
    if datatype == BYTES:
        return lambda value: value.__class__ is str
    if datatype == BOOL:
        return lambda value: value.__class__ is bool
    dtype = NUMBERS[datatype]
    if dtype.kind == "f":
        return lambda value: value.__class__ is float or value.__class__ is int
    limits = np.iinfo(dtype)
    least, most = int(limits.min), int(limits.max)
    return lambda value: value.__class__ is int and least <= value <= most


def shown(value: Any) -> str:
    """A value from a request as a message may hold it: short, whatever it is."""
    if value.__class__ in (list, dict):
        return "an array" if value.__class__ is list else "an object"
    if value is None or value.__class__ is bool:
        return orjson.dumps(value).decode()
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"
