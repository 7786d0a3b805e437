"""Which rows are recorded while more of them come than drift needs: recording must not cost requests their time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from random import random

from edustream_api.drift.reference import Rows


class Pace:
    """A token bucket: `burst` rows at once, and `rows_a_second` of a stream that goes on; one token is one row.

    Of rows that come together and find too few tokens, those that are left over are evenly spaced from a random start
    (systematic sampling; Cochran, Sampling Techniques, 1977, chapter 8): each has the same chance, whichever caller's
    it is. May be called from several threads.
    """

    def __init__(
        self,
        rows_a_second: float,
        burst: int,
        clock: Callable[[], float],
        uniform: Callable[[], float] = random,
    ) -> None:
        """Begin with `burst` tokens; `clock` tells seconds, `uniform` draws from [0, 1)."""
        self._rows_a_second = rows_a_second
        self._burst = burst
        self._clock = clock
        self._uniform = uniform
        self._tokens = float(burst)
        self._filled_at = clock()
        self._lock = threading.Lock()

    def sample(self, rows: Rows, answers: Rows) -> tuple[Rows, Rows]:
        """Those of the rows that are to be recorded, and their answers."""
        count = len(rows)
        with self._lock:
            now = self._clock()
            self._tokens = min(self._tokens + (now - self._filled_at) * self._rows_a_second, self._burst)
            self._filled_at = now
            taken = min(int(self._tokens), count)
            self._tokens -= taken
        if taken == count:
            return rows, answers
        start = int(self._uniform() * count)
        places = [(start + index * count // taken) % count for index in range(taken)]
        return [rows[place] for place in places], [answers[place] for place in places]
