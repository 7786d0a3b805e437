"""Scores a challenger on rows that the champion answered, in a thread of its own; no caller waits for it."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from copy import deepcopy
from math import log1p
from random import random
from typing import Final, NamedTuple

from edustream_registry.inference.session import AnswerUnusable
from edustream_registry.inference.tensors import Row

from edustream_api.challenger.comparison import Comparison, Failure, Outcome, pair_of
from edustream_api.keeper import Keeper
from edustream_api.loading import ServedModel
from edustream_api.polling import Poller
from edustream_api.worker_files import SHOW_INTERVAL_S, WorkerFiles

QUEUE_ROWS: Final = 2048
BATCH_ROWS: Final = 64
"""One of them is timed, alone, on both sides; that costs as much as half of the others."""
LONGEST_GAP: Final = 2**63
"""Rows that nobody is ever asked."""
ROUND_ROWS: Final = 512
ROUND_INTERVAL_S: Final = 0.1
"""Together they bound what a worker compares to 5,120 rows a second, and rows are not kept for long."""


class Sampled(NamedTuple):
    """A row, and which release answered what to it."""

    champion: ServedModel
    row: Row
    answer: Row


class Shadow:
    """Compares a challenger with the champion. `note` may be called from any thread, `score` from one."""

    def __init__(
        self,
        champion: Keeper,
        challenger: Keeper,
        sample: float,
        files: WorkerFiles,
        uniform: Callable[[], float] = random,
    ) -> None:
        """Prepare. Each row is compared with probability `sample`, 0 < sample <= 1; `uniform` draws from [0, 1)."""
        self.challenger = challenger
        self.sample = sample
        self._champion = champion
        self._files = files
        self._uniform = uniform
        self._queue: deque[Sampled] = deque()
        self._noting = threading.Lock()
        self._counting = threading.Lock()
        self._comparison: Comparison | None = None
        self._dropped: Counter[tuple[str, ...]] = Counter()
        self._odd = False
        self._gap = self._skipped()
        self.scoring = Poller(self.score, ROUND_INTERVAL_S, "shadow")
        """What compares, while the server runs; nobody waits for it."""

    def note(self, champion: ServedModel, rows: Sequence[Row], answers: Sequence[Row]) -> None:
        """Take note of some of the rows that `champion` answered; of none, most of the time."""
        with self._noting:
            position = self._gap
            while position < len(rows):
                if len(self._queue) < QUEUE_ROWS:
                    self._queue.append(Sampled(champion, rows[position], answers[position]))
                elif challenger := self.challenger.snapshot.serving:
                    self._dropped[tuple(pair_of(champion, challenger))] += 1
                position += 1 + self._skipped()
            self._gap = position - len(rows)

    def score(self) -> None:
        """Compare what was noted, `ROUND_ROWS` rows at most, in small batches."""
        for _ in range(ROUND_ROWS // BATCH_ROWS):
            batch = self._batch()
            if not batch:
                return
            self._compare(batch)
            # Whoever waits for the interpreter lock gets it now, not after its switch interval.
            time.sleep(0)

    def pollers(self) -> list[Poller]:
        """The threads that this needs while the server runs."""
        shown = [Poller(self.show, SHOW_INTERVAL_S, "shadow-counts")] if self._files.shared else []
        return [self.scoring, *shown]

    def show(self) -> None:
        """Show the other workers what this one counted."""
        with self._counting:
            counts = self._comparison.counts() if self._comparison else None
        if counts:
            self._files.show(counts)

    def comparison(self, champion: ServedModel | None, challenger: ServedModel | None) -> Comparison | None:
        """What all workers counted of the two releases that serve; None where none was compared yet.

        While one of them cannot be served, what was counted before is told on.
        """
        with self._counting:
            found = deepcopy(self._comparison)
        if champion and challenger and (found is None or found.pair != pair_of(champion, challenger)):
            found = Comparison(champion, challenger)
        if found:
            for counts in self._files.others():
                if counts["pair"] == found.pair:
                    found.include(counts)
        return found

    def _skipped(self) -> int:
        """How many rows to leave out until the next one, if each counts with the same probability.

        The gaps of independent draws have a geometric distribution (Devroye, 1986, Non-Uniform Random Variate
        Generation, X.2), so that a row that is left out costs one subtraction.
        """
        if self.sample == 1:
            return 0
        # log1p: 1 - sample is 1 for a sample below 1e-16. The gap of the smallest ones is no finite number.
        return int(min(log1p(-self._uniform()) / log1p(-self.sample), LONGEST_GAP))

    def _batch(self) -> list[Sampled]:
        batch: list[Sampled] = []
        while len(batch) < BATCH_ROWS and self._queue:
            if batch and self._queue[0].champion is not batch[0].champion:
                break
            batch.append(self._queue.popleft())
        return batch

    def _compare(self, batch: Sequence[Sampled]) -> None:
        champion, challenger = batch[0].champion, self.challenger.snapshot.serving
        serving = self._champion.snapshot.serving
        if challenger is None or serving is None or pair_of(serving, challenger) != pair_of(champion, challenger):
            # Rows that were noted before a swap, or while there is no challenger, are about no pair that serves.
            return
        comparison, dropped = self._of(champion, challenger), self._take_dropped(champion, challenger)
        refusals = [_refusal(champion, challenger, one.row) for one in batch]
        accepted = [one for one, refusal in zip(batch, refusals, strict=True) if refusal is None]
        outcomes: list[Outcome] = []
        seconds = None
        if accepted:
            first, seconds = self._timed(champion, challenger, accepted[0].row)
            outcomes = [first, *_outcomes(challenger, [one.row for one in accepted[1:]])]
        with self._counting:
            comparison.dropped += dropped
            comparison.add([one.answer for one in accepted], outcomes)
            comparison.fail(filter(None, refusals))
            if seconds:
                comparison.time(*seconds)

    def _timed(self, champion: ServedModel, challenger: ServedModel, row: Row) -> tuple[Outcome, tuple[float, float]]:
        """The challenger's outcome, and what the row took of both: each goes first every other time."""
        self._odd = not self._odd
        if self._odd:
            _, champion_s = _seconds(champion, row)
            outcome, challenger_s = _seconds(challenger, row)
        else:
            outcome, challenger_s = _seconds(challenger, row)
            _, champion_s = _seconds(champion, row)
        return outcome, (champion_s, challenger_s)

    def _of(self, champion: ServedModel, challenger: ServedModel) -> Comparison:
        if self._comparison is None or self._comparison.pair != pair_of(champion, challenger):
            with self._counting:
                self._comparison = Comparison(champion, challenger)
        return self._comparison

    def _take_dropped(self, champion: ServedModel, challenger: ServedModel) -> int:
        with self._noting:
            dropped = self._dropped[tuple(pair_of(champion, challenger))]
            # Pairs that serve no more are told of no more.
            self._dropped.clear()
        return dropped


def _refusal(champion: ServedModel, challenger: ServedModel, row: Row) -> Failure | None:
    if champion.contract.digest == challenger.contract.digest or challenger.accepts(row):
        return None
    # A report names fields alone, never what callers sent.
    fields = ", ".join(sorted({problem.pointer for problem in challenger.problems(row)}))
    return Failure(f"the contract of {challenger.name}@{challenger.version} does not accept {fields}")


def _outcomes(model: ServedModel, rows: Sequence[Row]) -> list[Outcome]:
    """What the model makes of `rows`, each of which its contract accepts."""
    try:
        return list(model.inference.answers(rows))
    except AnswerUnusable as error:
        if len(rows) == 1:
            # The model's own words may quote a row, as those of its runtime do.
            return [Failure(f"{model.name}@{model.version} has no usable answer ({_kind(error)})")]
    return [outcome for row in rows for outcome in _outcomes(model, [row])]


def _kind(error: Exception) -> str:
    return type(error.__cause__ or error).__qualname__


def _seconds(model: ServedModel, row: Row) -> tuple[Outcome, float]:
    # Processor time of this thread: waiting for the interpreter lock says nothing of the model.
    began = time.thread_time()
    (outcome,) = _outcomes(model, [row])
    return outcome, time.thread_time() - began
