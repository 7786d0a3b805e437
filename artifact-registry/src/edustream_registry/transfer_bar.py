"""Shows how far a transfer is: a bar on a terminal, nothing elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from edustream_registry import console, downloading


@contextmanager
def transfer_bar(title: str, total: int) -> Iterator[downloading.Progress]:
    """A bar on stderr while the block runs, which counts bytes up to `total`; what it yields is told of every part."""
    if not console.ERR.is_terminal:
        yield downloading.no_progress
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console.ERR, transient=True) as bar:
        task = bar.add_task(title, total=total)
        yield lambda count: bar.advance(task, count)
