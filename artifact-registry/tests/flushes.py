"""What is brought onto the medium, and when: stands in for a power loss."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


class Flushes:
    """Records every flush from now on, and whether `watched` was there at that moment."""

    def __init__(self, watched: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._found: list[tuple[int, bool]] = []

        def fsync(descriptor: int) -> None:
            self._found.append((os.fstat(descriptor).st_ino, watched.exists()))

        monkeypatch.setattr(os, "fsync", fsync)

    def of(self, *paths: Path) -> list[tuple[Path | None, bool]]:
        """The flushes in order, by which of `paths` they were of."""
        known = {path.stat().st_ino: path for path in paths}
        return [(known.get(inode), named) for inode, named in self._found]
