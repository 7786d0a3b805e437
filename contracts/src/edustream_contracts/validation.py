"""Checks instances against JSON Schema 2020-12 and reports every violation at once, in words a person can act on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import jsonschema_rs

from edustream_contracts.errors import Problem

MAX_SHOWN = 120
# A pattern that needs more memory is refused; a text that needs more steps to be matched does not match.
PATTERN_LIMITS = jsonschema_rs.FancyRegexOptions(size_limit=1024 * 1024, backtrack_limit=10_000)


class SchemaValidator:
    """A compiled schema: `is_valid` in microseconds, `problems` with every violation and its JSON Pointer."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._validator = jsonschema_rs.Draft202012Validator(dict(schema), pattern_options=PATTERN_LIMITS)

    def is_valid(self, instance: Any) -> bool:
        """Whether `instance` (anything `json.loads` returns) satisfies the schema."""
        try:
            return self._validator.is_valid(instance)
        except ValueError:
            return False

    def problems(self, instance: Any) -> list[Problem]:
        """Every violation of `instance`, ordered by where it is; empty when it is valid."""
        return sorted(self._problems(instance), key=lambda problem: problem.pointer)

    def _problems(self, instance: Any) -> Iterable[Problem]:
        try:
            errors = list(self._validator.iter_errors(instance))
        except ValueError as error:
            # What json.loads admits and the validator cannot take: lone surrogates, nesting beyond its limit.
            yield Problem("", f"cannot be checked: {_shortened(str(error))}")
            return
        for violation in errors:
            yield from _named(violation)


def is_pattern(text: str) -> bool:
    """Whether `text` is a regular expression that the keyword `pattern` may hold, and no larger than 1 MiB compiled."""
    try:
        SchemaValidator({"pattern": text})
    except ValueError:
        return False
    return True


def backtracks(pattern: str) -> bool:
    """Whether a valid pattern has look-around or back-references, so that a text may take its square in steps."""
    try:
        jsonschema_rs.Draft202012Validator({"pattern": pattern}, pattern_options=jsonschema_rs.RegexOptions())
    except ValueError:
        return True
    return False


def json_pointer(parts: Iterable[str | int]) -> str:
    """The JSON Pointer (RFC 6901) that leads along member names and array indices."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def _named(error: jsonschema_rs.ValidationError) -> Iterable[Problem]:
    kind = error.kind
    path = list(error.instance_path)
    if isinstance(kind, jsonschema_rs.ValidationErrorKind.Required):
        yield Problem(json_pointer([*path, kind.property]), "is missing")
    elif isinstance(kind, jsonschema_rs.ValidationErrorKind.AdditionalProperties):
        for name in kind.unexpected:
            yield Problem(json_pointer([*path, name]), "is not a field of the contract")
    else:
        yield Problem(json_pointer(path), _shortened(error.message))


def _shortened(message: str) -> str:
    return message if len(message) <= MAX_SHOWN else message[: MAX_SHOWN - 1] + "…"
