"""Promotions and rollbacks under load: no request fails, and every answer is of the release that it names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from time import monotonic
from typing import Any

import pytest
from load import Load
from processes import Process, Registry, started

SCALES = {"1.0.0": -0.05, "1.1.0": 0.05}
LOAD_S = 120
SWAPS = 200
ROLLBACKS = 20
"""From this swap on, the way back is a promotion: a rollback reads the channel's whole log, which grows meanwhile."""
GROWN_BYTES = 24 * 1024 * 1024
"""What the allocators of Python and ONNX Runtime may keep; 200 models that stayed would take 60 MB and more."""


def swap(registry: Registry, process: Process, *, while_true: Callable[[int], bool]) -> int:
    """Go back and forth in turn, each once the one before is in service; how often."""
    for swaps in count():
        if not while_true(swaps):
            return swaps
        version = ("1.0.0", "1.1.0")[swaps % 2]
        back = registry.roll_back if swaps < ROLLBACKS else registry.promote
        (registry.promote if swaps % 2 else back)(version)
        assert process.until("release_swapped")["version"] == version
    raise AssertionError


@contextmanager
def loaded(registry: Registry, row: dict[str, Any]) -> Iterator[Process]:
    """A consumer that clients keep asking; none of them may be failed, and either release must have answered."""
    for version, scale in SCALES.items():
        registry.release(version, scale=scale)
    with started(registry) as process:
        load = Load(process, row, SCALES)
        with load.running():
            yield process
    assert load.failures == []
    assert set(load.answered) == {(None, version) for version in SCALES}


def test_no_request_fails_and_each_answer_is_of_the_release_that_it_names(
    registry: Registry, row: dict[str, Any]
) -> None:
    with loaded(registry, row) as process:
        swap(registry, process, while_true=lambda swaps: swaps < 4)


@pytest.mark.prove
def test_two_hundred_swaps_in_two_minutes_of_load_leave_no_failure_and_no_memory(
    registry: Registry, row: dict[str, Any]
) -> None:
    with loaded(registry, row) as process:
        swap(registry, process, while_true=lambda swaps: swaps < 20)
        before, until = process.resident_bytes, monotonic() + LOAD_S
        swaps = swap(registry, process, while_true=lambda swaps: swaps < SWAPS or monotonic() < until)
        grown = process.resident_bytes - before
    assert swaps >= SWAPS
    assert grown < GROWN_BYTES
