"""Reads a CSV file: UTF-8, a header line, commas; an empty cell is null, and nothing else is."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO, TextIOWrapper
from textwrap import shorten
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow.csv import ConvertOptions, ParseOptions, ReadOptions, read_csv

from edustream_contracts.errors import InvalidInput
from edustream_ml.figures import counted

# A row must fit into a block.
BLOCK_BYTES: Final = 4 * 1024 * 1024
PIECE_BYTES: Final = 256 * 1024
LINE_FEED: Final = 10
BLANKS: Final = (b" ", b"\t")
COLUMN_AT_FAULT: Final = re.compile(r"In CSV column #(\d+): ")
EMPTY: Final = "Empty CSV file or block"
"""What the library says of a header line that no line break ends."""
ATTEMPTS: Final = 3
SEPARATORS: Final = (";", "\t", "|")
"""What others than commas are written between cells."""
SHOWN_CHARACTERS: Final = 80


class TextRow(NamedTuple):
    """The cells of a row as they are written, None for an empty one, and the line (from 1) on which it begins."""

    line: int
    cells: Mapping[str, str | None]


TextsOf = Callable[[Sequence[int]], Sequence[TextRow]]
"""The rows with the numbers that it is given (from 0), as they are written."""


@dataclass(frozen=True)
class CsvFile:
    """The bytes of a CSV file (RFC 4180) whose encoding and header are right; `name` is what errors call it."""

    data: bytes
    name: str
    header: tuple[str, ...]

    def table(self, numeric: Collection[str] = ()) -> pa.Table:
        """All cells, null for an empty one; an empty line is a row of nulls.

        A column of `numeric` is float64 where each of its cells is a finite decimal number or empty. It may be texts
        all the same, as others are, which may be coded.

        Raises `InvalidInput` (kind `data`) for rows of different lengths, and where there are none.
        """
        table = self._numbers(numeric) if numeric else None
        if table is None:
            table = self._texts()
        if table.num_rows == 0:
            raise _no_rows(self.name)
        return table

    def rows(self, numbers: Sequence[int]) -> list[TextRow]:
        """The rows with these numbers (from 0)."""
        if not numbers:
            return []
        if b'"' in self.data or b"\r" in self.data:
            return text_rows(self._texts(), numbers)
        # The header's, and one for each row.
        ends = self._line_ends(max(numbers) + 2)
        lines = (self.data[ends[number] + 1 : ends[number + 1]] for number in numbers)
        texts = (line.decode().split(",") for line in lines)
        return [TextRow(number + 2, self._cells(row)) for number, row in zip(numbers, texts, strict=True)]

    def _cells(self, texts: Sequence[str]) -> dict[str, str | None]:
        # An empty line is a row of nulls.
        whole = texts if len(texts) == len(self.header) else [""] * len(self.header)
        return {name: text or None for name, text in zip(self.header, whole, strict=True)}

    def _numbers(self, numeric: Collection[str]) -> pa.Table | None:
        """The table with numbers, but texts in columns at fault; None where too many are, or every cell is in doubt."""
        types = {name: pa.float64() if name in numeric else pa.string() for name in self.header}
        for _ in range(ATTEMPTS):
            try:
                table = self._read(types)
                texts = [name for name in self.header if types[name] == pa.float64() and not _finite(table[name])]
            except pa.ArrowInvalid as error:
                found = COLUMN_AT_FAULT.match(str(error))
                if not found:
                    return None
                texts = [self.header[int(found[1])]]
            if not texts:
                coded = _coded(table, numeric)
                return coded if self._keeps_blanks(coded) else None
            types |= dict.fromkeys(texts, pa.string())
        return None

    def _keeps_blanks(self, table: pa.Table) -> bool:
        """Whether every blank is in a text; the library takes numbers between blanks for numbers."""
        in_header = sum(name.count(blank.decode()) for name in self.header for blank in BLANKS)
        in_texts = sum(map(_blanks, table.columns))
        return self._count(BLANKS) == in_header + in_texts

    def _line_ends(self, count: int) -> npt.NDArray[np.intp]:
        """Where at least the first `count` lines end, the last one of the file also without a line break; intp (n,)."""
        ends = [np.zeros(0, dtype=np.intp)]
        for start, piece in self._pieces():
            ends.append(np.flatnonzero(piece == LINE_FEED) + start)
            count -= len(ends[-1])
            if count <= 0:
                break
        return np.concatenate([*ends, [len(self.data)]])

    def _count(self, signs: Sequence[bytes]) -> int:
        """How many of these single bytes the file holds."""
        codes = [ord(sign) for sign in signs if sign in self.data]
        return sum(int(np.count_nonzero(piece == code)) for _, piece in self._pieces() for code in codes)

    def _pieces(self) -> Iterator[tuple[int, npt.NDArray[np.uint8]]]:
        """The file's bytes, each piece with its start: what is compared a piece at a time stays in the cache."""
        data = np.frombuffer(self.data, dtype=np.uint8)
        return ((start, data[start : start + PIECE_BYTES]) for start in range(0, len(data), PIECE_BYTES))

    def _texts(self) -> pa.Table:
        types = dict.fromkeys(self.header, pa.string())
        try:
            return self._read(types)
        except pa.ArrowInvalid as error:
            if EMPTY in str(error):
                raise _no_rows(self.name) from error
            raise _no_csv(self.name, self._uneven() or " ".join(str(error).split())) from error

    def _uneven(self) -> str:
        """The first row with more or fewer cells than the header, in words; empty where none is found."""
        reader = _reader(self.data)
        line = 1
        try:
            for number, cells in enumerate(reader):
                if cells and len(cells) != len(self.header):
                    held = f"has {counted(len(cells), 'cell')}, and the header {len(self.header)}"
                    return f"row {number} (line {line}) {held}: {shorten(','.join(cells), SHOWN_CHARACTERS)}"
                line = reader.line_num + 1
        except csv.Error as error:
            return f"line {line}: {error}."
        return ""

    def _read(self, types: Mapping[str, pa.DataType]) -> pa.Table:
        quoted = b'"' in self.data
        return read_csv(
            pa.py_buffer(self.data),
            ReadOptions(block_size=BLOCK_BYTES),
            # Where nothing is quoted, not to look for quotation marks saves a tenth of the time.
            ParseOptions(quote_char='"' if quoted else False, newlines_in_values=quoted, ignore_empty_lines=False),
            ConvertOptions(
                column_types=types,
                null_values=[""],
                strings_can_be_null=True,
                # `open_csv` has checked all of it.
                check_utf8=False,
            ),
        )


def open_csv(data: bytes, name: str) -> CsvFile:
    """A CSV file of these bytes; a byte order mark is skipped.

    Raises `InvalidInput` (kind `data`) for another encoding, a quotation mark that is never closed, no header, one that
    other signs than commas divide, and two columns of one name.
    """
    _refuse_other_encodings(data, name)
    # To look for one is far cheaper than to count them all.
    if b'"' in data and data.count(b'"') % 2:
        raise _no_csv(name, "it has an odd number of quotation marks, so one of them is never closed.")
    try:
        header: list[str] = next(_reader(data), [])
    except csv.Error as error:
        raise _no_csv(name, f"{error}.") from error
    if not any(header):
        raise _wrong(name, "is empty" if not data.strip() else "has no header line")
    if len(header) == 1:
        for separator in filter(header[0].__contains__, SEPARATORS):
            held = f"its header is one column that holds {separator!r} {counted(header[0].count(separator), 'time')}"
            raise _no_csv(name, f"{held}; commas separate cells.")
    twice = sorted({column for column in header if header.count(column) > 1})
    if twice:
        raise _wrong(name, f"has two columns called {twice[0]!r}")
    return CsvFile(data, name, tuple(header))


def text_rows(table: pa.Table, numbers: Sequence[int]) -> list[TextRow]:
    """Rows of a table of texts by their numbers (from 0); a quoted cell may hold line breaks."""
    breaks = [pc.count_substring(column, "\n") for column in table.slice(0, max(numbers, default=0)).columns]
    lines = [number + 2 + sum(pc.sum(counts.slice(0, number)).as_py() or 0 for counts in breaks) for number in numbers]
    cells = [{name: table[name][number].as_py() for name in table.column_names} for number in numbers]
    return [TextRow(line, row) for line, row in zip(lines, cells, strict=True)]


def _reader(data: bytes) -> Any:
    """The standard library's reader of the bytes, which knows its line."""
    return csv.reader(TextIOWrapper(BytesIO(data), encoding="utf-8-sig", newline=""))


def _finite(column: pa.ChunkedArray) -> bool:
    return pc.all(pc.is_finite(column)).as_py() is not False


def _coded(table: pa.Table, numeric: Collection[str]) -> pa.Table:
    """The table with coded texts, but for the columns of `numeric`: to code them later is faster than to read codes."""

    def code(name: str) -> pa.ChunkedArray:
        return table[name] if name in numeric else table[name].dictionary_encode()

    with ThreadPoolExecutor() as threads:
        return pa.table(dict(zip(table.column_names, threads.map(code, table.column_names), strict=True)))


def _blanks(column: pa.ChunkedArray) -> int:
    """How many blanks the cells of a column hold."""
    if pa.types.is_floating(column.type):
        return 0
    coded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    held = 0
    for chunk in coded.chunks:
        each = np.asarray(pc.count_substring_regex(chunk.dictionary, "[ \\t]"))
        if each.any():
            held += int(np.bincount(np.asarray(chunk.indices.drop_null()), minlength=len(each)) @ each)
    return held


def _refuse_other_encodings(data: bytes, name: str) -> None:
    if data.isascii():
        return
    try:
        data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _no_csv(name, f"line {line} holds the byte 0x{data[error.start]:02x}, which is none there.") from error


def _no_csv(name: str, reason: str) -> InvalidInput:
    return InvalidInput(
        "data",
        f"The data set {name} is no UTF-8 CSV file: {reason}",
        remedy="export it again as CSV: UTF-8, a header line, commas, the same number of cells in every row.",
    )


def _no_rows(name: str) -> InvalidInput:
    return _wrong(name, "has a header line and no rows")


def _wrong(name: str, fact: str) -> InvalidInput:
    return InvalidInput("data", f"The data set {name} {fact}.", remedy="correct the file, or export it again.")
