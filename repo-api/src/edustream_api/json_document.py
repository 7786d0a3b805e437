"""Reads request bodies as JSON, strictly: no NaN, no infinity, no duplicate key, and every offender named."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Final

import orjson
from edustream_contracts.errors import Problem

from edustream_api.problems import MALFORMED, RequestRefused

QUOTE: Final = b'"'


class Marked:
    """Stands in a parsed document for something that JSON does not allow there."""

    def __init__(self, message: str, value: Any = None) -> None:
        self.message = message
        self.value = value


def parse(body: bytes) -> Any:
    """The document in `body`.

    Raises `RequestRefused` (`malformed-json`) with a JSON Pointer for every duplicate key and every number that is
    not finite; with the parser's own words for anything else that is not JSON.
    """
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise _malformed(body, str(error)) from error
    # Counting quotes costs 0.1 µs: two for each string seen, unless a key came twice or a string escapes a quote.
    if body.count(QUOTE) != 2 * _strings(document):
        problems = list(_offenders(_marked(body)))
        if problems:
            raise RequestRefused(MALFORMED, "The body has keys that occur twice.", problems)
    return document


def parse_plain(body: bytes) -> Any:
    """The document in `body`, at the least cost. Raises `ValueError` for one that `parse` has to look at."""
    document = orjson.loads(body)
    if body.count(QUOTE) != 2 * _strings(document):
        raise ValueError("a key occurs twice, or a string escapes a quotation mark")
    return document


def _strings(document: Any) -> int:
    containers: list[Any] = [[document]]
    total = 0
    for container in containers:
        values: Iterable[Any] = container
        if container.__class__ is dict:
            total += len(container)
            values = container.values()
        kinds = list(map(type, values))
        total += kinds.count(str)
        # A row is flat.
        if dict in kinds or list in kinds:
            containers.extend(value for value in values if value.__class__ is dict or value.__class__ is list)
    return total


def _malformed(body: bytes, complaint: str) -> RequestRefused:
    if not body:
        return RequestRefused(MALFORMED, "The body is empty; a JSON object is expected.")
    problems = list(_offenders(_marked(body)))
    detail = "The body has numbers or keys that JSON does not allow."
    return RequestRefused(MALFORMED, detail if problems else f"The body is no JSON: {complaint}.", problems)


def _marked(body: bytes) -> Any:
    try:
        return json.loads(body, object_pairs_hook=_object, parse_constant=_constant, parse_float=_float, parse_int=_int)
    except ValueError:
        return None
    except RecursionError as error:
        # What cannot be searched for duplicate keys is refused: a row is flat, so nothing valid is nested like this.
        raise RequestRefused(MALFORMED, "The body is nested too deeply.") from error


def _constant(token: str) -> Marked:
    return Marked(f"is {token}; JSON has only finite numbers")


def _float(token: str) -> float | Marked:
    number = float(token)
    return number if abs(number) != float("inf") else Marked("is beyond the range of a number")


def _int(token: str) -> int | Marked:
    number = _float(token)
    return number if isinstance(number, Marked) else int(token)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    counts = Counter(key for key, _ in pairs)
    return {key: Marked(f"occurs {counts[key]} times", value) if counts[key] > 1 else value for key, value in pairs}


def _offenders(document: Any) -> Iterator[Problem]:
    pending: list[tuple[str, Any]] = [("", document)]
    while pending:
        pointer, value = pending.pop()
        if isinstance(value, Marked):
            yield Problem(pointer, value.message)
        elif isinstance(value, dict):
            pending.extend((f"{pointer}/{_escaped(key)}", inner) for key, inner in reversed(value.items()))
        elif isinstance(value, list):
            pending.extend((f"{pointer}/{index}", inner) for index, inner in reversed(list(enumerate(value))))


def _escaped(key: str) -> str:
    # Half of a surrogate pair has no UTF-8 form, so an answer could not name it; it is shown as it was written.
    return key.encode(errors="backslashreplace").decode().replace("~", "~0").replace("/", "~1")
