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
    """A row that keeps the contract of `model`, and who is told the answer."""

    model: ServedModel
    row: Any
    done: Done


class JointInference:
    """Answers the rows that reach it in one turn of the event loop by one run of their model; nobody waits for others.

    Rows take no part in each other's sums, so that a row is answered as it would be alone; only matrix products, whose
    order of summation may depend on the number of rows, can differ in the last bit.
    """

    def __init__(self, observers: Iterable[Observer] = ()) -> None:
        """`observers` are told of all rows that one run answered."""
        self._observers = tuple(observers)
        self._waiting: list[Waiting] = []

    def ask(self, model: ServedModel, row: Any, done: Done) -> None:
        """Have `model` answer a row that keeps its contract; `done` is called in the next turn of the event loop."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._run)
        self._waiting.append(Waiting(model, row, done))

    async def answer(self, model: ServedModel, row: Any) -> Answer:
        """The answer of `model` to a row that keeps its contract. Raises `AnswerUnusable`."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.ask(model, row, partial(_settle, answer))
        return await answer

    def _run(self) -> None:
        waiting, self._waiting = self._waiting, []
        # During a swap, two releases are asked.
        while waiting:
            model = waiting[0].model
            self._answer(model, [one for one in waiting if one.model is model])
            waiting = [one for one in waiting if one.model is not model]

    def _answer(self, model: ServedModel, asked: list[Waiting]) -> None:
        rows = [one.row for one in asked]
        try:
            answered = list(zip(asked, model.inference.answers(rows), strict=True))
        except Exception as error:
            if len(asked) > 1:
                # One row that cannot be answered takes nothing from the others.
                for one in asked:
                    self._answer(model, [one])
                return
            for one in asked:
                _guarded(one.done, error)
            return
        for one, answer in answered:
            _guarded(one.done, answer)
        answers = [answer for _, answer in answered]
        for observe in self._observers:
            _guarded(observe, model, rows, answers)


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
