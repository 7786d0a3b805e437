"""Reads a release's golden vectors, `golden.json` (PROTOCOL.md, section 9.1), without running the model."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from math import inf
from typing import Any, Final, NoReturn

from edustream_contracts.contract import ModelContract
from edustream_contracts.errors import Problem, Rejected
from edustream_contracts.json_document import crowded
from edustream_contracts.meaning import shortened
from edustream_contracts.schemas import object_validator
from edustream_contracts.tensor_range import beyond_float32, unbounded

FILE_NAME: Final = "golden.json"
MAX_BYTES: Final = 8 * 1024 * 1024
MAX_SHOWN: Final = 20
MAX_TEXT: Final = 400
WELL_SHAPED: Final[dict[str, Any]] = {"input": {}, "output": {}}


def read_rows(data: bytes, contract: ModelContract) -> Sequence[Mapping[str, Any]]:
    """The rows, each with the members `input` and `output`, which satisfy the contract.

    Raises `Rejected` (kind `malformed`) for a file that is too large or breaks its schema, and for rows that break the
    contract.
    """
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
        raise ValueError(f"{brief(token)} is beyond the range of a number")
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


def brief(text: str) -> str:
    """What a message can show of a text that somebody else chose."""
    return shortened(text, MAX_TEXT)


def _malformed(problems: Sequence[Problem]) -> Rejected:
    more = f"; the first {MAX_SHOWN} problems are shown" if len(problems) == MAX_SHOWN else ""
    return Rejected(
        "malformed",
        f"The file {FILE_NAME} is unusable{more}.",
        remedy="have the release made again; nothing can be proved with these golden vectors.",
        problems=[Problem(brief(problem.pointer), brief(problem.message)) for problem in problems],
    )
