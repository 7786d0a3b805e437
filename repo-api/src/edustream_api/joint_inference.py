"""Rows that arrive together are answered by one run of their model: eight rows cost hardly more than two alone."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final, TypeAlias

from edustream_registry.inference.session import Answer

from edustream_api.hosting import Observer
from edustream_api.loading import ServedModel

LOG: Final = logging.getLogger("edustream_api")

Outcome: TypeAlias = Answer | Exception
"""The answer to a row, or why it has none."""

Done: TypeAlias = Callable[[Outcome], None]


class Asked:
    """Rows that keep the contract of one model, who is told each of the answers, and whether observers are."""

    __slots__ = ("done", "model", "observed", "rows")

    def __init__(self, model: ServedModel, observed: bool) -> None:
        self.model = model
        self.observed = observed
        self.rows: list[Any] = []
        self.done: list[Done] = []


class JointInference:
    """Answers the rows that reach it in one turn of the event loop by one run of their model; nobody waits for others.

    Rows take no part in each other's sums, so that a row is answered as it would be alone; only matrix products, whose
    order of summation may depend on the number of rows, can differ in the last bit.
    """

    def __init__(self, observers: Iterable[Observer] = ()) -> None:
        """`observers` are told of all rows that one run answered, and that are to be observed."""
        self._observers = tuple(observers)
        self._asked: list[Asked] = []

    def ask(self, model: ServedModel, row: Any, done: Done, *, observed: bool = True) -> None:
        """Have `model` answer a row that keeps its contract; `done` is called in the next turn of the event loop."""
        for asked in self._asked:
            if asked.model is model:
                break
        else:
            if not self._asked:
                asyncio.get_running_loop().call_soon(self._run)
            asked = Asked(model, observed)
            self._asked.append(asked)
        asked.rows.append(row)
        asked.done.append(done)

    async def answer(self, model: ServedModel, row: Any) -> Answer:
        """The answer of `model` to a row that keeps its contract. Raises `AnswerUnusable`."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.ask(model, row, partial(_settle, answer))
        return await answer

    def _run(self) -> None:
        every, self._asked = self._asked, []
        # Several models are asked where answers are split, and during a swap. All run before anybody is told: a second
        # run is far cheaper while the processor's caches hold what the first one needed.
        answered = [(asked, _outcomes(asked.model, asked.rows)) for asked in every]
        for asked, outcomes in answered:
            for done, outcome in zip(asked.done, outcomes, strict=True):
                _guarded(done, outcome)
        for asked, outcomes in answered:
            if asked.observed:
                self._show(asked, outcomes)

    def _show(self, asked: Asked, outcomes: list[Outcome]) -> None:
        shown = [(row, one) for row, one in zip(asked.rows, outcomes, strict=True) if not isinstance(one, Exception)]
        if not shown:
            return
        rows, answers = map(list, zip(*shown, strict=True))
        for observe in self._observers:
            _guarded(observe, asked.model, rows, answers)


def _outcomes(model: ServedModel, rows: list[Any]) -> list[Outcome]:
    try:
        answers = model.inference.answers(rows)
        if len(answers) != len(rows):
            raise ValueError(f"{len(answers)} answers to {len(rows)} rows")
        return [*answers]
    except Exception as error:
        if len(rows) == 1:
            return [error]
    # One row that cannot be answered takes nothing from the others.
    return [outcome for row in rows for outcome in _outcomes(model, [row])]


def _guarded(tell: Callable[..., object], *told: Any) -> None:
    try:
        tell(*told)
    except Exception as error:
        # A defect of one who is told must leave nobody else without an answer. Its message might quote a row.
        LOG.error("answer_not_taken", extra={"error": type(error).__qualname__})


def _settle(future: asyncio.Future[Answer], outcome: Answer | Exception) -> None:
    if future.cancelled():
        return
    if isinstance(outcome, Exception):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)
