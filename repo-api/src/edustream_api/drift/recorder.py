"""Counts the rows that one release answered: by their values within the request, by the reference's bins now and then.

A row is not kept: what is kept of many rows costs every request the processor's cache.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from edustream_api.drift.reference import Reference, Rows, Values
from edustream_api.drift.window import Block, SlidingWindow

MOST_ROWS: Final = 4096
"""Rows whose values are counted before they are binned: numbers seldom occur twice, and take memory each."""


class Recorder:
    """A sliding window over the rows that one release answered; `release` is the digest of its manifest.

    May be called from several threads.
    """

    def __init__(
        self, release: str, reference: Reference, window_rows: int, workers: int, clock: Callable[[], float]
    ) -> None:
        """`workers` processes have such a window each; `clock` tells seconds, to all of them the same."""
        self.release = release
        self.reference = reference
        self._clock = clock
        self._window = SlidingWindow(window_rows, reference.ends[-1], workers)
        self._values = Values(reference)
        self._room = min(MOST_ROWS, self._window.room)
        """How many rows until the values are binned, since they are many or the window's newest block is full."""
        self._lock = threading.Lock()

    def take(self, rows: Rows, answers: Rows) -> None:
        """Count rows that were answered, and their answers."""
        with self._lock:
            while len(rows) >= self._room:
                room = self._room
                self._values.add(rows[:room], answers[:room])
                self._bin()
                rows, answers = rows[room:], answers[room:]
            self._values.add(rows, answers)
            self._room -= len(rows)

    def recorded(self) -> list[Block]:
        """All that the window holds."""
        with self._lock:
            self._bin()
            return self._window.blocks

    def _bin(self) -> None:
        self._window.add(self._values.rows, self._values.binned(), self._clock())
        self._values = Values(self.reference)
        self._room = min(MOST_ROWS, self._window.room)
