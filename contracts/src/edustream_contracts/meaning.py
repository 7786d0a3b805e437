"""Says in plain words what a field of a contract means, what it admits, and what is wrong with a value."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

MAX_VALUE: Final = 60
MAX_LISTED: Final = 10
MAX_DESCRIPTION: Final = 160
MAX_EXACT: Final = 1e15
"""Below it, a double that is a whole number is written with all its digits."""
ABSENT: Final = object()

KINDS: Final = {"number": "a number", "integer": "a whole number", "string": "a text", "boolean": "true or false"}
# What may stand between two bounds is named once: "from 0 to 120", but "above 0 and at most 120".
LOWER: Final = {"minimum": "at least", "exclusiveMinimum": "above", "minLength": "at least"}
UPPER: Final = {"maximum": "at most", "exclusiveMaximum": "below", "maxLength": "at most"}


def admitted(spec: Mapping[str, Any], *, unit: bool = True) -> str:
    """What a field's schema admits, e.g. `a whole number from 0 to 120 month`; without its unit where that is said."""
    if "const" in spec:
        return _json(spec["const"])
    if "enum" in spec:
        return f"one of {listed(spec['enum'])}" if len(spec["enum"]) > 1 else _json(spec["enum"][0])
    types = spec["type"] if isinstance(spec["type"], list) else [spec["type"]]
    extent = _extent(spec)
    said = " ".join(filter(None, [KINDS[types[0]], extent]))
    if unit and "x-unit" in spec:
        said += f" {spec['x-unit']}" if extent else f" in {spec['x-unit']}"
    if "pattern" in spec:
        said += f" that matches {_json(spec['pattern'])}"
    return f"{said} or null" if "null" in types else said


def refusal(spec: Mapping[str, Any], value: Any = ABSENT) -> str:
    """Why a field does not admit `value`, what it admits instead, and what it means; `ABSENT` for no value at all."""
    held = found(value, spec.get("x-unit"))
    return f"{held}; {admitted(spec)} is allowed ({shortened(spec['description'], MAX_DESCRIPTION)})"


def found(value: Any, unit: str | None = None) -> str:
    """What a field holds, e.g. `is 500 month`, in at most a few words."""
    if value is ABSENT:
        return "is missing"
    if isinstance(value, Mapping | list):
        return f"is {'an object' if isinstance(value, Mapping) else 'an array'}"
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return f"is {_json(value)} {unit}" if is_number and unit else f"is {_json(value)}"


def shortened(text: str, most: int) -> str:
    """`text`, cut to `most` characters."""
    return text if len(text) <= most else text[: most - 1] + "…"


def _extent(spec: Mapping[str, Any]) -> str:
    lower = [(keyword, spec[keyword]) for keyword in LOWER if keyword in spec]
    upper = [(keyword, spec[keyword]) for keyword in UPPER if keyword in spec]
    if [keyword for keyword, _ in (*lower, *upper)] in (["minimum", "maximum"], ["minLength", "maxLength"]):
        said = f"from {_bound(lower[0][1])} to {_bound(upper[0][1])}"
    else:
        words = {**LOWER, **UPPER}
        said = " and ".join(f"{words[keyword]} {_bound(bound)}" for keyword, bound in (*lower, *upper))
    lengths = {"minLength", "maxLength"} & spec.keys()
    return f"{said} characters long" if lengths else said


def _bound(value: float) -> str:
    """A bound as people write it: 1000000 for what the document has as 1e6."""
    return _json(int(value) if isinstance(value, float) and value.is_integer() and abs(value) < MAX_EXACT else value)


def listed(values: Sequence[Any]) -> str:
    """Values as JSON, the first few of them."""
    shown = ", ".join(_json(value) for value in values[:MAX_LISTED])
    return shown if len(values) <= MAX_LISTED else f"{shown} and {len(values) - MAX_LISTED} more"


def _json(value: Any) -> str:
    # Half of a surrogate pair has no UTF-8 form, so no message could hold it.
    text = json.dumps(value, ensure_ascii=False).encode(errors="backslashreplace").decode()
    return shortened(text, MAX_VALUE)
