"""Replays a release's golden vectors: the model must answer here as it answered where it was trained."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from math import inf
from typing import Any, Final, NoReturn, TypeGuard

from edustream_contracts.contract import ModelContract
from edustream_contracts.errors import Problem, Rejected
from edustream_contracts.json_document import crowded
from edustream_contracts.meaning import shortened
from edustream_contracts.schemas import object_validator
from edustream_contracts.tensor_range import beyond_float32, unbounded
from edustream_registry.inference.session import Answer, AnswerUnusable, Inference, Row

FILE_NAME: Final = "golden.json"
MAX_BYTES: Final = 8 * 1024 * 1024
MAX_SHOWN: Final = 20
MAX_TEXT: Final = 400
WELL_SHAPED: Final[dict[str, Any]] = {"input": {}, "output": {}}


def replay(data: bytes, inference: Inference, contract: ModelContract) -> int:
    """Answer every row of `golden.json` again; the number of rows that agreed.

    Numbers agree within the contract's `golden_tolerance` (absolute), everything else exactly.
    Raises `Rejected` (kind `malformed`) for a file that is too large, breaks its schema, or whose rows break the
    contract, (kind `golden`) with each row, field and difference where the answers disagree.
    """
    rows = _rows(data, contract)
    answers = _answers(rows, inference)
    shown: list[Problem] = []
    wrong, largest = 0, 0.0
    for index, (row, answer) in enumerate(zip(rows, answers, strict=True)):
        differences = list(_differences(index, row["output"], answer, contract.golden_tolerance))
        shown.extend(problem for problem, _ in differences[: MAX_SHOWN - len(shown)])
        wrong += bool(differences)
        largest = max([largest, *(difference for _, difference in differences)])
    if wrong:
        by = f"; the largest difference is {largest:.3g}" if 0.0 < largest < inf else ""
        raise _disagreement(f"{wrong} of {len(rows)} golden rows{by}", shown)
    return len(rows)


def _rows(data: bytes, contract: ModelContract) -> Sequence[Mapping[str, Any]]:
    if len(data) > MAX_BYTES:
        raise _malformed([Problem("", f"has {len(data)} bytes; at most {MAX_BYTES} are allowed")])
    try:
        document = json.loads(data, parse_constant=_no_number, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise _malformed([Problem("", f"is no JSON: {error}")]) from error
    # Every member could be a problem of its own, so they are counted first and named up to a bound.
    for problems in (crowded(document), _shape_problems(document), _row_problems(document, contract)):
        if found := list(islice(problems, MAX_SHOWN)):
            raise _malformed(found)
    rows: Sequence[Mapping[str, Any]] = document["rows"]
    return rows


def _no_number(token: str) -> NoReturn:
    raise ValueError(f"{token} is no number of JSON")


def _finite(token: str) -> float:
    number = float(token)
    if abs(number) == inf:
        raise ValueError(f"{_shortened(token)} is beyond the range of a number")
    return number


def _shape_problems(document: Any) -> Iterator[Problem]:
    shape = object_validator("golden")
    if shape.is_valid(document):
        return
    rows = document.get("rows") if isinstance(document, dict) else None
    if not isinstance(rows, list) or not rows:
        yield from shape.problems(document)
        return
    yield from shape.problems({**document, "rows": [WELL_SHAPED]})
    for index, row in enumerate(rows):
        for problem in shape.problems({"golden_format": 1, "rows": [row]}):
            yield Problem(f"/rows/{index}{problem.pointer.removeprefix('/rows/0')}", problem.message)


def _row_problems(document: Any, contract: ModelContract) -> Iterator[Problem]:
    fields = unbounded(contract)
    for index, row in enumerate(document["rows"]):
        sides = {
            "input": contract.input_validator.problems(row["input"]) or beyond_float32(row["input"], fields),
            "output": contract.output_validator.problems(row["output"]),
        }
        for side, problems in sides.items():
            for problem in problems:
                yield Problem(f"/rows/{index}/{side}{problem.pointer}", problem.message)


def _answers(rows: Sequence[Mapping[str, Any]], inference: Inference) -> Sequence[Answer]:
    inputs = [row["input"] for row in rows]
    try:
        return inference.answers(inputs)
    except AnswerUnusable as error:
        problems = list(islice(_unanswered(inputs, inference), MAX_SHOWN)) or [Problem("/rows", str(error))]
        raise _disagreement(f"it fails on some of its {len(rows)} golden rows", problems) from error


def _unanswered(inputs: Iterable[Row], inference: Inference) -> Iterator[Problem]:
    for index, row in enumerate(inputs):
        try:
            inference.answer(row)
        except AnswerUnusable as error:
            yield Problem(f"/rows/{index}/input", f"has no usable answer: {error}")


def _differences(index: int, recorded: Answer, answer: Answer, tolerance: float) -> Iterator[tuple[Problem, float]]:
    for name, given in answer.items():
        value = recorded.get(name)
        pointer = f"/rows/{index}/output/{name}"
        if name not in recorded:
            yield Problem(pointer, f"is {_shown(given)} and was not recorded"), 0.0
        elif _is_number(value) and _is_number(given):
            difference = _distance(value, given)
            if not difference <= tolerance:
                apart = f"{difference:.3g} apart, {tolerance:g} allowed"
                yield Problem(pointer, f"is {_shown(given)} and was recorded as {_shown(value)}: {apart}"), difference
        elif given != value or type(given) is not type(value):
            yield Problem(pointer, f"is {_shown(given)} and was recorded as {_shown(value)}"), 0.0


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _distance(recorded: float, given: float) -> float:
    try:
        return abs(recorded - given)
    except OverflowError:
        # An integer that no float holds.
        return inf


def _shown(value: Any) -> str:
    return f"{value:.9g}" if isinstance(value, float) else _shortened(json.dumps(value))


def _shortened(text: str) -> str:
    return shortened(text, MAX_TEXT)


def _malformed(problems: Sequence[Problem]) -> Rejected:
    more = f"; the first {MAX_SHOWN} problems are shown" if len(problems) == MAX_SHOWN else ""
    return Rejected(
        "malformed",
        f"The file {FILE_NAME} is unusable{more}.",
        remedy="have the release made again; nothing can be proved with these golden vectors.",
        problems=[Problem(_shortened(problem.pointer), _shortened(problem.message)) for problem in problems],
    )


def _disagreement(what: str, problems: Sequence[Problem]) -> Rejected:
    return Rejected(
        "golden",
        f"The model does not answer as it did when it was trained: {what}.",
        remedy="do not serve it; have the export compared with the trained model, and a new release published.",
        problems=[Problem(problem.pointer, _shortened(problem.message)) for problem in problems],
    )
