"""Counts of callers in this process's memory, forgotten as their windows end."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from typing import Final

from limits.storage import MemoryStorage

MOST_FORGOTTEN: Final = 100
"""Of the counts of one length that ended, a hit forgets so many at most: no request waits until all are gone."""


class OwnCounts(MemoryStorage):
    """The package's counts, of which each hit looks at those alone that ended first.

    The package's own `incr` has a thread look at all of them after every hit, once within 10 ms: of 100,000 callers,
    a few requests a second kept most of a core busy. May be called from one thread.
    """

    def __init__(self) -> None:
        super().__init__()
        self._ends: defaultdict[float, deque[tuple[float, str]]] = defaultdict(deque)
        """When counts end that last equally long, and which; those that began first end first."""

    def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        """Add `amount` to a count; one that begins ends `expiry` seconds later."""
        self._forget()
        count = self.get(key) + amount
        self.storage[key] = count
        if count == amount:
            self.expirations[key] = ends_at = time.time() + expiry
            self._ends[expiry].append((ends_at, key))
        return count

    def _forget(self) -> None:
        now = time.time()
        for ends in self._ends.values():
            for _ in range(MOST_FORGOTTEN):
                if not ends or ends[0][0] > now:
                    break
                # To ask for a count that ended makes the package forget it; one that began anew goes on.
                self.get(ends.popleft()[1])
