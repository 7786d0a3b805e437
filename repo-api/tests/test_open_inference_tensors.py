"""Values of tensors, as JSON and as bytes: what is read, what is written, what is refused."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edustream_api.open_inference.tensors import NUMBERS, Tensor, TensorRefused, from_bytes, from_json, to_bytes


def tensor(datatype: str, rows: int, *, nested: bool = False) -> Tensor:
    return Tensor("x", datatype, rows, nested)


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=9), max_size=9))
def test_texts_survive_as_bytes(values: list[str]) -> None:
    assert from_bytes(tensor("BYTES", len(values)), to_bytes("BYTES", values), nullable=False) == values


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=9))
def test_numbers_survive_as_bytes(values: list[float]) -> None:
    assert from_bytes(tensor("FP64", len(values)), to_bytes("FP64", values), nullable=False) == values


@given(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=9))
def test_whole_numbers_survive_as_bytes(values: list[int]) -> None:
    assert from_bytes(tensor("INT64", len(values)), to_bytes("INT64", values), nullable=False) == values


@given(st.lists(st.booleans(), max_size=9))
def test_booleans_survive_as_bytes(values: list[bool]) -> None:
    read = from_bytes(tensor("BOOL", len(values)), to_bytes("BOOL", values), nullable=False)
    assert read == values
    assert all(value.__class__ is bool for value in read)


@pytest.mark.parametrize("datatype", NUMBERS)
def test_every_numeric_datatype_is_little_endian(datatype: str) -> None:
    data = np.array([1, 100], NUMBERS[datatype]).tobytes()
    assert from_bytes(tensor(datatype, 2), data, nullable=False) == [1, 100]


def test_a_nan_in_bytes_is_a_null_where_there_may_be_one() -> None:
    data = struct.pack("<2d", 1.5, float("nan"))
    assert from_bytes(tensor("FP64", 2), data, nullable=True) == [1.5, None]
    with pytest.raises(TensorRefused, match="nan in row 1; a finite number"):
        from_bytes(tensor("FP64", 2), data, nullable=False)


def test_an_infinity_is_refused_everywhere() -> None:
    with pytest.raises(TensorRefused, match="inf in row 0"):
        from_bytes(tensor("FP32", 1), struct.pack("<f", float("inf")), nullable=True)


@pytest.mark.parametrize(
    ("datatype", "rows", "data", "told"),
    [
        ("FP64", 2, bytes(8), r"has 8 bytes; 2 of FP64 are 16"),
        ("BOOL", 3, bytes(2), r"has 2 bytes; 3 of BOOL are 3"),
        ("BOOL", 2, b"\x00\x02", r"has the byte 2 in row 1"),
        ("BOOL", 2, b"\x07\x00", r"has the byte 7 in row 0"),
        ("BYTES", 1, b"\x01\x00", r"ends within row 0"),
        ("BYTES", 1, b"\x05\x00\x00\x00ab", r"ends within row 0"),
        ("BYTES", 2, b"\x01\x00\x00\x00a", r"has 1 values and a shape for 2"),
        ("BYTES", 1, b"\x01\x00\x00\x00\xff", r"row 0 that are no UTF-8"),
    ],
)
def test_bytes_that_are_not_the_tensor_are_refused(datatype: str, rows: int, data: bytes, told: str) -> None:
    with pytest.raises(TensorRefused, match=told):
        from_bytes(tensor(datatype, rows), data, nullable=True)


@pytest.mark.parametrize(
    ("datatype", "data"),
    [("FP32", [1, 2.5, None]), ("INT8", [-128, 127]), ("BYTES", ["", "é"]), ("BOOL", [True, None]), ("UINT8", [0])],
)
def test_json_values_are_read_as_they_are(datatype: str, data: list[Any]) -> None:
    assert from_json(tensor(datatype, len(data)), data) == data
    assert from_json(tensor(datatype, len(data), nested=True), [[value] for value in data]) == data
    assert from_json(tensor(datatype, len(data), nested=True), data) == data


@pytest.mark.parametrize(
    ("datatype", "data", "told"),
    [
        ("FP64", None, "has no array of data"),
        ("FP64", [1.0], "has 1 values and a shape for 2"),
        ("FP64", [1.0, "2"], "has '2' in row 1, which is no FP64"),
        ("FP64", [True, 2], "has true in row 0, which is no FP64"),
        ("FP64", [[1.0], [2.0]], "has an array in row 0"),
        ("INT64", [1, 2.5], r"has 2\.5 in row 1, which is no INT64"),
        ("INT64", [1, 2**63], "in row 1, which is no INT64"),
        ("UINT8", [0, -1], "has -1 in row 1, which is no UINT8"),
        ("BOOL", [1, False], "has 1 in row 0, which is no BOOL"),
        ("BYTES", ["a", 3], "has 3 in row 1, which is no BYTES"),
        ("BYTES", ["a", {}], "has an object in row 1"),
    ],
)
def test_json_values_that_are_not_the_tensor_are_refused(datatype: str, data: Any, told: str) -> None:
    with pytest.raises(TensorRefused, match=told):
        from_json(tensor(datatype, 2), data)
