"""Reads a JSON document, and notices what the standard library passes over: repeated members, and far too many."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Final

from edustream_contracts.errors import Problem
from edustream_contracts.validation import json_pointer

MAX_MEMBERS: Final = 1000
MAX_ITEMS: Final = 10_000


def parse_json(data: bytes) -> tuple[Any, list[Problem]]:
    """The document, and a problem for each member that its object names more than once (RFC 8259, section 4).

    Of such members the last one counts, so two readers could see two documents. Raises ValueError for what is no
    JSON, and RecursionError for what is nested too deeply.
    """
    # The objects are kept, so that each keeps an identity of its own.
    repeating: dict[int, tuple[dict[str, Any], list[str]]] = {}

    def read_object(members: list[tuple[str, Any]]) -> dict[str, Any]:
        read = dict(members)
        if len(read) < len(members):
            counted = Counter(name for name, _ in members)
            repeating[id(read)] = read, [name for name, count in counted.items() if count > 1]
        return read

    document = json.loads(data, object_pairs_hook=read_object)
    return document, _problems(document, repeating) if repeating else []


def crowded(document: Any) -> Iterator[Problem]:
    """Objects and arrays that are larger than a contract or a row needs; every member could be a problem of its own."""
    waiting: list[tuple[tuple[str | int, ...], Any]] = [((), document)]
    while waiting:
        path, node = waiting.pop()
        if not isinstance(node, dict | list):
            continue
        most = MAX_MEMBERS if isinstance(node, dict) else MAX_ITEMS
        if len(node) > most:
            yield Problem(json_pointer(path), f"has {len(node)} members; at most {most} are allowed")
        else:
            waiting.extend(((*path, key), member) for key, member in _members(node))


def _members(node: dict[str, Any] | list[Any]) -> Iterable[tuple[str | int, Any]]:
    return node.items() if isinstance(node, dict) else enumerate(node)


def _problems(document: Any, repeating: dict[int, tuple[dict[str, Any], list[str]]]) -> list[Problem]:
    problems: list[Problem] = []
    waiting: list[tuple[tuple[str | int, ...], Any]] = [((), document)]
    while waiting:
        path, node = waiting.pop()
        if isinstance(node, dict):
            _, names = repeating.get(id(node), (node, []))
            problems.extend(Problem(json_pointer([*path, name]), "is named more than once") for name in names)
            waiting.extend(((*path, name), member) for name, member in node.items())
        elif isinstance(node, list):
            waiting.extend(((*path, index), member) for index, member in enumerate(node))
    return sorted(problems, key=lambda problem: problem.pointer)
