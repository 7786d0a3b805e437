from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from edustream_contracts.contract import Field
from edustream_ml.csv_table import text_rows
from edustream_ml.labels import MIN_NUMBERS, label_problems, labels_of
from edustream_ml.target import Target
from edustream_ml.tasks import Outcome, Task

PRICE = Field("prediction", "number", False, "Price", "", "USD", None, None, None, None)
KIND = Field("prediction", "string", False, "Kind", "", None, ("a", "b", "c"), None, None, None)
NUMBER = Outcome(Task.REGRESSION, PRICE, (), {})
CLASSES = Outcome(Task.MULTICLASS, KIND, ("a", "b", "c"), {})


def cells(*texts: Any) -> pa.ChunkedArray:
    return pa.chunked_array([list(texts)], pa.string())


def said(column: pa.ChunkedArray, outcome: Outcome, **target: Any) -> list[str]:
    table = pa.table({"y": column})
    problems = label_problems(column, Target(column="y", **target), outcome, partial(text_rows, table))
    assert {problem.pointer for problem in problems} <= {"column y"}
    return [problem.message for problem in problems]


def test_classes_are_texts_and_numbers_are_doubles() -> None:
    assert labels_of(cells("b", "a", "b"), CLASSES).tolist() == ["b", "a", "b"]
    numbers = labels_of(cells("1", "2.5"), NUMBER)
    assert (numbers.dtype, numbers.tolist()) == (np.dtype(np.float64), [1.0, 2.5])


def test_right_labels_have_no_problems() -> None:
    assert said(cells(*"abc" * 10), CLASSES) == []
    assert said(cells(*map(str, range(MIN_NUMBERS))), NUMBER) == []
    assert said(cells(*map(str, range(1, MIN_NUMBERS + 1))), NUMBER, scale="log") == []


def test_every_class_of_the_contract_needs_rows() -> None:
    assert said(cells(*["a"] * 20, *["c"] * 9), CLASSES) == [
        "has 0 rows of class 'b'; at least 10 are needed",
        "has 9 rows of class 'c'; at least 10 are needed",
    ]


def test_what_is_no_class_is_named_with_its_rows() -> None:
    assert said(cells(*"abc" * 10, "d", None, "d"), CLASSES) == [
        "has 3 labels of no class of the contract: '', 'd', in row 31 (line 32), row 32 (line 33), row 33 (line 34)"
    ]


@pytest.mark.parametrize("text", ["inf", "NaN", "1e999", "12 USD", "2024-01-31", ""])
def test_what_is_no_finite_number_is_named_with_its_rows(text: str) -> None:
    column = cells(*map(str, range(MIN_NUMBERS)), text or None)
    assert said(column, NUMBER) == [f"has 1 label without a finite number: {text!r}, in row 51 (line 52)"]


def test_a_logarithm_needs_numbers_above_0() -> None:
    column = cells("0", "-1", *map(str, range(1, MIN_NUMBERS + 1)))
    assert said(column, NUMBER, scale="log") == [
        "has 2 labels not above 0, without a logarithm: '-1', '0', in row 1 (line 2), row 2 (line 3)"
    ]
    assert said(column, NUMBER) == []


def test_two_rows_and_equal_numbers_teach_nothing() -> None:
    assert said(cells("1", "2"), NUMBER) == ["has 2 rows; at least 50 are needed"]
    assert said(cells(*["7.5"] * 60), NUMBER) == ["holds 7.5 in every row; there is nothing to learn"]


def test_labels_that_the_contract_never_answers_are_named_with_their_rows() -> None:
    bounded = Outcome(Task.REGRESSION, replace(PRICE, minimum=0, maximum=1e7), (), {})
    column = cells(*map(str, range(MIN_NUMBERS)), "2e7", "-1")
    said_of_both = "numbers from 0 to 1e+07 alone: '-1', '2e7', in row 51 (line 52), row 52 (line 53)"
    assert said(column, bounded) == [f"has 2 labels that no model may answer, {said_of_both}"]
    (unbounded,) = said(cells(*map(str, range(MIN_NUMBERS)), "1e39"), NUMBER)
    assert "'1e39', in row 51 (line 52)" in unbounded
