"""Draws pairs of contracts that differ a little, and the values near every limit at which they could disagree."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from hypothesis import reject
from hypothesis import strategies as st

from edustream_contracts.contract import ModelContract, contract_from
from edustream_contracts.errors import InvalidInput
from edustream_contracts.schema_change import MAX_SAFE
from edustream_contracts.validation import SchemaValidator
from edustream_contracts.value_set import bounded

ABSENT = "(absent)"
NAMES = ("a", "b", "c")
PATTERNS = ("^[a-z]+$", "^[a-z]{2}$", "^[A-Z]?[a-z]*$", "b", "^(a|bb)*$", "")
NUMBERS = (
    *(-1, -0.5, 0, 0.5, 1, 1.0, 1.5, 2, 3, 2.5, -0.0, 5e-324, -5e-324, 1e300, -1e300, 1.7976931348623157e308),
    *(MAX_SAFE, -MAX_SAFE, 2.0**52, 2.0**53, 2.0**53 + 2, 2.0**63, 0.1, 0.30000000000000004, math.nextafter(1, 2)),
)
TEXTS = ("", "a", "b", "aa", "ab", "B", "Ab", "abc", "é", "😀", "😀😀", "a\n", "0", "1", "true", "null")

numbers = st.sampled_from(NUMBERS) | st.integers(-4, 4) | st.floats(allow_nan=False, allow_infinity=False)
LIMITS: Mapping[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), numbers),
    **dict.fromkeys(("minLength", "maxLength"), st.integers(0, 4)),
    "pattern": st.sampled_from(PATTERNS),
    "x-unit": st.sampled_from(["m", "km"]),
}
KINDS = ("number", "integer", "string", "boolean")
VALUES = {
    "number": numbers,
    "integer": numbers.map(math.floor).filter(lambda number: abs(number) <= MAX_SAFE),
    "string": st.sampled_from(TEXTS) | st.text(st.characters(exclude_categories=["Cs"]), max_size=4),
    "boolean": st.booleans(),
}
RELEVANT = {
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "x-unit"),
    "integer": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
    "string": ("minLength", "maxLength", "pattern"),
    "boolean": ("minimum", "minLength"),
}


@st.composite
def fields(draw: st.DrawFn) -> dict[str, Any]:
    """The schema of a field that admits something."""
    kind = draw(st.sampled_from(KINDS))
    spec: dict[str, Any] = {"type": [kind, "null"] if draw(st.booleans()) else kind, "description": "drawn"}
    for keyword in draw(st.lists(st.sampled_from(RELEVANT[kind]), max_size=3, unique=True)):
        spec[keyword] = draw(LIMITS[keyword])
    return _mended(_listed(draw, spec, kind) if draw(st.booleans()) else spec)


def _listed(draw: st.DrawFn, spec: dict[str, Any], kind: str) -> dict[str, Any]:
    values = draw(st.lists(VALUES[kind] | st.none(), min_size=1, max_size=4, unique_by=str))
    return {**spec, **draw(st.sampled_from([{"enum": values}, {"const": values[0]}]))}


def _mended(spec: dict[str, Any]) -> dict[str, Any]:
    """The field without limits that leave nothing, and without listed values that the rest of it excludes."""
    spec = dict(spec)
    limits = [keyword for keyword in spec if keyword in LIMITS]
    while (values := bounded(spec)) is not None and values.is_empty:
        del spec[limits.pop()]
    open_ended = {keyword: value for keyword, value in spec.items() if keyword not in ("enum", "const")}
    validator = SchemaValidator(open_ended)
    listed = [value for value in spec.get("enum", ()) if validator.is_valid(value)]
    listed = [value for index, value in enumerate(listed) if value not in listed[:index]]
    if listed:
        return {**open_ended, "enum": listed}
    return (
        {**open_ended, "const": spec["const"]} if "const" in spec and validator.is_valid(spec["const"]) else open_ended
    )


@st.composite
def changed(draw: st.DrawFn, spec: dict[str, Any]) -> dict[str, Any]:
    """The same field, another one, or this one with a keyword added, changed or removed."""
    form = draw(st.sampled_from(["same", "other", "added", "added", "removed", "listed", "type", "null"]))
    kind = spec["type"][0] if isinstance(spec["type"], list) else spec["type"]
    if form == "other":
        return draw(fields())
    if form == "added":
        keyword = draw(st.sampled_from(RELEVANT[kind]))
        return _mended({**spec, keyword: draw(LIMITS[keyword])})
    if form == "removed":
        gone = draw(st.sampled_from(sorted(spec.keys() - {"type", "description"}) or ["none"]))
        return {keyword: value for keyword, value in spec.items() if keyword != gone}
    if form == "listed":
        return _mended(_listed(draw, spec, kind))
    if form == "type":
        other = {"integer": "number", "number": "integer"}.get(kind, kind)
        return _mended({**spec, "type": draw(st.sampled_from([other, [other, "null"], kind, [kind, "null"]]))})
    if form == "null" and "enum" in spec:
        others = [value for value in spec["enum"] if value is not None]
        turned = others if None in spec["enum"] and others else [*others, None]
        return _mended({**spec, "type": [kind, "null"], "enum": turned})
    return spec


@st.composite
def schemas(draw: st.DrawFn) -> dict[str, Any]:
    """A flat object schema, without examples."""
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True))
    return _object(draw, {name: draw(fields()) for name in names})


@st.composite
def changed_schemas(draw: st.DrawFn, schema: dict[str, Any]) -> dict[str, Any]:
    """The same fields, each changed or not, one perhaps removed or added."""
    properties = {name: draw(changed(spec)) for name, spec in schema["properties"].items()}
    move = draw(st.sampled_from(["stay", "stay", "stay", "add", "remove"]))
    if move == "add":
        properties[draw(st.sampled_from(NAMES))] = draw(fields())
    elif move == "remove" and len(properties) > 1:
        properties.pop(draw(st.sampled_from(sorted(properties))))
    kept = draw(st.booleans())
    required = [name for name in schema["required"] if name in properties]
    return _object(draw, properties, required if kept else None)


def _object(draw: st.DrawFn, properties: dict[str, Any], required: list[str] | None = None) -> dict[str, Any]:
    chosen = draw(st.sets(st.sampled_from(sorted(properties)))) if required is None else required
    return {
        "type": "object",
        "properties": properties,
        "required": sorted(chosen),
        "additionalProperties": False,
    }


def nearby(*specs: Mapping[str, Any]) -> list[Any]:
    """Values at which the schemas of a field could disagree: their limits, the neighbours of these, other types."""
    values: list[Any] = [None, True, False, *TEXTS, *NUMBERS]
    for spec in specs:
        values.extend([*spec.get("enum", ()), *([spec["const"]] if "const" in spec else ())])
        for keyword in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"):
            if keyword in spec:
                values.extend(_around(float(spec[keyword])))
        for keyword in ("minLength", "maxLength"):
            values.extend("a" * max(spec.get(keyword, 0) + step, 0) for step in (-1, 0, 1))
            values.extend("xyz"[step] * spec.get(keyword, 0) for step in (0, 1))
    return values


def _around(number: float) -> Iterator[float | int]:
    yield from (number, math.nextafter(number, math.inf), math.nextafter(number, -math.inf))
    yield from (one for one in (number + 1, number - 1, number + 0.5, number - 0.5) if math.isfinite(one))
    yield from (math.floor(number) + step for step in (-1, 0, 1) if abs(number) < MAX_SAFE)


def example(schema: Mapping[str, Any]) -> dict[str, Any] | None:
    """A valid instance with every field that can be filled; None where a required one cannot."""
    row = {}
    for name, spec in schema["properties"].items():
        validator = SchemaValidator(spec)
        value = next((value for value in nearby(spec) if validator.is_valid(value)), ABSENT)
        if value is not ABSENT:
            row[name] = value
        elif name in schema["required"]:
            return None
    return row


def as_answer(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of an answer: a prediction, and the fields, each of which stands for a class."""
    label = {"type": "string", "description": "The prediction"}
    classes = {name: {**spec, "x-class": name} for name, spec in schema["properties"].items()}
    return {**schema, "properties": {"label": label, **classes}, "required": ["label", *schema["required"]]}


def contract(schema: Mapping[str, Any], tolerance: float = 1e-5) -> ModelContract | None:
    """A contract with this schema on both sides; None where the profile has none because a field admits nothing."""
    row = example(schema)
    if row is None:
        return None
    document = {
        "contract_format": 1,
        "model": "drawn",
        "title": "Drawn",
        "description": "Drawn",
        "input": {**schema, "examples": [row]},
        "output": {**as_answer(schema), "examples": [{"label": "a", **row}]},
        "golden_tolerance": tolerance,
    }
    try:
        return contract_from(document)
    except InvalidInput:
        return None


@st.composite
def chains(draw: st.DrawFn, length: int) -> list[ModelContract]:
    """Contracts, each with a few changes against the one before it."""
    schema = draw(schemas())
    found = []
    for _ in range(length):
        drawn = contract(schema, draw(st.sampled_from([1e-5, 1e-5, 1e-4])))
        if drawn is None:
            reject()
        found.append(drawn)
        schema = draw(changed_schemas(schema))
    return found


def instances(old: ModelContract, new: ModelContract) -> Iterator[dict[str, Any]]:
    """Rows of one field changed at a time: every value near a limit of either schema, and none at all."""
    before, after = old.document["input"]["properties"], new.document["input"]["properties"]
    for base in (old.example(), new.example()):
        yield base
        for name in {**before, **after}:
            yield {key: value for key, value in base.items() if key != name}
            for value in nearby(before.get(name, {}), after.get(name, {})):
                yield {**base, name: value}
