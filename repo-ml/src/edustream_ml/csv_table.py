"""Reads a CSV file as a table of texts: UTF-8, a header line, commas; an empty cell is null, and nothing else is."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from io import BytesIO, TextIOWrapper
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow.csv import ConvertOptions, ParseOptions, ReadOptions, read_csv

from edustream_contracts.errors import InvalidInput

# A row must fit into a block.
BLOCK_BYTES: Final = 16 * 1024 * 1024


def read_table(data: bytes, name: str) -> pa.Table:
    """The cells of a CSV file (RFC 4180): every column of type string, null for an empty cell.

    A byte order mark is skipped; an empty line is a row of nulls.

    Raises `InvalidInput` (kind `data`) for what is no such table: another encoding, a quotation mark that is never
    closed, rows of different lengths, two columns of one name, no rows. `name` is what the error calls the file.
    """
    _refuse_other_encodings(data, name)
    if data.count(b'"') % 2:
        raise _no_csv(name, "it has an odd number of quotation marks, so one of them is never closed.")
    header = _header(data, name)
    twice = sorted({column for column in header if header.count(column) > 1})
    if twice:
        raise _wrong(name, f"has two columns called {twice[0]!r}")
    table = _cells(data, header, name)
    if table.num_rows == 0:
        raise _wrong(name, "has a header line and no rows")
    return table


def line_numbers(table: pa.Table, rows: Sequence[int]) -> list[int]:
    """The line of the file (from 1) on which each of `rows` (from 0) begins; a quoted cell may hold line breaks."""
    breaks = [pc.count_substring(column, "\n") for column in table.slice(0, max(rows, default=0)).columns]
    return [row + 2 + sum(pc.sum(counts.slice(0, row)).as_py() or 0 for counts in breaks) for row in rows]


def _refuse_other_encodings(data: bytes, name: str) -> None:
    try:
        data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _no_csv(name, f"line {line} holds the byte 0x{data[error.start]:02x}, which is none there.") from error


def _header(data: bytes, name: str) -> list[str]:
    try:
        return next(csv.reader(TextIOWrapper(BytesIO(data), encoding="utf-8-sig", newline="")), [])
    except csv.Error as error:
        raise _no_csv(name, f"{error}.") from error


def _cells(data: bytes, header: Sequence[str], name: str) -> pa.Table:
    try:
        return _read(data, header, use_threads=True)
    except pa.ArrowInvalid:
        try:
            # A single thread knows the number of the row at fault.
            return _read(data, header, use_threads=False)
        except pa.ArrowInvalid as error:
            raise _no_csv(name, " ".join(str(error).split())) from error


def _read(data: bytes, header: Sequence[str], *, use_threads: bool) -> pa.Table:
    return read_csv(
        pa.py_buffer(data),
        ReadOptions(use_threads=use_threads, block_size=BLOCK_BYTES),
        ParseOptions(newlines_in_values=b'"' in data, ignore_empty_lines=False),
        ConvertOptions(column_types=dict.fromkeys(header, pa.string()), null_values=[""], strings_can_be_null=True),
    )


def _no_csv(name: str, reason: str) -> InvalidInput:
    return InvalidInput(
        "data",
        f"The data set {name} is no UTF-8 CSV file: {reason}",
        remedy="export it again as CSV: UTF-8, a header line, commas, the same number of cells in every row.",
    )


def _wrong(name: str, fact: str) -> InvalidInput:
    return InvalidInput("data", f"The data set {name} {fact}.", remedy="correct the file, or export it again.")
