"""The file of API keys: read again whenever it changes, and written as a whole."""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypeAlias

from edustream_contracts.errors import EduStreamError, InvalidInput, Problem
from edustream_registry.durable_files import write_whole
from edustream_registry.reading import Clock, utc_now

from edustream_api.access.keys import KeyRing, ring_from_json

LOG: Final = logging.getLogger("edustream_api.access.key_file")
LOOK_INTERVAL_S: Final = 1.0
"""A key that is revoked is admitted for this long at most."""
MAX_BYTES: Final = 16 * 1024 * 1024

Signature: TypeAlias = tuple[int, int, int]


class KeyFile:
    """The keys of one file, as they were when it could last be read.

    A file that is gone or broken changes nothing but what is reported: the keys that it held before still count.
    """

    def __init__(self, path: Path, clock: Clock = utc_now, *, required: bool = True) -> None:
        """Read it for the first time; nobody is served by guess where it cannot be.

        One that is `required` raises `InvalidInput` then; of another, no key is admitted until it can be read.
        """
        self.path = path
        self.clock = clock
        self.error: EduStreamError | None = None
        self.ring = KeyRing()
        self.read_at: datetime | None = None
        self._signature: Signature | None = None
        try:
            self._read()
        except InvalidInput as error:
            if required:
                raise
            self._note(error)

    def look(self) -> None:
        """Read the file again if it is not the one that was read."""
        try:
            if self.error is None and _signature(self.path) == self._signature:
                return
            self._read()
        except InvalidInput as error:
            self._note(error)
        else:
            LOG.info("api_keys_read", extra={"keys": len(self.ring.keys)})

    def _read(self) -> None:
        # Taken before the reading: whoever writes after that is noticed by the next look.
        signature = _signature(self.path)
        ring = read_ring(self.path)
        self._signature, self.ring, self.read_at, self.error = signature, ring, self.clock(), None

    def _note(self, error: InvalidInput) -> None:
        if self.error is None or str(self.error) != str(error):
            LOG.error(
                "api_keys_unreadable",
                extra={
                    "fact": error.fact,
                    "problems": [str(problem) for problem in error.problems],
                    "next": error.remedy,
                    "keys_still_admitted": len(self.ring.keys),
                },
            )
        self.error = error

    def report(self) -> dict[str, Any]:
        """How many keys count, since when, and why the file is not followed, if it is not."""
        error = self.error
        return {
            "keys": len(self.ring.keys),
            "read_at": None if self.read_at is None else self.read_at.isoformat(timespec="seconds"),
            "error": None if error is None else str(error),
        }


def read_ring(path: Path) -> KeyRing:
    """The keys that a file holds. Raises `InvalidInput`."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error)) from error
    return _ring(path, data)


def _ring(path: Path, data: bytes) -> KeyRing:
    if len(data) > MAX_BYTES:
        raise _unreadable(path, f"it is longer than {MAX_BYTES} bytes")
    return ring_from_json(data)


def change(path: Path, changed: Callable[[KeyRing], KeyRing]) -> None:
    """Replace the keys of a file by what `changed` makes of them; a file that there is not holds none.

    Of two changes at the same moment, one comes after the other. Readers see the old keys or the new ones.
    Raises `InvalidInput` where the file cannot be read, or could not be once it is changed; it stays as it was then.
    """
    with _alone(path):
        ring = read_ring(path) if path.exists() else KeyRing()
        mode = path.stat().st_mode & 0o777 if path.exists() else None
        data = changed(ring).to_json()
        _prove(path, data)
        write_whole(path, data)
        if mode is not None:
            path.chmod(mode)


def _prove(path: Path, data: bytes) -> None:
    # What nobody can read would keep every consumer from starting, and every command from correcting it.
    try:
        _ring(path, data)
    except InvalidInput as error:
        raise InvalidInput(
            "argument",
            f"{path} stays as it was, since nobody could read it after this change.",
            remedy="give other values; where it would be too long, revoke keys that nobody uses any more.",
            problems=error.problems or [Problem("", error.fact)],
        ) from error


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    # The file itself is replaced, so that a lock on it would be one on what is gone; its folder stays.
    try:
        folder = os.open(path.parent, os.O_RDONLY)
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error)) from error
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _signature(path: Path) -> Signature:
    try:
        found = path.stat()
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error)) from error
    return found.st_mtime_ns, found.st_size, found.st_ino


def _unreadable(path: Path, why: str) -> InvalidInput:
    return InvalidInput(
        "configuration",
        f"The file of API keys {path} cannot be read: {why}.",
        remedy="correct EDUSTREAM_API_KEYS_FILE or the file; where its folder holds none, "
        "`serve_consume.py keys add NAME` makes one.",
    )
