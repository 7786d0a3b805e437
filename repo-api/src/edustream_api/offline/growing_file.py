"""Output files that grow by whole segments, so that what a segment ended with survives any death of the process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Protocol

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
from edustream_contracts.errors import InvalidInput, Problem

from edustream_api.offline.row_source import CSV, PARQUET

FOOTER_END: Final = 8  # its length, 4 bytes, little endian, and the magic number
MAGIC: Final = b"PAR1"
MIN_ROOM: Final = 1024 * 1024


class GrowingFile(Protocol):
    """An output of one schema; `append` and `finish` are on the disk when they return."""

    def append(self, table: pa.Table, number: int, size: int) -> int:
        """Write segment `number` (from 0) after the first `size` bytes, which are kept; the new size, bytes."""
        ...

    def finish(self, segments: int, size: int) -> None:
        """Make the first `size` bytes, which hold so many segments, a whole file.

        Raises `InvalidInput` (kind `data`) where the segments are damaged.
        """
        ...


class GrowingParquet:
    """Parquet, one row group a segment.

    Each segment is written as if the file began with it, but at its place: where a column chunk lies is counted from
    the file's beginning. Its footer is taken off and kept beside, and `finish` writes one for all.
    """

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._path = path
        self._schema = schema

    def append(self, table: pa.Table, number: int, size: int) -> int:
        """See `GrowingFile`."""
        start = max(size, len(MAGIC))
        room = MIN_ROOM + 2 * table.nbytes
        while (end := self._written(table.unify_dictionaries(), start, room)) is None:
            # Texts that a dictionary holds once may be written again and again.
            room *= 2
        _cut(self._path, end)
        pq.read_metadata(self._path).write_metadata_file(str(self._footer(number)))
        with self._footer(number).open("rb") as footer:
            os.fsync(footer.fileno())
        with self._path.open("rb") as file:
            file.seek(-FOOTER_END, os.SEEK_END)
            after = end - FOOTER_END - int.from_bytes(file.read(4), "little")
        _cut(self._path, after)
        return after

    def _written(self, table: pa.Table, start: int, room: int) -> int | None:
        """Where a segment ends that begins at `start`, bytes; None where `room`, bytes, is too small for it."""
        _cut(self._path, start)
        with self._path.open("r+b") as file:
            # Where there is no room on the disk, this says so; a write to mapped memory would kill the process.
            os.posix_fallocate(file.fileno(), start, room)
        with pa.memory_map(str(self._path), "r+") as sink:
            # Without Arrow's own schema, texts that are dictionary-encoded here are plain texts for every reader.
            writer = pq.ParquetWriter(sink, self._schema, store_schema=False)
            # A writer begins at 0, with the magic number that the file has there, and asks each time where it is.
            sink.seek(start)
            try:
                writer.write_table(table, row_group_size=max(table.num_rows, 1))
                writer.close()
            except OSError:
                # All other failures than the end of the map were ruled out.
                with suppress(OSError):
                    writer.close()
                return None
            return int(sink.tell())

    def finish(self, segments: int, size: int) -> None:
        """See `GrowingFile`."""
        whole, *others = (_metadata(self._footer(number)) for number in range(segments))
        for footer in others:
            whole.append_row_groups(footer)
        written = self._path.with_suffix(".footer")
        whole.write_metadata_file(str(written))
        _cut(self._path, size)
        with self._path.open("ab") as file:
            file.write(written.read_bytes().removeprefix(MAGIC))
            file.flush()
            os.fsync(file.fileno())

    def _footer(self, number: int) -> Path:
        return self._path.with_suffix(f".footer-{number:06}")


class GrowingCsv:
    """CSV in UTF-8; texts are in quotes, null is an empty cell without."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def append(self, table: pa.Table, number: int, size: int) -> int:
        """See `GrowingFile`."""
        _cut(self._path, size)
        with pa.OSFile(str(self._path), "ab") as sink:
            pacsv.write_csv(table, sink, pacsv.WriteOptions(include_header=number == 0))
        after = self._path.stat().st_size
        _cut(self._path, after)
        return after

    def finish(self, segments: int, size: int) -> None:
        """See `GrowingFile`."""
        _cut(self._path, size)


class GrowingLines:
    """Lines of bytes."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def append(self, lines: list[bytes], size: int) -> int:
        """Write lines after the first `size` bytes, which are kept; the new size, bytes."""
        _cut(self._path, size)
        with self._path.open("ab") as file:
            file.writelines(lines)
            file.flush()
            os.fsync(file.fileno())
            return file.tell()


def growing_file(kind: str, path: Path, schema: pa.Schema) -> GrowingFile:
    """The output at `path` of the kind that a file name's ending, `kind`, says.

    Raises `InvalidInput` (kind `argument`) for another ending, and where CSV has no form for a column.
    """
    if kind.lower() in PARQUET:
        return GrowingParquet(path, schema)
    if kind.lower() in CSV:
        if problems := [Problem(field.name, f"is of type {field.type}") for field in schema if not _fits_csv(field)]:
            raise InvalidInput(
                "argument",
                "CSV has no form for some columns of the output.",
                remedy=f"give --output a name that ends in {' or '.join(PARQUET)}, or have --columns leave them out.",
                problems=problems,
            )
        return GrowingCsv(path)
    raise InvalidInput(
        "argument",
        f"The ending {kind!r} of the output's name does not say what kind of file it shall be.",
        remedy=f"give --output a name that ends in {', '.join((*PARQUET, *CSV))}.",
    )


@contextmanager
def writable(path: Path) -> Iterator[None]:
    """Turns what the disk refuses into `InvalidInput` (kind `configuration`), what the format does, too (`data`)."""
    try:
        yield
    except OSError as error:
        raise InvalidInput(
            "configuration",
            f"In {path.parent} the output cannot be written: {error.strerror or error}.",
            remedy="make room, or give --output a folder that this process may write; the same command goes on where "
            "this run was.",
        ) from error
    except pa.ArrowException as error:
        raise InvalidInput(
            "data",
            f"In {path.parent} the output cannot be written: {error}.",
            remedy="have --columns leave out what its kind of file cannot hold, or give --output another ending.",
        ) from error


def _fits_csv(field: pa.Field) -> bool:
    try:
        pacsv.write_csv(pa.schema([field]).empty_table(), pa.BufferOutputStream())
    except pa.ArrowInvalid:
        return False
    return True


def _metadata(footer: Path) -> pq.FileMetaData:
    try:
        return pq.read_metadata(footer)
    except (OSError, pa.ArrowInvalid) as error:
        raise InvalidInput(
            "data",
            f"{footer}, a part of the unfinished run, is missing or damaged.",
            remedy="give the same command with --restart, which begins anew.",
        ) from error


def _cut(path: Path, size: int) -> None:
    """Make the file exactly its first `size` bytes, on the disk."""
    with path.open("ab") as file:
        file.truncate(size)
        file.flush()
        os.fsync(file.fileno())
