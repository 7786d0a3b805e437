"""Rows that arrive together are answered by one run of their model: eight rows cost hardly more than two alone."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final, NamedTuple, TypeAlias

from edustream_registry.inference.session import Answer

from edustream_api.hosting import Observer
from edustream_api.loading import ServedModel

LOG: Final = logging.getLogger("edustream_api")

Done: TypeAlias = Callable[[Answer | Exception], None]
"""Told the answer to a row, or why it has none."""


class Waiting(NamedTuple):
    """A row that keeps the contract of `model`, who is told the answer, and whether observers are."""

    model: ServedModel
    row: Any
    done: Done
    observed: bool


class JointInference:
    """Answers the rows that reach it in one turn of the event loop by one run of their model; nobody waits for others.

    Rows take no part in each other's sums, so that a row is answered as it would be alone; only matrix products, whose
    order of summation may depend on the number of rows, can differ in the last bit.
    """

    def __init__(self, observers: Iterable[Observer] = ()) -> None:
        """`observers` are told of all rows that one run answered, and that are to be observed."""
        self._observers = tuple(observers)
        self._waiting: list[Waiting] = []

    def ask(self, model: ServedModel, row: Any, done: Done, *, observed: bool = True) -> None:
        """Have `model` answer a row that keeps its contract; `done` is called in the next turn of the event loop."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._run)
        self._waiting.append(Waiting(model, row, done, observed))

    async def answer(self, model: ServedModel, row: Any) -> Answer:
        """The answer of `model` to a row that keeps its contract. Raises `AnswerUnusable`."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.ask(model, row, partial(_settle, answer))
        return await answer

    def _run(self) -> None:
        waiting, self._waiting = self._waiting, []
        runs = []
        # Several models are asked where answers are split, and during a swap. All run before anybody is told: a second
        # run is far cheaper while the processor's caches hold what the first one needed.
        while waiting:
            model = waiting[0].model
            asked = [one for one in waiting if one.model is model]
            waiting = [one for one in waiting if one.model is not model]
            runs.append((asked, _outcomes(model, [one.row for one in asked])))
        for asked, outcomes in runs:
            for one, outcome in zip(asked, outcomes, strict=True):
                _guarded(one.done, outcome)
        for asked, outcomes in runs:
            if asked[0].observed:
                self._show(asked, outcomes)

    def _show(self, asked: list[Waiting], outcomes: list[Answer | Exception]) -> None:
        model, rows, answers = asked[0].model, [], []
        for one, outcome in zip(asked, outcomes, strict=True):
            if not isinstance(outcome, Exception):
                rows.append(one.row)
                answers.append(outcome)
        if not rows:
            return
        for observe in self._observers:
            _guarded(observe, model, rows, answers)


def _outcomes(model: ServedModel, rows: list[Any]) -> list[Answer | Exception]:
    try:
        return [answer for answer, _ in zip(model.inference.answers(rows), rows, strict=True)]
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
