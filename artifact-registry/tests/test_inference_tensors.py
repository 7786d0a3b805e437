from __future__ import annotations

import numpy as np

from edustream_registry.inference.tensors import TensorLayout
from edustream_registry.manifest import InputTensor


def layout(*tensors: tuple[str, str, list[str]]) -> TensorLayout:
    return TensorLayout(
        [InputTensor.model_validate({"name": name, "dtype": dtype, "columns": c}) for name, dtype, c in tensors]
    )


def test_each_tensor_has_its_columns_of_each_row_in_their_order() -> None:
    made = layout(("x", "float32", ["b", "a"]), ("y", "string", ["d", "c"])).tensors(
        [{"a": 1, "b": 2.5, "c": "p", "d": "q"}, {"d": "s", "c": "r", "b": 3, "a": 4}]
    )
    assert made["x"].dtype == np.float32
    assert made["x"].tolist() == [[2.5, 1.0], [3.0, 4.0]]
    assert made["y"].dtype == object
    assert made["y"].tolist() == [["q", "p"], ["s", "r"]]


def test_what_is_null_or_absent_is_nan_or_the_empty_text_and_takes_nothing_from_its_neighbours() -> None:
    made = layout(("x", "float32", ["a", "b"]), ("y", "string", ["c", "d"])).tensors([{"a": None, "d": "q"}, {"b": 1}])
    assert np.array_equal(made["x"], np.array([[np.nan, np.nan], [np.nan, 1]], np.float32), equal_nan=True)
    assert made["y"].tolist() == [["", "q"], ["", ""]]


def test_a_tensor_of_one_column_is_a_matrix_too() -> None:
    made = layout(("x", "float32", ["a"]), ("y", "string", ["c"])).tensors([{"a": 1, "c": "p"}, {"a": 2}])
    assert made["x"].tolist() == [[1.0], [2.0]]
    assert made["y"].tolist() == [["p"], [""]]


def test_given_columns_are_the_tensors_themselves() -> None:
    numeric, categorical = np.zeros((2, 1), np.float32), np.array([["p"], ["q"]], dtype=object)
    made = layout(("y", "string", ["c"]), ("x", "float32", ["a"])).of_columns(numeric, categorical)
    assert made["x"] is numeric
    assert made["y"] is categorical
