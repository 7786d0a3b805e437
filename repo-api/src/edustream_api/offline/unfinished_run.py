"""A run that is under way, in a folder beside its output: what it is of, how far it is, and its end."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
from edustream_contracts.errors import InvalidInput, Problem
from edustream_registry.local_copy import write_whole

from edustream_api.offline.growing_file import GrowingFile, GrowingLines, growing_file, writable

RUN_FORMAT: Final = 1
DATA: Final = "output"
LINES: Final = "rejected"
NAMES: Final = {
    "input_sha256": "the input",
    "release": "the release",
    "kept": "the columns of the output",
    "carried": "the columns that pass through",
    "output": "the output",
    "run_format": "the format of unfinished runs",
}


@dataclass(frozen=True, slots=True)
class RunIdentity:
    """What decides a run's output: whoever goes on with a run proves that all of it is the same."""

    input_sha256: str
    release: str
    output: str
    kept: tuple[str, ...]
    carried: tuple[str, ...]
    run_format: int = RUN_FORMAT


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is: rows read, scored and rejected, and what of its files is whole, in segments and bytes."""

    read: int = 0
    scored: int = 0
    rejected: int = 0
    segments: int = 0
    output_bytes: int = 0
    rejected_bytes: int = 0


class UnfinishedRun:
    """The folder of one run. `progress` is what would survive if the process died now."""

    def __init__(
        self, output: Path, rejected: Path, schema: pa.Schema, folder: Path, file: GrowingFile, progress: Progress
    ) -> None:
        self.progress = progress
        self._output = output
        self._rejected = rejected
        self._folder = folder
        self._data = folder / DATA
        self._lines = folder / LINES
        self._file = file
        self._schema = schema

    def append(self, table: pa.Table, rejected: list[bytes], read: int) -> None:
        """Keep what the next `read` rows of the input led to. Raises `InvalidInput` (kind `configuration`)."""
        before = self.progress
        with writable(self._folder):
            size = before.output_bytes
            if table.num_rows or not before.segments:
                size = self._file.append(table, before.segments, size)
            after = Progress(
                read=before.read + read,
                scored=before.scored + table.num_rows,
                rejected=before.rejected + len(rejected),
                segments=before.segments + int(size > before.output_bytes),
                output_bytes=size,
                rejected_bytes=GrowingLines(self._lines).append(rejected, before.rejected_bytes),
            )
            write_whole(self._folder / "progress.json", json.dumps(asdict(after)).encode())
        self.progress = after

    def finish(self) -> None:
        """Give the files their names; the side file, which there is only where rows were rejected, comes first.

        Raises `InvalidInput` (kind `argument`) where something else has taken one of the names meanwhile.
        """
        if not self.progress.segments:
            self.append(self._schema.empty_table(), [], 0)
        with writable(self._folder):
            # Whoever was stopped between the two last steps has named the output already.
            if not _is_same(self._output, self._data):
                self._file.finish(self.progress.segments, self.progress.output_bytes)
                if self.progress.rejected:
                    _named(self._lines, self._rejected)
                _named(self._data, self._output)
            shutil.rmtree(self._folder)


@contextmanager
def unfinished_run(
    output: Path, rejected: Path, schema: pa.Schema, identity: RunIdentity, *, restart: bool
) -> Iterator[UnfinishedRun]:
    """The run that writes `output`, begun anew or gone on with; nobody else writes it meanwhile.

    `restart` gives up what an earlier run left. Raises `InvalidInput`: (kind `argument`) where the output exists,
    another process writes it, or the unfinished run is of something else; (kind `configuration`) where nothing can be
    written.
    """
    folder = output.with_name(f".{output.name}.unfinished")
    file = growing_file(output.suffix, folder / DATA, schema)
    for path, part in ((output, folder / DATA), (rejected, folder / LINES)):
        if os.path.lexists(path) and not _is_same(path, part):
            raise InvalidInput(
                "argument",
                f"There is {path} already.",
                remedy="remove it, or give --output another name; a finished output is never overwritten.",
            )
    with writable(folder):
        folder.mkdir(exist_ok=True)
        lock = (folder / "lock").open("ab")
    with lock:
        _lock(lock.fileno(), output)
        with writable(folder):
            if restart:
                (folder / "run.json").unlink(missing_ok=True)
            progress = _progress(folder, identity)
        yield UnfinishedRun(output, rejected, schema, folder, file, progress)


def _lock(descriptor: int, output: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise InvalidInput(
            "argument", f"Another process is writing {output}.", remedy="wait for it, or give --output another name."
        ) from error


def _progress(folder: Path, identity: RunIdentity) -> Progress:
    stated: dict[str, Any] = json.loads(json.dumps(asdict(identity)))
    begun = folder / "run.json"
    if not begun.exists():
        (folder / "progress.json").unlink(missing_ok=True)
        write_whole(begun, json.dumps(stated).encode())
        return Progress()
    held = json.loads(begun.read_bytes())
    different = [
        Problem(NAMES[name], f"was {held.get(name)} and is {value}")
        for name, value in stated.items()
        if held.get(name) != value
    ]
    if different:
        raise InvalidInput(
            "argument",
            f"The unfinished run in {folder} is not this one.",
            remedy="go on with the same input, release and options (--model takes an exact version, too), or give it "
            "up with --restart.",
            problems=different,
        )
    reached = folder / "progress.json"
    return Progress(**json.loads(reached.read_bytes())) if reached.exists() else Progress()


def _named(source: Path, target: Path) -> None:
    """Give a whole file its name, on the disk, if nothing has it yet; it may already have it itself."""
    try:
        os.link(source, target)
    except FileExistsError as error:
        if not _is_same(target, source):
            raise InvalidInput(
                "argument",
                f"There is {target} now; it was not there when this run began.",
                remedy="move it away and give the same command again.",
            ) from error
    descriptor = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _is_same(path: Path, part: Path) -> bool:
    return path.exists() and part.exists() and path.samefile(part)
