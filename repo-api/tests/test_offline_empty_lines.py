from __future__ import annotations

import csv
import io
import tracemalloc
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from edustream_contracts.errors import InvalidInput
from hypothesis import example, given
from hypothesis import strategies as st

from edustream_api.offline.empty_lines import first_empty_line
from edustream_api.offline.row_source import open_rows

ENDS = ["\n", "\r\n", "\r"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rows.csv"


def as_python_reads(text: str) -> int | None:
    lines = csv.reader(io.StringIO(text, newline=""))
    empty = next((lines.line_num for cells in lines if not cells), None)
    return empty if any(lines) else None


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("block", [1, 2, 3, 4, 5, 1000])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_the_first_empty_line_is_found(path: Path, end: str, block: int, place: int) -> None:
    lines = ["a,b", "1,2", "3,4"]
    lines[place:place] = ["", ""]
    path.write_text("\ufeff" + end.join(lines) + end, encoding="utf-8", newline="")
    assert first_empty_line(path, block) == place + 1


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("block", [1, 2, 3, 4, 5, 1000])
def test_lines_within_quotes_are_counted_and_not_empty(path: Path, end: str, block: int) -> None:
    path.write_text(end.join(["a,b", '"', "", '""', "", '",2', "", "3,4"]), newline="")
    assert first_empty_line(path, block) == 7


@pytest.mark.parametrize("end", ENDS)
def test_a_quote_within_a_cell_opens_nothing(path: Path, end: str) -> None:
    path.write_text(end.join(["a,b", '5" pipe,2', "", '3,4"']), newline="")
    assert first_empty_line(path) == 3


@given(text=st.text('",\n\ra', max_size=30), mark=st.booleans(), block=st.integers(1, 5))
@example(text="a\r\n\r\nb", mark=False, block=2)
@example(text='"a""\n\n",b\n\nc', mark=False, block=4)
def test_agrees_with_the_reader_of_python(text: str, mark: bool, block: int) -> None:
    with TemporaryDirectory() as directory:
        path = Path(directory, "rows.csv")
        path.write_bytes(("\ufeff" if mark else "").encode() + text.encode())
        assert first_empty_line(path, block) == as_python_reads(text)


@given(cells=st.lists(st.text('",\n\ra', max_size=5), max_size=400), quoted=st.booleans())
def test_agrees_on_long_rows(cells: list[str], quoted: bool) -> None:
    text = ",".join('"' + cell.replace('"', '""') + '"' if quoted else cell for cell in cells) * 3 + "\n\na"
    with TemporaryDirectory() as directory:
        path = Path(directory, "rows.csv")
        path.write_bytes(text.encode())
        assert first_empty_line(path, 100) == as_python_reads(text)


@pytest.mark.parametrize("cell", ["x" * (5 << 20), '"' + '""\n' * (2 << 20) + '"'], ids=["plain", "quoted"])
def test_an_empty_line_behind_a_cell_of_more_than_4_mib_is_found(path: Path, cell: str) -> None:
    path.write_text(f"a,b\n1,{cell}\n\n3,4\n", newline="")
    assert first_empty_line(path) == 3 + cell.count("\n")
    with pytest.raises(InvalidInput, match="is empty"):
        open_rows(path)


@pytest.mark.parametrize("opening", ["", '"', '"""'])
@pytest.mark.parametrize("filling", ["x", ",", '""', '","', "\r", "\n\n"])
def test_what_is_held_does_not_grow_with_a_line(path: Path, opening: str, filling: str) -> None:
    path.write_text('a,"\n\n",' + opening + filling * ((8 << 20) // len(filling)), newline="")
    tracemalloc.start()
    try:
        first_empty_line(path)
        assert tracemalloc.get_traced_memory()[1] < 2 << 20
    finally:
        tracemalloc.stop()
