"""The memory of processes, as Linux tells it under /proc."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path


def resident_mib(process: int) -> float:
    """The memory of a process that is in RAM now (VmRSS). Raises `ProcessLookupError` where it has ended."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
        (kib,) = (line.split()[1] for line in lines if line.startswith("VmRSS:"))
    except (FileNotFoundError, ValueError) as error:
        raise ProcessLookupError(process) from error
    return int(kib) / 1024


def children(process: int) -> list[int]:
    """The processes that a process has started and that still run."""
    tasks = Path(f"/proc/{process}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


def resident_mib_of_all(process: int) -> float:
    """The memory of a process and of everything below it, where pages that they share count more than once."""
    total = 0.0
    with suppress(ProcessLookupError, FileNotFoundError):
        total += resident_mib(process)
        total += sum(map(resident_mib_of_all, children(process)))
    return total
