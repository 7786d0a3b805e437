"""Replays a release's golden vectors: the model must answer here as it answered where it was trained."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from edustream_contracts.contract import ModelContract
from edustream_contracts.errors import Problem, Rejected
from edustream_contracts.schemas import object_validator

from edustream_api.inference import AnswerUnusable, Inference

FILE_NAME: Final = "golden.json"
MAX_SHOWN: Final = 20


def replay(data: bytes, inference: Inference, contract: ModelContract) -> int:
    """Answer every row of `golden.json` again; the number of rows that agreed.

    Numbers agree within the contract's `golden_tolerance` (absolute), everything else exactly.
    Raises `Rejected` (kind `malformed`) for a file that breaks its schema or whose rows break the contract, (kind
    `golden`) with each row, field and difference where the answers disagree.
    """
    rows = _rows(data, contract)
    try:
        answers = inference.answers([row["input"] for row in rows])
    except AnswerUnusable as error:
        raise _disagreement([Problem("rows", str(error))], len(rows)) from error
    problems = [
        problem
        for index, (row, answer) in enumerate(zip(rows, answers, strict=True))
        for problem in _differences(index, row["output"], answer, contract.golden_tolerance)
    ]
    if problems:
        raise _disagreement(problems, len(rows))
    return len(rows)


def _rows(data: bytes, contract: ModelContract) -> list[dict[str, Any]]:
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise _malformed([Problem("", f"is no JSON: {error}")]) from error
    problems = object_validator("golden").problems(document)
    if not problems:
        problems = [
            Problem(f"/rows/{index}/{side}{problem.pointer}", problem.message)
            for index, row in enumerate(document["rows"])
            for side, validator in (("input", contract.input_validator), ("output", contract.output_validator))
            for problem in validator.problems(row[side])
        ]
    if problems:
        raise _malformed(problems)
    rows: list[dict[str, Any]] = document["rows"]
    return rows


def _differences(index: int, expected: dict[str, Any], answer: dict[str, Any], tolerance: float) -> Iterator[Problem]:
    for name, value in expected.items():
        given = answer.get(name)
        if isinstance(value, int | float) and isinstance(given, int | float):
            difference = abs(value - given)
            if difference > tolerance:
                yield Problem(
                    f"row {index}, {name}",
                    f"is {given:.9g} here and was {value:.9g} there: {difference:.3g} apart, {tolerance:g} allowed",
                )
        elif given != value:
            yield Problem(f"row {index}, {name}", f"is {given!r} here and was {value!r} there")


def _malformed(problems: list[Problem]) -> Rejected:
    return Rejected(
        "malformed",
        f"The file {FILE_NAME} has {len(problems)} problems.",
        remedy="have the release made again; its golden vectors are unusable.",
        problems=problems[:MAX_SHOWN],
    )


def _disagreement(problems: list[Problem], rows: int) -> Rejected:
    return Rejected(
        "golden",
        f"The model does not answer its {rows} golden vectors as it did when it was trained: "
        f"{len(problems)} disagreement{'s' if len(problems) > 1 else ''}.",
        remedy="do not serve it; have the export compared with the trained model, and a new release published.",
        problems=problems[:MAX_SHOWN],
    )
