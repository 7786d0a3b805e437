"""Rows that arrive together are answered by one run of their model: eight rows cost hardly more than two alone."""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

from edustream_registry.inference.session import Answer, AnswerUnusable

from edustream_api.loading import ServedModel


class Waiting(NamedTuple):
    """A row that keeps the contract of `model`, and where its answer is expected."""

    model: ServedModel
    row: Any
    answer: asyncio.Future[Answer]


class JointInference:
    """Answers the rows that reach it in one turn of the event loop by one run of their model; nobody waits for others.

    Rows take no part in each other's sums, so that a row is answered as it would be alone; only matrix products, whose
    order of summation may depend on the number of rows, can differ in the last bit.
    """

    def __init__(self) -> None:
        self._waiting: list[Waiting] = []

    async def answer(self, model: ServedModel, row: Any) -> Answer:
        """The answer of `model` to a row that keeps its contract. Raises `AnswerUnusable`."""
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_soon(self._run)
        answer: asyncio.Future[Answer] = loop.create_future()
        self._waiting.append(Waiting(model, row, answer))
        return await answer

    def _run(self) -> None:
        waiting, self._waiting = self._waiting, []
        # During a swap, two releases are asked.
        while waiting:
            model = waiting[0].model
            _answer(model, [one for one in waiting if one.model is model])
            waiting = [one for one in waiting if one.model is not model]


def _answer(model: ServedModel, asked: list[Waiting]) -> None:
    try:
        answers = model.inference.answers([one.row for one in asked])
    except Exception as error:
        if len(asked) > 1 and isinstance(error, AnswerUnusable):
            # One row without a usable answer takes nothing from the others.
            for one in asked:
                _answer(model, [one])
            return
        for one in asked:
            if not one.answer.cancelled():
                one.answer.set_exception(error)
        return
    for one, answer in zip(asked, answers, strict=True):
        if not one.answer.cancelled():
            one.answer.set_result(answer)
