"""Checks rows and answers against their side of a contract, and says of each field at fault what it means."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from edustream_contracts.errors import Problem
from edustream_contracts.meaning import ABSENT, refusal
from edustream_contracts.validation import SchemaValidator


class RowValidator(SchemaValidator):
    """A compiled input or output of a contract; `problems` has one problem a field, however often it is violated."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        super().__init__(schema)
        self._fields: Mapping[str, Mapping[str, Any]] = schema["properties"]

    def _problems(self, instance: Any) -> Iterable[Problem]:
        # A field's name needs no escape in a JSON Pointer.
        found = {problem.pointer: problem for problem in super()._problems(instance)}
        for pointer, problem in found.items():
            field = self._fields.get(pointer[1:])
            yield Problem(pointer, refusal(field, instance.get(pointer[1:], ABSENT))) if field else problem
