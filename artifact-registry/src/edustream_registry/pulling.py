"""Pull a release into a folder: all of it or nothing, and after an interruption on from where it stopped."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from edustream_contracts.errors import InvalidInput, NothingToServe, Rejected
from edustream_registry import manifest
from edustream_registry.downloading import Progress, download, is_at, no_progress
from edustream_registry.env_file import writing_to
from edustream_registry.manifest import ReleaseFile
from edustream_registry.reading import ReleaseReader
from edustream_registry.resolved import Resolved

STAGED: Final = ".partial"
WHOLE: Final = "release"
DISK_REFUSES: Final = "make room, or name a folder that you may write to; what arrived stays for the next pull into it."


def pull(reader: ReleaseReader, found: Resolved, to: Path, progress: Progress = no_progress) -> tuple[ReleaseFile, ...]:
    """Write a release's verified files and its manifest into `to`, all or nothing.

    What arrives is gathered in `.<name>.partial` beside `to`. An interrupted pull leaves it there, and the next one
    into the same folder goes on with it; a refused release leaves nothing.

    Raises:
        InvalidInput: kind `argument`, `to` holds something already, another pull into it runs, or this disk refuses.
        NothingToServe, Rejected, Unreachable: as `download` does.
    """
    files = found.manifest.content.files
    with writing_to(to, DISK_REFUSES), _staged(to) as staged:
        places = {file.name: staged / file.sha256 / file.name for file in files}
        try:
            for file in files:
                download(reader, found.model, file, places[file.name], progress)
        except (NothingToServe, Rejected):
            shutil.rmtree(staged)
            raise
        whole = staged / WHOLE
        shutil.rmtree(whole, ignore_errors=True)
        whole.mkdir()
        for name, place in places.items():
            place.replace(whole / name)
        (whole / manifest.FILE_NAME).write_bytes(found.release.data)
        whole.replace(to)
        shutil.rmtree(staged)
    return files


@contextmanager
def _staged(to: Path) -> Iterator[Path]:
    """The folder in which the files for `to` are gathered, held by this process alone."""
    target = to.absolute()
    staged = target.with_name(f".{target.name}{STAGED}")
    while True:
        if _is_taken(to):
            raise InvalidInput("argument", f"{to} holds something already.", remedy="name a new or an empty folder.")
        staged.mkdir(parents=True, exist_ok=True)
        with _held(staged, to) as held:
            if held and not _is_taken(to):
                yield staged
                return
            # Another pull has ended since, so this folder is gone, or was made anew for nothing.
            if held:
                shutil.rmtree(staged)


@contextmanager
def _held(staged: Path, to: Path) -> Iterator[bool]:
    """Whether the folder is still there, and then held by this process alone."""
    try:
        handle = os.open(staged, os.O_RDONLY)
    except FileNotFoundError:
        yield False
        return
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InvalidInput(
                "argument", f"Another pull into {to} is under way.", remedy="wait for it, or name another folder."
            ) from error
        yield is_at(handle, staged)
    finally:
        os.close(handle)


def _is_taken(to: Path) -> bool:
    return to.exists() and (not to.is_dir() or any(to.iterdir()))
