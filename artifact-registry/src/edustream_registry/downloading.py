"""Fetches a file of a release onto this disk: in parts at once, hashed while they arrive, resumable."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Final

from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from edustream_contracts.errors import Rejected, Unreachable
from edustream_registry import layout
from edustream_registry.durable_files import flush_folder, make_folder, open_regular
from edustream_registry.manifest import ReleaseFile
from edustream_registry.memory_store import too_long
from edustream_registry.reading import PUT_RIGHT, ReleaseReader
from edustream_registry.store import ObjectMissing

PART_BYTES: Final = 8 * 1024 * 1024
PARTS_IN_FLIGHT: Final = 4
CHUNK_BYTES: Final = 1024 * 1024
WRITE_BYTES: Final = 256 * 1024
ATTEMPTS: Final = 3
MAX_WAIT_S: Final = 2.0
PARTIAL: Final = ".partial-"

Progress = Callable[[int], None]
"""Told how many more bytes are on this disk; a negative number where bytes were of no use."""


def no_progress(count: int) -> None:
    """Tell nobody."""


def download(
    reader: ReleaseReader,
    model: str,
    file: ReleaseFile,
    path: Path,
    progress: Progress = no_progress,
    *,
    flushed: bool = False,
) -> None:
    """Bring a file of a release to `path`, a name that only the right bytes get: the SHA-256 of all is checked before.

    A file of at most `PART_BYTES` comes in one request. A larger one comes in parts, written in order to
    `.partial-<name>` beside `path`. An interrupted call leaves that behind; the next one hashes what is there and goes
    on at its end. Processes that want the same path take turns. What is intact already is not fetched again.

    Args:
        reader: the registry.
        model: whose file it is.
        file: name, size and digest, as a verified manifest states them.
        path: where the file belongs; its folder is made.
        progress: told of every part.
        flushed: whether the bytes must be on the medium before the file gets its name, and the name thereafter.

    Raises:
        NothingToServe: kind `file_missing`.
        Rejected: kind `digest`, the object has another length or digest; nothing of it is kept.
        Unreachable: the registry cannot be used; what arrived is kept for the next call.
        OSError: this disk cannot take the file.
    """
    if not is_intact(path, file):
        if flushed:
            make_folder(path.parent)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
        with _exclusive(path.with_name(PARTIAL + path.name)) as partial:
            # Whoever held it before may have finished the file.
            if is_intact(path, file):
                Path(partial.name).unlink()
            else:
                _Download(partial, reader, model, file, progress).complete()
                partial.flush()
                if flushed:
                    os.fsync(partial.fileno())
                Path(partial.name).replace(path)
                if flushed:
                    flush_folder(path.parent)
                return
    progress(file.size)


def is_intact(path: Path, file: ReleaseFile) -> bool:
    """Whether `path` can be read and holds the file's bytes; reads it in pieces."""
    try:
        with open_regular(path, "rb") as found:
            if _size(found) != file.size:
                return False
            # typeshed's BinaryIO lacks the method readinto that every binary file has.
            return hashlib.file_digest(found, "sha256").hexdigest() == file.sha256  # type: ignore[arg-type]
    except OSError:
        return False


def _size(file: BinaryIO) -> int:
    return os.fstat(file.fileno()).st_size


@contextmanager
def _exclusive(path: Path) -> Iterator[BinaryIO]:
    """The file at `path`, open for reading and appending, held by this process alone."""
    while True:
        with open_regular(path, "a+b") as partial:
            fcntl.flock(partial, fcntl.LOCK_EX)
            # Its holder, whom we waited for, may have given it another name or removed it.
            if is_at(partial.fileno(), path):
                yield partial
                return


def is_at(handle: int, path: Path) -> bool:
    """Whether what was opened as `handle` is still what lies at `path`."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


class _Download:
    """One file on its way into a partial file that nobody else writes."""

    def __init__(
        self, partial: BinaryIO, reader: ReleaseReader, model: str, file: ReleaseFile, progress: Progress
    ) -> None:
        self._partial = partial
        self._reader = reader
        self._model = model
        self._file = file
        self._key = layout.file_key(model, file.sha256, file.name)
        self._progress = progress

    def complete(self) -> None:
        """Fill the partial file with the right bytes; it is removed where the registry holds other ones."""
        try:
            if self._file.size <= PART_BYTES:
                self._take_whole()
            else:
                self._take_parts()
        except Rejected:
            Path(self._partial.name).unlink()
            raise

    def _take_whole(self) -> None:
        data = self._reader.read_file(self._model, self._file)
        self._partial.truncate(0)
        self._partial.write(data)
        self._progress(len(data))

    def _take_parts(self) -> None:
        if _size(self._partial) > self._file.size:
            self._partial.truncate(0)
        resumed = _size(self._partial) > 0
        size, digest = self._append()
        if resumed and digest != self._file.sha256:
            # What was left behind was damaged, or came from an object that was replaced since.
            self._partial.truncate(0)
            self._progress(-size)
            size, digest = self._append()
        self._file.check_digest(size, digest, f"{self._key} in {self._reader.store.location}", remedy=PUT_RIGHT)

    def _append(self) -> tuple[int, str]:
        """Fetch what comes after the bytes that are there; length and SHA-256 of the whole."""
        digest, size = hashlib.sha256(), 0
        self._partial.seek(0)
        for chunk in iter(lambda: self._partial.read(CHUNK_BYTES), b""):
            digest.update(chunk)
            size += len(chunk)
        self._progress(size)
        with closing(self._parts(size)) as parts:
            for part in parts:
                digest.update(part)
                self._write(part)
                size += len(part)
                self._progress(len(part))
        return size, digest.hexdigest()

    def _write(self, part: bytearray) -> None:
        # In pieces: ext4 takes several times as long over 8 MiB that are written at once.
        with memoryview(part) as view:
            for start in range(0, len(view), WRITE_BYTES):
                self._partial.write(view[start : start + WRITE_BYTES])
        self._partial.flush()

    def _parts(self, start: int) -> Generator[bytearray, None, None]:
        """The object's parts from `start` on, in order; a few of them are on their way at any time."""
        starts = iter(range(start, self._file.size, PART_BYTES))
        with ThreadPoolExecutor(PARTS_IN_FLIGHT) as pool:
            coming = deque(pool.submit(self._part, at) for at in islice(starts, PARTS_IN_FLIGHT))
            try:
                while coming:
                    part = coming.popleft().result()
                    coming.extend(pool.submit(self._part, at) for at in islice(starts, 1))
                    yield part
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    def _part(self, start: int) -> bytearray:
        # The last part asks for one byte more than the manifest states, so that a longer object is noticed.
        rest = self._file.size - start
        length = PART_BYTES if rest > PART_BYTES else rest + 1
        retrying = Retrying(
            retry=retry_if_exception(_is_passing),
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait_random_exponential(multiplier=0.1, max=MAX_WAIT_S),
            reraise=True,
        )
        try:
            data: bytearray = retrying(self._reader.store.read_range, self._key, start, length)
        except ObjectMissing as error:
            raise self._reader.file_missing(self._model, self._file) from error
        if start + len(data) > self._file.size:
            raise too_long(self._key, self._file.size)
        return data


def _is_passing(error: BaseException) -> bool:
    """Whether the same request may succeed in a moment: a connection that broke while a part arrived."""
    return isinstance(error, Unreachable) and error.kind == "connection"
