"""A sliding window over counted rows: a ring of blocks, of which the oldest is forgotten as a whole."""

from __future__ import annotations

from typing import Final

import numpy as np

from edustream_api.drift.statistics import Counts

BLOCKS: Final = 10


def sure_rows(rows: int) -> int:
    """How many rows a window of `rows` is sure to hold once it was full: all but the block that is filled anew."""
    return (BLOCKS - 1) * _block_rows(rows)


def _block_rows(rows: int) -> int:
    return max(rows // BLOCKS, 1)


class SlidingWindow:
    """Counts of the last `rows` rows, or up to a tenth less; it takes as much memory for one row as for all."""

    def __init__(self, rows: int, bins: int) -> None:
        self._block_rows = _block_rows(rows)
        self._blocks = np.zeros((BLOCKS, bins), dtype=np.int64)
        self._rows = [0] * BLOCKS
        self._newest = 0

    @property
    def rows(self) -> int:
        """How many rows are counted."""
        return sum(self._rows)

    @property
    def room(self) -> int:
        """How many rows fit before the oldest are forgotten: at least one."""
        return self._block_rows - self._rows[self._newest]

    @property
    def counts(self) -> Counts:
        """The rows of the window in each bin: int64 (bins,)."""
        total: Counts = self._blocks.sum(axis=0)
        return total

    def add(self, rows: int, counts: Counts) -> None:
        """Count `rows` more, at most `room`; `counts` (bins,) says in which bins they lie."""
        self._blocks[self._newest] += counts
        self._rows[self._newest] += rows
        if not self.room:
            self._newest = (self._newest + 1) % BLOCKS
            self._blocks[self._newest] = 0
            self._rows[self._newest] = 0
