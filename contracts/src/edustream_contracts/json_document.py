"""Reads a JSON document, and notices members that are named twice, which the standard library passes over."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from edustream_contracts.errors import Problem
from edustream_contracts.validation import json_pointer


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
