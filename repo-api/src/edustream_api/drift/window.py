"""A sliding window over counted rows: blocks of counts, of which the oldest is forgotten as a whole."""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil
from typing import Final, NamedTuple

import numpy as np

from edustream_api.drift.statistics import Counts

BLOCKS: Final = 10


class Block(NamedTuple):
    """Some rows that came one after the other: when the last of them were counted, how many, how many in each bin."""

    at: float
    rows: int
    counts: Counts


def sure_rows(rows: int, workers: int = 1) -> int:
    """How many rows a window of `rows` is sure to hold once it was full, whichever of the workers they reached."""
    block = _block_rows(rows, workers)
    return min((_blocks(rows, workers) - 1) * block, rows - block + 1)


def newest(blocks: Iterable[Block], rows: int) -> list[Block]:
    """The blocks that came last, from the newest on: as many as hold at most so many rows."""
    found: list[Block] = []
    for block in sorted(blocks, key=lambda block: block.at, reverse=True):
        rows -= block.rows
        if rows < 0:
            break
        found.append(block)
    return found


def _block_rows(rows: int, workers: int) -> int:
    return max(rows // (BLOCKS * workers), 1)


def _blocks(rows: int, workers: int) -> int:
    # As many as hold all rows: where these are few, blocks of whole rows are smaller than a tenth of a worker's part.
    return max(BLOCKS * workers, ceil(rows / _block_rows(rows, workers)))


class SlidingWindow:
    """Counts of the last `rows` rows, or up to a block less; it takes as much memory for one row as for all.

    Each of several workers has such a window, since all rows may reach the same one. The more of them there are, the
    smaller the blocks: the newest of each, which is not full, reaches far back where few rows come.
    """

    def __init__(self, rows: int, bins: int, workers: int = 1) -> None:
        self._block_rows = _block_rows(rows, workers)
        self._counts = np.zeros((_blocks(rows, workers), bins), dtype=np.int64)
        self._rows = [0] * len(self._counts)
        self._at = [0.0] * len(self._counts)
        self._newest = 0

    @property
    def room(self) -> int:
        """How many rows fit before the oldest are forgotten: at least one."""
        return self._block_rows - self._rows[self._newest]

    @property
    def blocks(self) -> list[Block]:
        """What the window holds."""
        return [
            Block(at, rows, counts.copy())
            for at, rows, counts in zip(self._at, self._rows, self._counts, strict=True)
            if rows
        ]

    def add(self, rows: int, counts: Counts, at: float) -> None:
        """Count `rows` more, at most `room`, at the moment `at`; `counts` (bins,): in which bins they lie."""
        if rows:
            self._at[self._newest] = at
        self._counts[self._newest] += counts
        self._rows[self._newest] += rows
        if not self.room:
            self._newest = (self._newest + 1) % len(self._rows)
            self._counts[self._newest] = 0
            self._rows[self._newest] = 0
