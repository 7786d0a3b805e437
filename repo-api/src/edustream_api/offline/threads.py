"""Scores chunks in several threads, and gives what they led to in the order of the chunks."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeAlias

import pyarrow as pa

from edustream_api.offline.scoring import Scored, Scorer

Score: TypeAlias = Callable[[Iterable[pa.RecordBatch], int], Iterator[tuple[int, Scored]]]
"""From chunks, and the index of their first row, to the rows of each chunk and what it led to, in order."""


@contextmanager
def scoring_threads(scorer: Scorer, count: int) -> Iterator[Score]:
    """Scores in `count` threads while the caller reads and writes; what they had not begun is dropped with the block.

    onnxruntime, Arrow and numpy let go of Python's lock while they work. So threads use several cores as processes
    would, and share one model and one set of imports.
    """
    threads = ThreadPoolExecutor(count, thread_name_prefix="scoring")
    try:
        yield lambda batches, first: _ordered(threads, count, scorer, batches, first)
    finally:
        threads.shutdown(cancel_futures=True)


def _ordered(
    threads: ThreadPoolExecutor, count: int, scorer: Scorer, batches: Iterable[pa.RecordBatch], first: int
) -> Iterator[tuple[int, Scored]]:
    asked: deque[tuple[int, Future[Scored]]] = deque()
    for batch in batches:
        asked.append((batch.num_rows, threads.submit(scorer.score, batch, first)))
        first += batch.num_rows
        # Each thread has a chunk in hand and one to go on with while a segment is being written.
        if len(asked) > 2 * count:
            rows, future = asked.popleft()
            yield rows, future.result()
    while asked:
        rows, future = asked.popleft()
        yield rows, future.result()
