"""Tells the person at the screen what is going on: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

T = TypeVar("T")


class ProgressReport:
    """Announces the stages of a run on one console."""

    def __init__(self, console: Console, stages: int) -> None:
        self._console = console
        self._stages = stages
        self._stage = 0

    def stage(self, title: str) -> None:
        """Begin the next stage."""
        self._stage += 1
        self._console.print(f"[{self._stage}/{self._stages}] {title}", style="bold", markup=False, highlight=False)

    def note(self, text: str) -> None:
        """Say something about the current stage."""
        self._console.print(f"      {text}", markup=False, highlight=False, soft_wrap=True)

    def track(self, items: Iterable[T], description: str, total: int) -> Iterator[T]:
        """Pass `items` on, with a bar where there is a terminal."""
        if not self._console.is_terminal:
            yield from items
            return
        columns = (TextColumn("      {task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=self._console, transient=True) as bar:
            yield from bar.track(items, total=total, description=description)
