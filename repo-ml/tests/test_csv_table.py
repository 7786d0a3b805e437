from __future__ import annotations

import csv
import io
from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edustream_contracts.errors import InvalidInput
from edustream_ml.columns import numbers
from edustream_ml.csv_table import open_csv, text_rows

cells = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), max_size=5)


def refused(data: bytes) -> str:
    with pytest.raises(InvalidInput) as caught:
        open_csv(data, "students.csv").table(numeric=["a"])
    assert caught.value.kind == "data"
    return caught.value.fact


@given(st.lists(st.tuples(cells, cells, cells), min_size=1, max_size=8))
@settings(deadline=None)
def test_every_cell_and_its_line_are_those_of_the_standard_library(rows: list[tuple[str, str, str]]) -> None:
    sink = io.StringIO()
    csv.writer(sink, lineterminator="\n").writerows([("a", "b", "c"), *rows])
    file = open_csv(sink.getvalue().encode(), "drawn.csv")
    table = file.table()
    assert [tuple(cell or "" for cell in row.values()) for row in table.to_pylist()] == rows
    reader = csv.reader(io.StringIO(sink.getvalue()))
    begins = []
    for _ in reader:
        begins.append(reader.line_num + 1)
    expected = [(line, dict(zip("abc", row, strict=True))) for line, row in zip(begins[:-1], rows, strict=True)]
    for found in (text_rows(table, range(len(rows))), file.rows(range(len(rows)))):
        assert [(row.line, {name: cell or "" for name, cell in row.cells.items()}) for row in found] == expected


@pytest.mark.parametrize(
    ("data", "fact"),
    [
        (b"", "is empty."),
        (b"\n\n", "is empty."),
        (b"\n1,2\n", "has no header line."),
        (b"a,b\n", "has a header line and no rows."),
        (b"a,b", "has a header line and no rows."),
        (b"a;b;c\n1;2;3\n", "its header is one column that holds ';' 2 times; commas separate cells."),
        (b"a\tb\n1\t2\n", "its header is one column that holds '\\t' 1 times; commas separate cells."),
        (b"a,b,a\n1,2,3\n", "has two columns called 'a'."),
        (b"a,b\n1,2\n3,4,5\n", "Row #3: Expected 2 columns, got 3: 3,4,5"),
        (b"a,b\n1,2\n3\n", "Row #3: Expected 2 columns, got 1: 3"),
        (b'a,b\n1,"2\n3,4\n', "odd number of quotation marks, so one of them is never closed"),
        ("a,b\n1,größe\n".encode("latin-1"), "line 2 holds the byte 0xf6, which is none there"),
        ("größe\n1\n".encode("utf-16"), "line 1 holds the byte 0xff"),
        (b"a," + b"b" * 200_000 + b"\n1,2\n", "field larger than field limit (131072)."),
    ],
)
def test_what_is_no_table_is_refused_with_its_place(data: bytes, fact: str) -> None:
    said = refused(data)
    assert said.startswith("The data set students.csv ")
    assert fact in said


def test_a_byte_order_mark_and_other_line_ends_are_no_part_of_the_cells() -> None:
    table = open_csv("\ufeffa,b\r\n1,é\r\n".encode(), "exported.csv").table()
    assert table.to_pydict() == {"a": ["1"], "b": ["é"]}


def test_texts_that_others_take_for_nulls_are_texts() -> None:
    table = open_csv(b'a,b\nNone,NA\n"",null\n\n', "texts.csv").table()
    assert table.to_pydict() == {"a": ["None", None, None], "b": ["NA", "null", None]}


NUMBERS = ("1", "-0.5", "1e3", "+1", ".5", "5.", "", "01", "9" * 18)
NO_NUMBERS = (" 1", "1 ", "\t1", "inf", "NaN", "1e999", "0x1", "1_0", "x", " ", "2024-01-31", "\u0661")


@pytest.mark.parametrize("quote", ["", '"'])
@pytest.mark.parametrize("cell", [*NUMBERS, *NO_NUMBERS])
def test_columns_are_numbers_only_where_every_cell_is_one(cell: str, quote: str) -> None:
    file = open_csv(f"a b,n,m\nx y,1,2\n\tz,{quote}{cell}{quote},\n".encode(), "numbers.csv")
    table = file.table(numeric=["n", "m", "elsewhere"])
    if cell in NUMBERS:
        assert table["n"].to_pylist() == [1.0, float(cell) if cell else None]
    else:
        assert table["n"].to_pylist() == ["1", cell]
    assert table["a b"].to_pylist() == ["x y", "\tz"]
    assert file.rows([1]) == [(3, {"a b": "\tz", "n": cell or None, "m": None})]


def test_a_text_among_numbers_makes_texts_of_its_own_column_alone() -> None:
    file = open_csv(b"n,m,l\n1,2,3\nx,inf,4\n", "numbers.csv")
    assert file.table(numeric="nml").to_pydict() == {"n": ["1", "x"], "m": ["2", "inf"], "l": [3.0, 4.0]}
    four = open_csv(b"n,m,l,k\nx,x,x,x\n", "numbers.csv")
    assert four.table(numeric="nmlk").to_pydict() == {name: ["x"] for name in "nmlk"}


@given(
    st.lists(st.tuples(st.sampled_from(["", "x", "x y", " "]), st.sampled_from([*NUMBERS, *NO_NUMBERS])), min_size=1)
)
@settings(deadline=None, max_examples=50)
def test_both_ways_to_read_numbers_say_the_same_of_every_cell(rows: list[tuple[str, str]]) -> None:
    file = open_csv("".join(f"{text},{number}\n" for text, number in [("a", "n"), *rows]).encode(), "drawn.csv")
    typed, texts = file.table(numeric=["n"]), file.table()
    for found, expected in zip(astuple(numbers(typed["n"])), astuple(numbers(texts["n"])), strict=True):
        np.testing.assert_array_equal(found, expected)
    assert typed["a"].to_pylist() == texts["a"].to_pylist()
