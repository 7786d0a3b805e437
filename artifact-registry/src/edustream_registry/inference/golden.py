"""Replays a release's golden vectors: the model must answer here as it answered where it was trained."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from math import inf
from typing import Any, TypeGuard

from edustream_contracts.contract import ModelContract
from edustream_contracts.errors import Problem, Rejected
from edustream_registry.golden_vectors import MAX_SHOWN, brief, read_rows
from edustream_registry.inference.session import Answer, AnswerUnusable, Inference
from edustream_registry.inference.tensors import Row


def replay(data: bytes, inference: Inference, contract: ModelContract) -> int:
    """Answer every row of `golden.json` again; the number of rows that agreed.

    Numbers agree within the contract's `golden_tolerance` (absolute) or its `golden_relative_tolerance` (a share of the
    recorded one), everything else exactly.
    Raises `Rejected` (kind `malformed`) for a file that is too large, breaks its schema, or whose rows break the
    contract, (kind `golden`) with each row, field and difference where the answers disagree.
    """
    rows = read_rows(data, contract)
    answers = _answers(rows, inference)
    shown: list[Problem] = []
    wrong, largest = 0, 0.0
    for index, (row, answer) in enumerate(zip(rows, answers, strict=True)):
        differences = list(_differences(index, row["output"], answer, contract))
        shown.extend(problem for problem, _ in differences[: MAX_SHOWN - len(shown)])
        wrong += bool(differences)
        largest = max([largest, *(difference for _, difference in differences)])
    if wrong:
        by = f"; the largest difference is {largest:.3g}" if 0.0 < largest < inf else ""
        raise _disagreement(f"{wrong} of {len(rows)} golden rows{by}", shown)
    return len(rows)


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


def _differences(
    index: int, recorded: Answer, answer: Answer, contract: ModelContract
) -> Iterator[tuple[Problem, float]]:
    for name, given in answer.items():
        value = recorded.get(name)
        pointer = f"/rows/{index}/output/{name}"
        if name not in recorded:
            yield Problem(pointer, f"is {_shown(given)} and was not recorded"), 0.0
        elif _is_number(value) and _is_number(given):
            difference = _distance(value, given)
            tolerance = _tolerance(value, contract)
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


def _tolerance(recorded: float, contract: ModelContract) -> float:
    try:
        return max(contract.golden_tolerance, contract.golden_relative_tolerance * abs(recorded))
    except OverflowError:
        # An integer that no float holds is infinitely far from every answer.
        return contract.golden_tolerance


def _shown(value: Any) -> str:
    return f"{value:.9g}" if isinstance(value, float) else brief(json.dumps(value))


def _disagreement(what: str, problems: Sequence[Problem]) -> Rejected:
    return Rejected(
        "golden",
        f"The model does not answer as it did when it was trained: {what}.",
        remedy="do not serve it; have the export compared with the trained model, and a new release published.",
        problems=[Problem(problem.pointer, brief(problem.message)) for problem in problems],
    )
