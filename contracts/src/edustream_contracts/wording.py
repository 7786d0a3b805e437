"""Says in plain words what changed between two contracts; the rules' names are stable (PROTOCOL.md, section 8.9)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from edustream_contracts.value_set import Aspect

Direction = Literal["narrowed", "widened"]

MAX_NAMED: Final = 5

RULES: Final[dict[tuple[Aspect, Direction], str]] = {
    ("null", "narrowed"): "null-refused",
    ("null", "widened"): "null-admitted",
    ("type", "narrowed"): "type-changed",
    ("type", "widened"): "type-changed",
    ("whole", "narrowed"): "type-narrowed",
    ("whole", "widened"): "type-widened",
    ("low", "narrowed"): "minimum-raised",
    ("low", "widened"): "minimum-lowered",
    ("high", "narrowed"): "maximum-lowered",
    ("high", "widened"): "maximum-raised",
    ("listed", "narrowed"): "values-removed",
    ("listed", "widened"): "values-added",
    ("shortest", "narrowed"): "min-length-raised",
    ("shortest", "widened"): "min-length-lowered",
    ("longest", "narrowed"): "max-length-lowered",
    ("longest", "widened"): "max-length-raised",
    ("pattern", "narrowed"): "pattern-narrowed",
    ("pattern", "widened"): "pattern-widened",
}
KEYWORDS: Final[dict[Aspect, tuple[str, ...]]] = {
    "null": ("type",),
    "type": ("type",),
    "whole": ("type",),
    "low": ("minimum", "exclusiveMinimum"),
    "high": ("maximum", "exclusiveMaximum"),
    "listed": (),
    "shortest": ("minLength",),
    "longest": ("maxLength",),
    "pattern": ("pattern",),
}
CONSEQUENCES: Final[dict[tuple[str, Direction], str]] = {
    ("input", "narrowed"): "Rows that were valid are refused.",
    ("input", "widened"): "Rows that were valid stay valid.",
    ("output", "narrowed"): "Every answer was possible before.",
    ("output", "widened"): "Answers that were ruled out become possible.",
}
UNDECIDED: Final = "Patterns are compared by their text; no value was found that shows the difference."


def keywords(spec: Mapping[str, Any], aspect: Aspect) -> dict[str, Any]:
    """The keywords of a field's schema that decide an aspect of it."""
    return {name: spec[name] for name in (*KEYWORDS[aspect], "enum", "const") if name in spec}


def binding_keyword(spec: Mapping[str, Any], aspect: Aspect) -> str:
    """The keyword of a field's schema by which it refuses values."""
    if aspect == "listed":
        return "const" if "const" in spec else "enum"
    if aspect == "null":
        return "type" if "null" not in spec["type"] else binding_keyword(spec, "listed")
    if aspect in ("low", "high"):
        inclusive, exclusive = KEYWORDS[aspect]
        return exclusive if _exclusive_binds(spec, aspect) else inclusive
    return KEYWORDS[aspect][0]


def sentence(
    name: str,
    aspect: Aspect,
    direction: Direction,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    values: Sequence[Any],
) -> str:
    """What changed about a field: `values` are those that were lost or won."""
    narrowed = direction == "narrowed"
    if aspect == "null":
        return f"{name} may {'not be null any more' if narrowed else 'be null now'}."
    if aspect == "whole":
        return f"{name} {'must be a whole number now' if narrowed else 'may have a fractional part now'}."
    if aspect == "listed" and _is_listed(before) and _is_listed(after):
        return (
            f"{name} {'does not admit' if narrowed else 'admits'} {named(values)} {'any more' if narrowed else 'now'}."
        )
    return f"{name} is {_described(after, aspect)} now; it was {_described(before, aspect)}."


def named(values: Sequence[Any]) -> str:
    """Values as JSON, the first few of them."""
    shown = ", ".join(json.dumps(value, ensure_ascii=False) for value in values[:MAX_NAMED])
    return shown if len(values) <= MAX_NAMED else f"{shown} and {len(values) - MAX_NAMED} more"


def _is_listed(spec: Mapping[str, Any]) -> bool:
    return "enum" in spec or "const" in spec


def _exclusive_binds(spec: Mapping[str, Any], aspect: Aspect) -> bool:
    inclusive, exclusive = (spec.get(name) for name in KEYWORDS[aspect])
    if exclusive is None or inclusive is None:
        return exclusive is not None
    return bool(exclusive >= inclusive if aspect == "low" else exclusive <= inclusive)


def _described(spec: Mapping[str, Any], aspect: Aspect) -> str:
    if aspect == "type":
        return f"of type {spec['type'][0] if isinstance(spec['type'], list) else spec['type']}"
    if "const" in spec:
        return f"always {named([spec['const']])}"
    if "enum" in spec:
        return f"one of {named(spec['enum'])}"
    bound = spec.get(binding_keyword(spec, aspect)) if aspect != "listed" else None
    if aspect in ("low", "high"):
        return _bounded(aspect, bound, exclusive=_exclusive_binds(spec, aspect))
    if aspect == "shortest":
        return f"of at least {bound or 0} characters"
    if aspect == "longest":
        return "of any length" if bound is None else f"of at most {bound} characters"
    if aspect == "pattern":
        return "of any form" if bound is None else f"of the form {named([bound])}"
    return f"any {spec['type'][0] if isinstance(spec['type'], list) else spec['type']} within its bounds"


def _bounded(aspect: Aspect, bound: float | None, *, exclusive: bool) -> str:
    if bound is None:
        return f"without {'a lower' if aspect == 'low' else 'an upper'} bound"
    words = {"low": ("at least", "more than"), "high": ("at most", "less than")}[aspect]
    return f"{words[exclusive]} {named([bound])}"
