"""A run that is under way, in a folder beside its output: what it is of, how far it is, and its end."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
from edustream_contracts.errors import InvalidInput, Problem
from edustream_registry.durable_files import flush_folder, write_whole

from edustream_api.offline.growing_file import GrowingFile, GrowingLines, growing_file, writable

RUN_FORMAT: Final = 1
RUN: Final = "run.json"
PROGRESS: Final = "progress.json"
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
    """The folder of one run. `progress` is what would survive if the process died now.

    A run that `is_finished` has named its output already: its files are never written again.
    """

    def __init__(
        self, output: Path, rejected: Path, schema: pa.Schema, folder: Path, file: GrowingFile, progress: Progress
    ) -> None:
        self.progress = progress
        self.is_finished = _is_same(output, folder / DATA)
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
            flush_folder(self._folder)
            write_whole(self._folder / PROGRESS, json.dumps(asdict(after)).encode())
        self.progress = after

    @contextmanager
    def reading(self) -> Iterator[None]:
        """What to do where the input cannot be used (`InvalidInput`, kind `data`) while the block reads it.

        Before the first segment nothing is left. Later ones are kept, and the error says where and what for.
        """
        try:
            yield
        except InvalidInput as error:
            if error.kind != "data":
                raise
            if not self.progress.read:
                # What is wrong with the input is to be told, also where the folder cannot be removed.
                with suppress(OSError):
                    _clear(self._folder)
                raise
            raise InvalidInput(
                "data",
                f"{error.fact}\nThe first {self.progress.read:,} rows are done; they lie unfinished in {self._folder}, "
                "and are taken up again only with the same input, release and options.",
                remedy=f"{error.remedy.rstrip('.')}; add --restart then, which gives up what is done.",
                problems=error.problems,
            ) from error

    def finish(self) -> None:
        """Give the files their names; the side file, which there is only where rows were rejected, comes first.

        Raises `InvalidInput`: (kind `argument`) where something else has taken one of the names meanwhile, (kind
        `data`) where what the run has written was damaged.
        """
        if not self.progress.segments:
            self.append(self._schema.empty_table(), [], 0)
        with writable(self._folder):
            if not self.is_finished:
                self._file.finish(self.progress.segments, self.progress.output_bytes)
                if self.progress.rejected:
                    _named(self._lines, self._rejected)
            _named(self._data, self._output)
            _clear(self._folder)


@contextmanager
def unfinished_run(
    output: Path, rejected: Path, schema: pa.Schema, identity: RunIdentity, *, restart: bool
) -> Iterator[UnfinishedRun]:
    """The run that writes `output`, begun anew or gone on with; nobody else writes it meanwhile.

    `restart` gives up what an earlier run left. Raises `InvalidInput`: (kind `argument`) where the output exists, its
    folder does not, another process writes it, or the unfinished run is of something else; (kind `configuration`) where
    nothing can be written.
    """
    folder = output.with_name(f".{output.name}.unfinished")
    parts = ((output, folder / DATA), (rejected, folder / LINES))
    file = growing_file(output.suffix, folder / DATA, schema)
    if not output.parent.is_dir():
        raise InvalidInput(
            "argument",
            f"There is no folder {output.parent}.",
            remedy="make it, or give --output a name in a folder that exists.",
        )
    _discard(_aside(folder))
    _refuse_taken(path for path, part in parts if not _is_same(path, part))
    with writable(folder):
        folder.mkdir(exist_ok=True)
        lock = (folder / "lock").open("ab")
    with lock:
        _lock(lock.fileno(), output)
        with writable(folder):
            progress = None if restart else _reached(folder, output)
            different = [] if progress is None else _differences(folder, identity)
            if _is_same(output, folder / DATA) and (progress is None or different):
                # Only its clearing is left of that run, and no other one may have its files.
                _clear(folder)
            _refuse_taken(path for path, part in parts if progress is None or not _is_same(path, part))
            if different:
                raise InvalidInput(
                    "argument",
                    f"The unfinished run in {folder} is not this one.",
                    remedy="go on with the same input, release and options (--model takes an exact version, too), or "
                    "give it up with --restart.",
                    problems=different,
                )
            if progress is None:
                progress = _begin(folder, identity)
        yield UnfinishedRun(output, rejected, schema, folder, file, progress)


def _refuse_taken(paths: Iterable[Path]) -> None:
    for path in filter(os.path.lexists, paths):
        raise InvalidInput(
            "argument",
            f"There is {path} already.",
            remedy="remove it, or give --output another name; a finished output is never overwritten.",
        )


def _lock(descriptor: int, output: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise InvalidInput(
            "argument", f"Another process is writing {output}.", remedy="wait for it, or give --output another name."
        ) from error


def _reached(folder: Path, output: Path) -> Progress | None:
    """How far the run is that can be gone on with; None where the folder holds none."""
    if not ((folder / RUN).exists() and (folder / PROGRESS).exists()):
        return None
    progress = Progress(**json.loads((folder / PROGRESS).read_bytes()))
    for part, size in ((DATA, progress.output_bytes), (LINES, progress.rejected_bytes)):
        if not (folder / part).exists() or (folder / part).stat().st_size < size:
            return None
    # A finished output that was moved away is still the same file as this one.
    is_elsewhere = (folder / DATA).stat().st_nlink > 1 and not _is_same(output, folder / DATA)
    return None if is_elsewhere else progress


def _differences(folder: Path, identity: RunIdentity) -> list[Problem]:
    """What the run in the folder is of, and this one is not."""
    held = json.loads((folder / RUN).read_bytes())
    return [
        Problem(NAMES[name], f"was {held.get(name)} and is {value}")
        for name, value in _stated(identity).items()
        if held.get(name) != value
    ]


def _begin(folder: Path, identity: RunIdentity) -> Progress:
    """Make the folder that of a new run; its files are new ones, as others may have names elsewhere."""
    for name in (RUN, PROGRESS, DATA, LINES):
        (folder / name).unlink(missing_ok=True)
    write_whole(folder / RUN, json.dumps(_stated(identity)).encode())
    return Progress()


def _stated(identity: RunIdentity) -> dict[str, Any]:
    stated: dict[str, Any] = json.loads(json.dumps(asdict(identity)))
    return stated


def _aside(folder: Path) -> Path:
    return folder.with_suffix(".cleared")


def _clear(folder: Path) -> None:
    """Take the folder away at once: whoever comes after a crash finds all of it or nothing."""
    folder.rename(_aside(folder))
    _discard(_aside(folder))


def _discard(aside: Path) -> None:
    if aside.exists():
        # Two processes may do it at once, and what stays is found again.
        shutil.rmtree(aside, ignore_errors=True)


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
    flush_folder(target.parent)


def _is_same(path: Path, part: Path) -> bool:
    return path.exists() and part.exists() and path.samefile(part)
