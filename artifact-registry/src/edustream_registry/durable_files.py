"""Files of this disk of which others, and whoever comes after a power loss, see all or nothing."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from pathlib import Path
from typing import BinaryIO, Literal


def make_folder(folder: Path) -> None:
    """Make a folder and what is missing above it; all of them are still there after a power loss."""
    made = [one for one in (folder, *folder.parents) if not one.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for one in made:
        flush_folder(one.parent)


def flush_folder(folder: Path) -> None:
    """Bring the names in a folder onto the medium: what a rename did is a matter of the folder, not of the file."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some file systems flush no folders.
        if error.errno != errno.EINVAL:
            raise
    finally:
        os.close(descriptor)


def open_regular(path: Path, mode: Literal["rb", "a+b"]) -> BinaryIO:
    """Open a file; one that is a link, a device or a pipe, which could lead elsewhere or have no end, is an OSError."""
    file = open(path, mode, opener=_without_following)  # noqa: SIM115 - a path's own `open` takes no opener
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "Not a regular file", str(path))
    return file


def read_bounded(path: Path, size: int) -> bytes:
    """At most a byte more than `size`, which is enough to notice a longer file."""
    with open_regular(path, "rb") as file:
        return file.read(size + 1)


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that others, and whoever comes after a crash, see all of it or what was there before.

    Once this returns, what was there before does not come back, not even by a power loss.
    """
    make_folder(path.parent)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".partial-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    flush_folder(path.parent)


def _without_following(path: str, flags: int) -> int:
    # Without O_NONBLOCK, to open a pipe is to wait for somebody at its other end.
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
