from __future__ import annotations

import numpy as np
import pytest

from edustream_api.drift.window import SlidingWindow, sure_rows


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


@pytest.mark.parametrize("rows", [1, 9, 10, 15, 99, 1000, 1009])
def test_a_full_window_holds_so_many_rows_at_least(rows: int) -> None:
    window = SlidingWindow(rows, bins=1)
    held = []
    for number in range(4 * rows + 40):
        window.add(1, np.array([1]))
        if number >= 2 * rows + 20:
            held.append(window.rows)
    assert min(held) == sure_rows(rows)
