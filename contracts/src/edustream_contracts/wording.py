"""Says in plain words what changed between two contracts; the rules' names are stable (PROTOCOL.md, section 8.9)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from edustream_contracts.meaning import admitted as described
from edustream_contracts.meaning import listed
from edustream_contracts.value_set import Aspect

Direction = Literal["narrowed", "widened"]


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
            f"{name} {'does not admit' if narrowed else 'admits'} {listed(values)} {'any more' if narrowed else 'now'}."
        )
    return f"{name} is {described(after, unit=False)} now; it was {described(before, unit=False)}."


def _is_listed(spec: Mapping[str, Any]) -> bool:
    return "enum" in spec or "const" in spec


def _exclusive_binds(spec: Mapping[str, Any], aspect: Aspect) -> bool:
    inclusive, exclusive = (spec.get(name) for name in KEYWORDS[aspect])
    if exclusive is None or inclusive is None:
        return exclusive is not None
    return bool(exclusive >= inclusive if aspect == "low" else exclusive <= inclusive)
