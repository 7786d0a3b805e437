"""Counts the rows that one release answered: taken note of within the request, binned outside it."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from itertools import chain
from typing import Final

from edustream_api.drift.reference import Reference, Rows
from edustream_api.drift.statistics import Counts
from edustream_api.drift.window import SlidingWindow

PLENTY: Final = 512
"""How many waiting rows are worth counting at once."""
MOST_WAITING: Final = 8192
SLICE: Final = 512


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a window holds: how many rows, and how many of them lie in each bin of the reference (int64).

    `unrecorded` rows came faster than they could be counted, since the release came into service.
    """

    rows: int
    counts: Counts
    unrecorded: int


class Recorder:
    """A sliding window over the rows that one release answered; `release` is the digest of its manifest."""

    def __init__(self, release: str, reference: Reference, window_rows: int) -> None:
        self.release = release
        self.reference = reference
        self._window = SlidingWindow(window_rows, reference.ends[-1])
        self._waiting: list[tuple[Rows, Rows]] = []
        self._waiting_rows = 0
        self._unrecorded = 0
        self._taking = threading.Lock()
        self._counting = threading.Lock()

    def take(self, rows: Rows, answers: Rows) -> bool:
        """Take note of rows that were answered, or that they came too fast; whether there are plenty from now on."""
        number = len(rows)
        with self._taking:
            before = self._waiting_rows
            if before >= MOST_WAITING:
                self._unrecorded += number
                return False
            self._waiting.append((rows, answers))
            self._waiting_rows = before + number
            return before < PLENTY <= before + number

    def count(self) -> Recorded:
        """Count what waits; all that the window then holds. May be called from several threads."""
        with self._counting:
            with self._taking:
                waiting, self._waiting, self._waiting_rows = self._waiting, [], 0
                unrecorded = self._unrecorded
            rows = list(chain.from_iterable(taken for taken, _ in waiting))
            answers = list(chain.from_iterable(given for _, given in waiting))
            start = 0
            while start < len(rows):
                end = start + min(SLICE, self._window.room)
                part = rows[start:end]
                self._window.add(len(part), self.reference.count(part, answers[start:end]))
                start = end
                # Lets the interpreter turn to a request that came meanwhile.
                time.sleep(0)
            return Recorded(self._window.rows, self._window.counts, unrecorded)
