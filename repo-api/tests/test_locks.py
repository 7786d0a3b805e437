"""What several threads count at once is counted as if by one."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Lock
from typing import Any

import orjson
import pytest
from challenged import challenge
from consumers import ConsumerBench
from drifting import drawn, profile
from edustream_contracts.contract import ModelContract

from edustream_api.challenger.shadow import QUEUE_ROWS, Shadow
from edustream_api.drift.pace import Pace
from edustream_api.drift.recorder import Recorder
from edustream_api.drift.reference import read_reference
from edustream_api.worker_files import WorkerFiles

THREADS = 4


class Alone:
    """Gives one number, and counts how often somebody asks for it while another one does."""

    def __init__(self, number: float) -> None:
        self._number = number
        self._asked = Lock()
        self.met = 0

    def __call__(self) -> float:
        if self._asked.acquire(blocking=False):
            # Whoever waits for the interpreter lock gets it now.
            time.sleep(0)
            self._asked.release()
        else:
            self.met += 1
        return self._number


@pytest.fixture
def at_once() -> Iterator[Callable[[Callable[[], object]], None]]:
    """Has all threads do the same, and any other go on between any two steps of one."""

    def at_once(do: Callable[[], object]) -> None:
        begin = Barrier(THREADS)

        def run() -> None:
            begin.wait()
            do()

        with ThreadPoolExecutor(THREADS) as threads:
            for done in [threads.submit(run) for _ in range(THREADS)]:
                done.result()

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield at_once
    sys.setswitchinterval(interval)


def test_every_row_is_recorded_once(
    contract: ModelContract, row: dict[str, Any], at_once: Callable[[Callable[[], object]], None]
) -> None:
    times = 400
    recorder = Recorder("digest", read_reference(orjson.dumps(profile()), contract), 10_000_000, 1, lambda: 0.0)
    rows, answers = drawn(row, 50), [{"prediction": "Yes", "probability": 0.5}] * 50

    def take() -> None:
        for _ in range(times):
            recorder.take(rows, answers)

    at_once(take)
    blocks = recorder.recorded()
    recorded = sum(block.rows for block in blocks)
    assert recorded == THREADS * times * len(rows)
    assert sum(int(block.counts.sum()) for block in blocks) == recorded * 3


def test_no_token_is_spent_twice(at_once: Callable[[Callable[[], object]], None]) -> None:
    burst = 2_000
    clock = Alone(0.0)
    pace = Pace(0.0, burst, clock)
    kept: list[int] = []

    def sample() -> None:
        kept.append(sum(len(pace.sample([{}], [{}])[0]) for _ in range(burst)))

    at_once(sample)
    assert sum(kept) == burst
    assert clock.met == 0


def test_every_row_that_is_sampled_is_compared_or_counted_as_dropped(
    bench: ConsumerBench, row: dict[str, Any], at_once: Callable[[Callable[[], object]], None]
) -> None:
    challenge(bench)
    champion, challenger = bench.keeper(), bench.keeper("churn@candidate")
    champion.start()
    challenger.start()
    # Every third row.
    draw = Alone(0.8)
    shadow = Shadow(champion, challenger, 0.5, WorkerFiles(None, "shadow"), draw)
    serving = champion.snapshot.serving
    assert serving is not None
    times, rows = 800, [row] * 5
    answers = serving.inference.answers(rows)

    def note() -> None:
        for _ in range(times):
            shadow.note(serving, rows, answers)

    at_once(note)
    assert draw.met == 0
    assert len(shadow._queue) == QUEUE_ROWS
    assert len(shadow._queue) + shadow._dropped.total() == THREADS * times * len(rows) // 3
