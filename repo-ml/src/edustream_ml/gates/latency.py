"""How long the exported model takes for one row. A measured time: it is shown, and never written into a release."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from time import perf_counter_ns
from typing import Final

WARM_UP_CALLS: Final = 20
CALLS: Final = 200
NS_PER_MS: Final = 1_000_000


def one_row_ms(answer: Callable[[], object], clock_ns: Callable[[], int] = perf_counter_ns) -> float:
    """The median time in milliseconds of `CALLS` calls that answer one row each, after some that do not count.

    The median, since a pause of the machine says nothing about the model. `clock_ns` gives nanoseconds.
    """
    for _ in range(WARM_UP_CALLS):
        answer()
    times = []
    for _ in range(CALLS):
        begun = clock_ns()
        answer()
        times.append(clock_ns() - begun)
    return median(times) / NS_PER_MS
