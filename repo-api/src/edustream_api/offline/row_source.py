"""The rows of a Parquet or CSV file, read in bounded memory from any row on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Protocol

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
from edustream_contracts.errors import InvalidInput

from edustream_api.offline.empty_lines import first_empty_line

CHUNK_ROWS: Final = 20_000
BLOCK_BYTES: Final = 4 * 1024 * 1024
BUFFER_BYTES: Final = 256 * 1024
PARQUET: Final = (".parquet", ".pq")
CSV: Final = (".csv",)


class RowSource(Protocol):
    """A file of rows. `rows` is their number, None where only reading tells."""

    schema: pa.Schema
    rows: int | None

    def batches(self, start: int) -> Iterator[pa.RecordBatch]:
        """The rows from `start` on, in order, at most `CHUNK_ROWS` at once. Raises `InvalidInput` (kind `data`)."""
        ...


class ParquetRows:
    """A Parquet file; columns of texts come dictionary-encoded, as they lie in the file."""

    def __init__(self, path: Path) -> None:
        """Read the footer. Raises `InvalidInput` (kind `data`)."""
        self._path = path
        with _readable(path):
            with pq.ParquetFile(path) as file:
                texts = [field.name for field in file.schema_arrow if _is_text(field.type)]
            # With buffers of a size of their own, and without reading ahead, what is held of a row group does not grow
            # with it.
            self._file = pq.ParquetFile(path, read_dictionary=texts, pre_buffer=False, buffer_size=BUFFER_BYTES)
            schema = self._file.schema_arrow
        self.schema = pa.schema([_without_views(field) for field in schema], schema.metadata)
        self.rows: int | None = self._file.metadata.num_rows

    def batches(self, start: int) -> Iterator[pa.RecordBatch]:
        """See `RowSource`."""
        first, skipped = 0, 0
        sizes = [self._file.metadata.row_group(group).num_rows for group in range(self._file.num_row_groups)]
        while first < len(sizes) and skipped + sizes[first] <= start:
            skipped += sizes[first]
            first += 1
        with _readable(self._path):
            groups = list(range(first, len(sizes)))
            found = self._file.iter_batches(CHUNK_ROWS, row_groups=groups, use_threads=False) if groups else ()
            for batch in _from(found, start - skipped):
                yield batch if batch.schema.equals(self.schema) else batch.cast(self.schema)


class CsvRows:
    """A CSV file in UTF-8 with a header; every column is of texts, an empty cell without quotes is null."""

    rows: int | None = None

    def __init__(self, path: Path) -> None:
        """Read the header, and look for empty lines between others. Raises `InvalidInput` (kind `data`)."""
        self._path = path
        self._ended: bytes | None = None
        # Arrow skips an empty line, or makes a row of nulls of it. Only of one column it is a line as it should be.
        self._skips_empty = True
        with _readable(path):
            try:
                names = self._header()
            except pa.ArrowInvalid:
                if path.stat().st_size > BLOCK_BYTES:
                    raise
                # Arrow takes a header without rows for one only where its line ends.
                self._ended = path.read_bytes() + b"\n"
                names = self._header()
            self._skips_empty = len(names) > 1
            if self._skips_empty:
                _refuse_empty_lines(path)
            else:
                # What follows an empty line is no header then.
                names = self._header()
        self.schema = pa.schema([(name, pa.string()) for name in names])

    def batches(self, start: int) -> Iterator[pa.RecordBatch]:
        """See `RowSource`."""
        with _readable(self._path), self._open(self.schema.names) as reader:
            yield from _from(reader, start)

    def _header(self) -> list[str]:
        with self._open(()) as reader:
            return list(reader.schema.names)

    def _open(self, names: Sequence[str]) -> pacsv.CSVStreamingReader:
        return pacsv.open_csv(
            self._path if self._ended is None else pa.BufferReader(self._ended),
            pacsv.ReadOptions(use_threads=False, block_size=BLOCK_BYTES),
            pacsv.ParseOptions(newlines_in_values=True, ignore_empty_lines=self._skips_empty),
            pacsv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )


def open_rows(path: Path) -> RowSource:
    """The rows of the file at `path`. Raises `InvalidInput` (kinds `argument`, `data`)."""
    if path.suffix.lower() in PARQUET:
        return ParquetRows(path)
    if path.suffix.lower() in CSV:
        return CsvRows(path)
    raise InvalidInput(
        "argument",
        f"The name {path} does not say what kind of file it is.",
        remedy=f"give a file whose name ends in {', '.join((*PARQUET, *CSV))}.",
    )


def _refuse_empty_lines(path: Path) -> None:
    """Raise `InvalidInput` (kind `data`) for a line without a cell, which has fewer than the header."""
    empty = first_empty_line(path)
    if empty is not None:
        raise InvalidInput(
            "data",
            f"Line {empty} of {path} is empty.",
            remedy="remove it; every line has as many cells as the header, and where all are null, the commas alone.",
        )


def _is_text(kind: pa.DataType) -> bool:
    checks = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    return any(check(kind) for check in checks)


def _without_views(field: pa.Field) -> pa.Field:
    """The field with types in which Arrow can take and slice values: of views it stores more than it computes with."""
    kind, is_a = field.type, pa.types
    if is_a.is_string_view(kind):
        plain = pa.string()
    elif is_a.is_binary_view(kind):
        plain = pa.binary()
    elif is_a.is_struct(kind):
        plain = pa.struct([_without_views(part) for part in kind])
    elif is_a.is_map(kind):
        plain = pa.map_(_without_views(kind.key_field), _without_views(kind.item_field))
    elif is_a.is_fixed_size_list(kind):
        plain = pa.list_(_without_views(kind.value_field), kind.list_size)
    elif is_a.is_large_list(kind):
        plain = pa.large_list(_without_views(kind.value_field))
    elif is_a.is_list(kind):
        plain = pa.list_(_without_views(kind.value_field))
    else:
        plain = kind
    return field.with_type(plain)


def _from(batches: Iterator[pa.RecordBatch] | Sequence[pa.RecordBatch], start: int) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        if start >= batch.num_rows:
            start -= batch.num_rows
            continue
        for offset in range(start, batch.num_rows, CHUNK_ROWS):
            yield batch.slice(offset, CHUNK_ROWS)
        start = 0


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        raise InvalidInput(
            "data",
            f"The file {path} cannot be read: {_first_line(error)}",
            remedy="give a whole Parquet file, or CSV in UTF-8 with a header and as many cells in every line.",
        ) from error


def _first_line(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).splitlines()[0]
