"""What runs beside a test."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def children(parent: int | None = None) -> set[int]:
    """The processes that a process started, this one by default, and that still run."""
    wanted = os.getpid() if parent is None else parent
    found = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, started_by = path.read_text().rpartition(")")[2].split()[:2]
            if int(started_by) == wanted and state != "Z":
                found.add(int(path.parent.name))
    return found


def name_of(process: int) -> str:
    """The name of a process's program, as the kernel keeps it."""
    return Path(f"/proc/{process}/comm").read_text().strip()
