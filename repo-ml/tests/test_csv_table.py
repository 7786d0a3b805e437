from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edustream_contracts.errors import InvalidInput
from edustream_ml.csv_table import line_numbers, read_table

cells = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), max_size=5)


def refused(data: bytes) -> str:
    with pytest.raises(InvalidInput) as caught:
        read_table(data, "students.csv")
    assert caught.value.kind == "data"
    return caught.value.fact


@given(st.lists(st.tuples(cells, cells, cells), min_size=1, max_size=8))
@settings(deadline=None)
def test_every_cell_and_its_line_are_those_of_the_standard_library(rows: list[tuple[str, str, str]]) -> None:
    sink = io.StringIO()
    csv.writer(sink, lineterminator="\n").writerows([("a", "b", "c"), *rows])
    table = read_table(sink.getvalue().encode(), "drawn.csv")
    assert [tuple(cell or "" for cell in row.values()) for row in table.to_pylist()] == rows
    reader = csv.reader(io.StringIO(sink.getvalue()))
    begins = []
    for _ in reader:
        begins.append(reader.line_num + 1)
    assert line_numbers(table, range(len(rows))) == begins[:-1]


@pytest.mark.parametrize(
    ("data", "fact"),
    [
        (b"", "no UTF-8 CSV file: Empty CSV file"),
        (b"a,b\n", "has a header line and no rows."),
        (b"a,b", "no UTF-8 CSV file"),
        (b"a,b,a\n1,2,3\n", "has two columns called 'a'."),
        (b"a,b\n1,2\n3,4,5\n", "Row #3: Expected 2 columns, got 3: 3,4,5"),
        (b"a,b\n1,2\n3\n", "Row #3: Expected 2 columns, got 1: 3"),
        (b'a,b\n1,"2\n3,4\n', "odd number of quotation marks, so one of them is never closed"),
        ("a,b\n1,größe\n".encode("latin-1"), "line 2 holds the byte 0xf6, which is none there"),
        ("größe\n1\n".encode("utf-16"), "line 1 holds the byte 0xff"),
    ],
)
def test_what_is_no_table_is_refused_with_its_place(data: bytes, fact: str) -> None:
    said = refused(data)
    assert said.startswith("The data set students.csv ")
    assert fact in said


def test_a_byte_order_mark_and_other_line_ends_are_no_part_of_the_cells() -> None:
    table = read_table("\ufeffa,b\r\n1,é\r\n".encode(), "exported.csv")
    assert table.to_pydict() == {"a": ["1"], "b": ["é"]}


def test_texts_that_others_take_for_nulls_are_texts() -> None:
    table = read_table(b'a,b\nNone,NA\n"",null\n\n', "texts.csv")
    assert table.to_pydict() == {"a": ["None", None, None], "b": ["NA", "null", None]}
