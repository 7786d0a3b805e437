from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from edustream_registry.inference.session import AnswerUnusable

from edustream_api.joint_inference import JointInference
from edustream_api.loading import ServedModel

Row = dict[str, Any]


def counting(model: ServedModel, runs: list[int]) -> ServedModel:
    """The same model, which notes how many rows each of its runs answers."""

    def answers(rows: Sequence[Row]) -> list[Row]:
        runs.append(len(rows))
        return model.inference.answers(rows)

    inference: Any = SimpleNamespace(answers=answers)
    return replace(model, inference=inference)


def asked(*questions: tuple[ServedModel, Row]) -> list[Any]:
    """What joint inference answers or raises for rows that are asked for at once."""

    async def ask() -> list[Any]:
        inference = JointInference()
        return await asyncio.gather(*(inference.answer(*one) for one in questions), return_exceptions=True)

    return asyncio.run(ask())


def test_rows_that_are_there_together_are_answered_by_one_run_as_each_alone(served: ServedModel, row: Row) -> None:
    runs: list[int] = []
    rows = [{**row, "tenure": tenure} for tenure in range(8)]
    model = counting(served, runs)
    assert asked(*((model, one) for one in rows)) == [served.inference.answer(one) for one in rows]
    assert runs == [8]


def test_what_one_release_was_asked_no_other_answers(served: ServedModel, row: Row) -> None:
    old, new = list[int](), list[int]()
    before, after = counting(served, old), counting(served, new)
    asked((before, row), (after, row), (before, row))
    assert (old, new) == ([2], [1])


def test_a_row_without_a_usable_answer_takes_nothing_from_the_others(served: ServedModel, row: Row) -> None:
    unusable = {**row, "tenure": None}
    first, failed, last = asked((served, row), (served, unusable), (served, row))
    assert first == last == served.inference.answer(row)
    assert isinstance(failed, AnswerUnusable)


def test_what_nobody_could_foresee_is_told_to_all_who_asked(served: ServedModel, row: Row) -> None:
    def answers(rows: Sequence[Row]) -> list[Row]:
        raise MemoryError

    inference: Any = SimpleNamespace(answers=answers)
    found = asked(*[(replace(served, inference=inference), row)] * 2)
    assert [type(error) for error in found] == [MemoryError, MemoryError]


def test_a_caller_who_left_keeps_no_other_waiting(
    served: ServedModel, row: Row, caplog: pytest.LogCaptureFixture
) -> None:
    async def ask() -> Any:
        inference = JointInference()
        gone = asyncio.ensure_future(inference.answer(served, row))
        stays = asyncio.ensure_future(inference.answer(served, row))
        await asyncio.sleep(0)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        return await stays

    assert asyncio.run(ask()) == served.inference.answer(row)
    assert caplog.messages == []


def test_a_defect_of_one_who_is_told_leaves_nobody_else_without_an_answer(
    served: ServedModel, row: Row, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*told: Any) -> None:
        raise ZeroDivisionError

    seen: list[int] = []
    told: list[Any] = []

    async def ask() -> None:
        inference = JointInference([broken, lambda model, rows, answers: seen.append(len(rows))])
        for model, done in ((served, broken), (served, told.append), (replace(served), told.append)):
            inference.ask(model, row, done)
        await asyncio.sleep(0)

    asyncio.run(ask())
    assert told == [served.inference.answer(row)] * 2
    assert seen == [2, 1]
    assert [record.message for record in caplog.records] == ["answer_not_taken"] * 3


def test_a_row_that_breaks_its_run_takes_nothing_from_the_others(served: ServedModel, row: Row) -> None:
    poisonous = {**row, "tenure": 13}

    def answers(rows: Sequence[Row]) -> list[Row]:
        if poisonous in rows:
            raise OverflowError
        return served.inference.answers(rows)

    inference: Any = SimpleNamespace(answers=answers)
    model = replace(served, inference=inference)
    first, broken, last = asked((model, row), (model, poisonous), (model, row))
    assert first == last == served.inference.answer(row)
    assert isinstance(broken, OverflowError)


@pytest.mark.parametrize("number", [0, 3])
def test_answers_of_another_number_than_the_rows_are_no_answers(served: ServedModel, row: Row, number: int) -> None:
    inference: Any = SimpleNamespace(answers=lambda rows: [{}] * number)
    model = replace(served, inference=inference)
    told: list[Any] = []

    async def ask() -> None:
        joint = JointInference()
        for _ in range(2):
            joint.ask(model, row, told.append)
        # Who is told nothing would be waited for without end.
        await asyncio.sleep(0)

    asyncio.run(ask())
    assert [type(outcome) for outcome in told] == [ValueError] * 2


def test_observers_are_shown_what_was_answered_of_what_is_to_be_observed(served: ServedModel, row: Row) -> None:
    challenger = replace(served)
    unusable = {**row, "tenure": None}
    seen: list[tuple[ServedModel, list[Row], list[Row]]] = []
    told: list[Any] = []

    async def ask() -> None:
        inference = JointInference([lambda *shown: seen.append(shown)])
        inference.ask(challenger, row, told.append, observed=False)
        for one in (row, unusable):
            inference.ask(served, one, told.append)
        await asyncio.sleep(0)

    asyncio.run(ask())
    assert seen == [(served, [row], [served.inference.answer(row)])]
    assert [type(outcome) for outcome in told] == [dict, dict, AnswerUnusable]


def test_all_models_run_before_anybody_is_told(served: ServedModel, row: Row) -> None:
    order: list[str] = []

    def answers(rows: Sequence[Row]) -> list[Row]:
        order.append("run")
        return served.inference.answers(rows)

    async def ask() -> None:
        inference = JointInference()
        for _ in range(2):
            model: Any = SimpleNamespace(answers=answers)
            inference.ask(replace(served, inference=model), row, lambda outcome: order.append("told"))
        await asyncio.sleep(0)

    asyncio.run(ask())
    assert order == ["run", "run", "told", "told"]
