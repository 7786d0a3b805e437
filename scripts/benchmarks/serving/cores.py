"""Which core does what: the server has one to itself, and everything else shares the other."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

SERVER: Final = 0
LOAD: Final = 1


def missing() -> str | None:
    """What this machine lacks for the benchmark; None where it lacks nothing."""
    if len(os.sched_getaffinity(0)) <= LOAD:
        return "The benchmark of serving needs two cores: one for the server, one for the load."
    for tool, package in (("taskset", "util-linux"), ("wrk", "wrk")):
        if not shutil.which(tool):
            return (
                f"The benchmark of serving needs {tool}: apt-get install {package}, or your system's package manager."
            )
    return None


def on(*cores: int) -> list[str]:
    """What stands before a command that is to run on these cores alone."""
    return ["taskset", "--cpu-list", ",".join(map(str, cores))]


@contextmanager
def staying_on(core: int) -> Iterator[None]:
    """Keep this process, and what it starts in the block without saying otherwise, on one core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
