"""A file of this disk on its way into a store: hashed while it is read, so that what was checked is what was sent."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from edustream_contracts.errors import InvalidInput
from edustream_registry.downloading import Progress, no_progress


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file to be sent, with the SHA-256 that it must have; `progress` is told of the bytes that were read."""

    path: Path
    sha256: str
    progress: Progress = no_progress

    @contextmanager
    def open(self, mode: Literal["rb"] = "rb", /) -> Iterator[HashingReader]:
        """Open the file to be read once, from its beginning to its end."""
        with self.path.open(mode) as file:
            yield HashingReader(file, self)


class HashingReader:
    """Reads a file in order and hashes what it hands out.

    The read that meets the end of the file raises `InvalidInput` (kind `data`) where the bytes were not the expected
    ones. A transfer in parts is thereby aborted before it is completed, and a small file is never sent.
    """

    def __init__(self, file: BinaryIO, source: SourceFile) -> None:
        self._file = file
        self._source = source
        self._digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        """The next `size` bytes, fewer at the end of the file; all that is left where `size` is negative."""
        data = self._file.read(size)
        self._digest.update(data)
        self._source.progress(len(data))
        if (size < 0 or len(data) < size) and self._digest.hexdigest() != self._source.sha256:
            raise InvalidInput(
                "data",
                f"{self._source.path} has the SHA-256 {self._digest.hexdigest()}; the release states "
                f"{self._source.sha256}.",
                remedy="export the release again; the file changed after it was described.",
            )
        return data
