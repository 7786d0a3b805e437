"""Reads a CSV file: UTF-8, a header line, commas; an empty cell is null, and nothing else is."""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO, TextIOWrapper
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow.csv import ConvertOptions, ParseOptions, ReadOptions, read_csv

from edustream_contracts.errors import InvalidInput

# A row must fit into a block.
BLOCK_BYTES: Final = 16 * 1024 * 1024
CODED: Final = pa.dictionary(pa.int32(), pa.string())
LINE_FEED: Final = 10
BLANKS: Final = (b" ", b"\t")
COLUMN_AT_FAULT: Final = re.compile(r"In CSV column #(\d+): ")
EMPTY: Final = "Empty CSV file or block"
"""What the library says of a header line that no line break ends."""
ATTEMPTS: Final = 3
SEPARATORS: Final = (";", "\t", "|")
"""What others than commas are written between cells."""


class TextRow(NamedTuple):
    """The cells of a row as they are written, None for an empty one, and the line (from 1) on which it begins."""

    line: int
    cells: Mapping[str, str | None]


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
        breaks = np.flatnonzero(np.frombuffer(self.data, dtype=np.uint8) == LINE_FEED)
        ends = np.append(breaks, len(self.data))
        lines = (self.data[ends[number] + 1 : ends[number + 1]] for number in numbers)
        texts = (line.decode().split(",") for line in lines)
        return [TextRow(number + 2, self._cells(row)) for number, row in zip(numbers, texts, strict=True)]

    def _cells(self, texts: Sequence[str]) -> dict[str, str | None]:
        # An empty line is a row of nulls.
        whole = texts if len(texts) == len(self.header) else [""] * len(self.header)
        return {name: text or None for name, text in zip(self.header, whole, strict=True)}

    def _numbers(self, numeric: Collection[str]) -> pa.Table | None:
        """The table with numbers, but texts in columns at fault; None where too many are, or every cell is in doubt."""
        types = {name: pa.float64() if name in numeric else CODED for name in self.header}
        for _ in range(ATTEMPTS):
            try:
                table = self._read(types, use_threads=True)
                texts = [name for name in self.header if types[name] == pa.float64() and not _finite(table[name])]
            except pa.ArrowInvalid as error:
                found = COLUMN_AT_FAULT.match(str(error))
                if not found:
                    return None
                texts = [self.header[int(found[1])]]
            if not texts:
                return table if self._keeps_blanks(table) else None
            types |= dict.fromkeys(texts, pa.string())
        return None

    def _keeps_blanks(self, table: pa.Table) -> bool:
        """Whether every blank is in a text; the library takes numbers between blanks for numbers."""
        in_header = sum(name.count(blank.decode()) for name in self.header for blank in BLANKS)
        in_texts = sum(map(_blanks, table.columns))
        return sum(map(self.data.count, BLANKS)) == in_header + in_texts

    def _texts(self) -> pa.Table:
        types = dict.fromkeys(self.header, pa.string())
        try:
            return self._read(types, use_threads=True)
        except pa.ArrowInvalid:
            try:
                # A single thread knows the number of the row at fault.
                return self._read(types, use_threads=False)
            except pa.ArrowInvalid as error:
                if EMPTY in str(error):
                    raise _no_rows(self.name) from error
                raise _no_csv(self.name, " ".join(str(error).split())) from error

    def _read(self, types: Mapping[str, pa.DataType], *, use_threads: bool) -> pa.Table:
        return read_csv(
            pa.py_buffer(self.data),
            ReadOptions(use_threads=use_threads, block_size=BLOCK_BYTES),
            ParseOptions(newlines_in_values=b'"' in self.data, ignore_empty_lines=False),
            ConvertOptions(column_types=types, null_values=[""], strings_can_be_null=True),
        )


def open_csv(data: bytes, name: str) -> CsvFile:
    """A CSV file of these bytes; a byte order mark is skipped.

    Raises `InvalidInput` (kind `data`) for another encoding, a quotation mark that is never closed, no header, one that
    other signs than commas divide, and two columns of one name.
    """
    _refuse_other_encodings(data, name)
    if data.count(b'"') % 2:
        raise _no_csv(name, "it has an odd number of quotation marks, so one of them is never closed.")
    try:
        header = next(csv.reader(TextIOWrapper(BytesIO(data), encoding="utf-8-sig", newline="")), [])
    except csv.Error as error:
        raise _no_csv(name, f"{error}.") from error
    if not any(header):
        raise _wrong(name, "is empty" if not data.strip() else "has no header line")
    if len(header) == 1:
        for separator in filter(header[0].__contains__, SEPARATORS):
            held = f"its header is one column that holds {separator!r} {header[0].count(separator)} times"
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


def _finite(column: pa.ChunkedArray) -> bool:
    return pc.all(pc.is_finite(column)).as_py() is not False


def _blanks(column: pa.ChunkedArray) -> int:
    """How many blanks the cells of a column hold."""
    if pa.types.is_floating(column.type):
        return 0
    coded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    held = 0
    for chunk in coded.chunks:
        occurrences = np.bincount(np.asarray(chunk.indices.drop_null()), minlength=len(chunk.dictionary))
        held += int(occurrences @ np.asarray(pc.count_substring_regex(chunk.dictionary, "[ \\t]")))
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
