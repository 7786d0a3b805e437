"""Scores chunks in several processes, and gives their results in the order of the chunks."""

from __future__ import annotations

import multiprocessing
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from queue import SimpleQueue
from typing import Final, NamedTuple, TypeAlias

import pyarrow as pa
from edustream_contracts.errors import EduStreamError, InvalidInput, Problem

from edustream_api.offline.scoring import Scored, Scorer

# A process whose connection has ended is about to end.
PATIENCE_S: Final = 10.0

MakeScorer: TypeAlias = Callable[[], Scorer]
Score: TypeAlias = Callable[[Iterable[pa.RecordBatch], int], Iterator[tuple[int, Scored]]]
"""From chunks, and the index of their first row, to the rows of each chunk and what it led to, in order."""


class Failure(NamedTuple):
    """An error on its way to another process: exceptions that take named arguments cannot be pickled."""

    category: type[EduStreamError]
    kind: str
    fact: str
    remedy: str
    problems: tuple[Problem, ...]

    @staticmethod
    def of(error: EduStreamError) -> Failure:
        """What `raised` makes the error of again."""
        return Failure(type(error), error.kind, error.fact, error.remedy, error.problems)

    def raised(self) -> EduStreamError:
        """The error."""
        return self.category(self.kind, self.fact, remedy=self.remedy, problems=self.problems)


class Worker(NamedTuple):
    """A process that scores, and the way to it."""

    process: BaseProcess
    connection: Connection


def score_here(scorer: Scorer) -> Score:
    """Scores in this process."""

    def score(batches: Iterable[pa.RecordBatch], first: int) -> Iterator[tuple[int, Scored]]:
        for batch in batches:
            yield batch.num_rows, scorer.score(batch, first)
            first += batch.num_rows

    return score


@contextmanager
def score_elsewhere(make: MakeScorer, count: int) -> Iterator[Score]:
    """Scores in `count` processes, each of which calls `make` (picklable); they end with the block, or with this one.

    Raises `InvalidInput` (kind `configuration`) where one of them dies.
    """
    # A process that is forked while threads of Arrow run may hang, so each starts afresh.
    context = multiprocessing.get_context("spawn")
    workers = []
    for _ in range(count):
        ours, theirs = context.Pipe()
        process = context.Process(target=work, args=(theirs, make), daemon=True)
        process.start()
        theirs.close()
        workers.append(Worker(process, ours))
    try:
        with ThreadPoolExecutor(count) as threads:
            yield _ordered(threads, workers)
    finally:
        for worker in workers:
            worker.connection.close()
            worker.process.join()


def _ordered(threads: ThreadPoolExecutor, workers: list[Worker]) -> Score:
    idle: SimpleQueue[Worker] = SimpleQueue()
    for worker in workers:
        idle.put(worker)

    def ask(batch: pa.RecordBatch, first: int) -> Scored:
        worker = idle.get()
        try:
            worker.connection.send((first, _to_bytes(batch)))
            answer = worker.connection.recv()
        except (EOFError, OSError) as error:
            worker.process.join(PATIENCE_S)
            raise InvalidInput(
                "configuration",
                f"A scoring process ended with code {worker.process.exitcode}.",
                remedy="give the same command again, which goes on; with less --processes if memory is short.",
            ) from error
        finally:
            idle.put(worker)
        if isinstance(answer, Failure):
            raise answer.raised()
        rejected, output = answer
        return Scored(_from_bytes(output), rejected)

    def score(batches: Iterable[pa.RecordBatch], first: int) -> Iterator[tuple[int, Scored]]:
        asked: deque[tuple[int, Future[Scored]]] = deque()
        for batch in batches:
            asked.append((batch.num_rows, threads.submit(ask, batch, first)))
            first += batch.num_rows
            if len(asked) > 2 * len(workers):
                rows, future = asked.popleft()
                yield rows, future.result()
        for rows, future in asked:
            yield rows, future.result()

    return score


def work(connection: Connection, make: MakeScorer) -> None:
    """What a scoring process does, until whoever started it is gone."""
    # Ctrl-C goes to all processes of a terminal; the one that writes decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        scorer: Scorer | Failure = make()
    except EduStreamError as error:
        scorer = Failure.of(error)
    try:
        while True:
            first, data = connection.recv()
            connection.send(_answer(scorer, data, first))
    except (EOFError, OSError):
        return


def _answer(scorer: Scorer | Failure, data: bytes, first: int) -> Failure | tuple[list[bytes], bytes]:
    if isinstance(scorer, Failure):
        return scorer
    try:
        scored = scorer.score(_from_bytes(data), first)
    except EduStreamError as error:
        return Failure.of(error)
    return scored.rejected, _to_bytes(scored.output)


def _to_bytes(batch: pa.RecordBatch) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return bytes(sink.getvalue())


def _from_bytes(data: bytes) -> pa.RecordBatch:
    with pa.ipc.open_stream(data) as reader:
        return reader.read_next_batch()
