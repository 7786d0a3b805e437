"""Answers request bodies: parse, validate, infer, encode. Raises `RequestRefused`; knows no web framework."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, Final

import orjson
from edustream_contracts.errors import Problem
from edustream_contracts.validation import json_pointer
from edustream_registry.inference.session import Answer, AnswerUnusable

from edustream_api import json_document
from edustream_api.hosting import Observer
from edustream_api.joint_inference import JointInference
from edustream_api.loading import ServedModel
from edustream_api.problems import INVALID, MODEL_FAILED, TOO_LARGE, RequestRefused
from edustream_api.row_problems import problems_of

LONG_BYTES: Final = 16 * 1024
"""The longest body that is judged on the event loop; no row is that long."""


async def predict(model: ServedModel, body: bytes, inference: JointInference) -> bytes:
    """The answer for the one row in `body`, a JSON object of the contract's input fields."""
    row = plain_row(model, body) if len(body) <= LONG_BYTES else None
    if row is None:
        # To put into words what is wrong takes up to a thousand times what a good row does: nobody else waits for it.
        row = await asyncio.to_thread(accepted_row, model, body)
    try:
        answer = await inference.answer(model, row)
    except AnswerUnusable as error:
        raise failed(model, error) from error
    return encoded(model, answer)


def plain_row(model: ServedModel, body: bytes) -> Any:
    """The row in `body`, at the least cost; None for one that does not keep the contract, or needs a closer look."""
    try:
        row = json_document.parse_plain(body)
    except ValueError:
        return None
    return row if model.accepts(row) else None


def accepted_row(model: ServedModel, body: bytes) -> Any:
    """The row in `body`. Raises `RequestRefused` for one that does not keep the contract."""
    row = json_document.parse(body)
    if not model.accepts(row):
        raise refused(model.problems(row))
    return row


def encoded(model: ServedModel, answer: Answer) -> bytes:
    """The JSON of the answer to one row."""
    return orjson.dumps({**answer, "model": model.name, "model_version": model.version})


def predict_batch(model: ServedModel, body: bytes, max_rows: int, observers: Iterable[Observer] = ()) -> bytes:
    """The answers for the rows in `body`, `{"rows": [...]}`, in their order; all of them or none.

    `observers` are told of all rows at once.
    """
    rows = _rows(json_document.parse(body), max_rows)
    problems = problems_of(model, rows, lambda index, pointer: f"/rows/{index}{pointer}")
    if problems:
        raise refused(problems)
    answers = answered(model, rows, observers)
    answer = {"predictions": answers, "model": model.name, "model_version": model.version}
    return orjson.dumps(answer)


def explain(model: ServedModel, body: bytes) -> bytes:
    """The explanation of the answer to the one row in `body`."""
    row = json_document.parse(body)
    if not model.accepts(row):
        raise refused(model.problems(row))
    try:
        explanations = model.explainer.explain(row)
    except AnswerUnusable as error:
        raise failed(model, error) from error
    return orjson.dumps({"explanations": explanations, "model": model.name, "model_version": model.version})


def answered(model: ServedModel, rows: list[Any], observers: Iterable[Observer]) -> list[dict[str, Any]]:
    """The answers for rows that keep the contract; `observers` are told. Raises `RequestRefused` (`model-failed`)."""
    try:
        answers = model.inference.answers(rows)
    except AnswerUnusable as error:
        raise failed(model, error) from error
    for observe in observers:
        observe(model, rows, answers)
    return answers


def failed(model: ServedModel, error: AnswerUnusable) -> RequestRefused:
    """The refusal of a row that the model has no usable answer for."""
    return RequestRefused(MODEL_FAILED, f"{model.name}@{model.version}: {error}.")


def refused(problems: list[Problem]) -> RequestRefused:
    """The refusal of an input that breaks the contract."""
    places = len({problem.pointer for problem in problems})
    return RequestRefused(INVALID, f"The input has {places} problem{'s' if places != 1 else ''}.", problems)


def _rows(document: Any, max_rows: int) -> list[Any]:
    if not isinstance(document, dict):
        raise refused([Problem("", 'is no object; {"rows": [...]} is expected')])
    problems = [Problem(json_pointer([name]), "is not a field of a batch") for name in document if name != "rows"]
    rows = document.get("rows")
    if not isinstance(rows, list):
        problems.append(Problem("/rows", "is no array" if "rows" in document else "is missing"))
    elif not rows:
        problems.append(Problem("/rows", "is empty; at least one row is expected"))
    if problems:
        raise refused(problems)
    if len(document["rows"]) > max_rows:
        raise RequestRefused(
            TOO_LARGE, f"The batch has {len(document['rows'])} rows; at most {max_rows} are answered at once."
        )
    result: list[Any] = document["rows"]
    return result
