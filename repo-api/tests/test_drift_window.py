from __future__ import annotations

import numpy as np
import pytest

from edustream_api.drift.window import Block, SlidingWindow, newest, sure_rows


@pytest.mark.parametrize("step", [1, 7, 1000])
def test_holds_the_last_rows_in_constant_memory(step: int) -> None:
    window = SlidingWindow(1000, bins=2500)
    counts_of_all = window._counts
    number = 0
    while number < 2500:
        rows = min(step, window.room, 2500 - number)
        counts = np.zeros(2500, dtype=np.int64)
        counts[number : number + rows] = 1
        window.add(rows, counts, float(number))
        number += rows
        held = window.blocks
        kept = sum(block.rows for block in held)
        assert min(number, 900) <= kept <= 1000
        assert np.flatnonzero(sum(block.counts for block in held)).tolist() == list(range(number - kept, number))
    assert window._counts is counts_of_all


@pytest.mark.parametrize("rows", [1, 9, 10, 15, 99, 1000, 1009])
def test_a_full_window_holds_so_many_rows_at_least(rows: int) -> None:
    window = SlidingWindow(rows, bins=1)
    held = []
    for number in range(4 * rows + 40):
        window.add(1, np.array([1]), float(number))
        if number >= 2 * rows + 20:
            held.append(sum(block.rows for block in newest(window.blocks, rows)))
    assert min(held) == sure_rows(rows)
    assert sure_rows(rows) >= rows - rows / 10


@pytest.mark.parametrize(("rows", "workers"), [(1000, 2), (1000, 7), (999, 16), (10, 4), (1279, 64)])
@pytest.mark.parametrize("shares", ["even", "one"])
def test_the_newest_of_several_windows_are_so_many_rows_at_least(rows: int, workers: int, shares: str) -> None:
    windows = [SlidingWindow(rows, 1, workers) for _ in range(workers)]
    held = []
    for number in range(4 * rows + 40 * workers):
        window = windows[number % workers if shares == "even" else 0]
        window.add(1, np.array([1]), float(number))
        if number % 97 == 0 and number >= 2 * rows + 20 * workers:
            blocks = newest((block for one in windows for block in one.blocks), rows)
            held.append(sum(block.rows for block in blocks))
    assert sure_rows(rows, workers) <= min(held) <= max(held) <= rows
    assert sure_rows(rows, workers) >= rows - rows / 10


def test_what_is_held_is_told_as_it_was_and_no_younger_for_being_looked_at() -> None:
    window = SlidingWindow(1000, bins=1)
    window.add(5, np.array([5]), 1.0)
    (told,) = window.blocks
    window.add(0, np.array([0]), 2.0)
    assert [block.at for block in window.blocks] == [1.0]
    window.add(1, np.array([1]), 3.0)
    assert (told.at, told.rows, told.counts.tolist()) == (1.0, 5, [5])
    assert [(block.at, block.rows) for block in window.blocks] == [(3.0, 6)]


def test_what_came_last_is_taken_first_and_nothing_beyond_a_block_that_does_not_fit() -> None:
    nothing = np.array([0])
    blocks = [Block(at, rows, nothing) for at, rows in ((3.0, 40), (9.0, 30), (1.0, 5), (6.0, 20))]
    assert [block.at for block in newest(blocks, 100)] == [9.0, 6.0, 3.0, 1.0]
    assert [block.at for block in newest(blocks, 89)] == [9.0, 6.0]
