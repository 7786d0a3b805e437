from __future__ import annotations

import numpy as np
import pytest

from edustream_api.drift.window import SlidingWindow


@pytest.mark.parametrize("step", [1, 7, 1000])
def test_holds_the_last_rows_in_constant_memory(step: int) -> None:
    window = SlidingWindow(1000, bins=2500)
    blocks = window._blocks
    number = 0
    while number < 2500:
        rows = min(step, window.room, 2500 - number)
        counts = np.zeros(2500, dtype=np.int64)
        counts[number : number + rows] = 1
        window.add(rows, counts)
        number += rows
        held = np.flatnonzero(window.counts)
        assert len(held) == window.rows <= 1000
        assert held.tolist() == list(range(number - window.rows, number))
        assert window.rows >= min(number, 900)
    assert window._blocks is blocks
