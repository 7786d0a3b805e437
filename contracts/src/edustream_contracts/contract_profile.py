"""What the closed profile asks of a contract beyond its JSON Schema: that every field can be filled."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Final

from edustream_contracts.errors import Problem
from edustream_contracts.json_document import crowded
from edustream_contracts.meaning import listed
from edustream_contracts.resources import read_json
from edustream_contracts.text_set import TextSet
from edustream_contracts.validation import SchemaValidator, backtracks, is_pattern, json_pointer
from edustream_contracts.value_set import bounded

MAX_PROBLEMS: Final = 1000
# A text of a contract takes up to the square of its length where the pattern needs backtracking.
MAX_BACKTRACKED: Final = 1000
BLANK: Final = {"type": "number", "description": "blank"}
# Lower limits, then upper ones.
LIMITS: Final = ("minimum", "exclusiveMinimum", "minLength", "maximum", "exclusiveMaximum", "maxLength")


def profile_problems(document: Any) -> list[Problem]:
    """What puts a parsed document outside the profile, ordered by JSON Pointer; empty for a contract.

    Every problem is reported, up to `MAX_PROBLEMS`. What cannot be judged because of one is left out: the bounds of a
    field that is malformed itself, the examples of a schema that is.
    """
    too_large = list(crowded(document))
    found = too_large or [*islice(_malformed(document), MAX_PROBLEMS)]
    if not too_large and len(found) < MAX_PROBLEMS:
        found.extend(islice(_unusable(document, found), MAX_PROBLEMS - len(found)))
    return sorted(found, key=lambda problem: problem.pointer)


def _malformed(document: Any) -> Iterator[Problem]:
    """What the JSON Schema of contracts refuses, each field on its own: so much is held in memory at once."""
    schema = read_json("schemas", "model-contract.schema.json")
    if SchemaValidator(schema).is_valid(document):
        return
    yield from SchemaValidator(schema).problems(_without_fields(document))
    field = SchemaValidator({"$ref": "#/$defs/field", "$defs": schema["$defs"]})
    for side, properties in _properties(document):
        for name, spec in properties.items():
            for problem in field.problems(spec):
                yield Problem(json_pointer([side, "properties", name]) + problem.pointer, problem.message)


def _properties(document: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    for side in ("input", "output"):
        schema = document.get(side) if isinstance(document, dict) else None
        properties = schema.get("properties") if isinstance(schema, dict) else None
        if isinstance(properties, dict):
            yield side, properties


def _without_fields(document: Any) -> Any:
    """The document with a harmless schema in the place of every field's."""
    blank = {
        side: {**document[side], "properties": dict.fromkeys(properties, BLANK)}
        for side, properties in _properties(document)
    }
    return {**document, **blank} if blank else document


def _unusable(document: Any, malformed: list[Problem]) -> Iterator[Problem]:
    flawed = {"/".join(problem.pointer.split("/")[:depth]) for problem in malformed for depth in (2, 3, 4)}
    for side, _ in _properties(document):
        schema = document[side]
        found = list(_of_schema(side, schema, flawed))
        yield from found
        if not found and f"/{side}" not in flawed:
            yield from list(_slow_examples(side, schema)) or _examples_that_fail(side, schema)


def _of_schema(side: str, schema: Mapping[str, Any], flawed: Collection[str]) -> Iterator[Problem]:
    for name, spec in schema["properties"].items():
        pointer = f"/{side}/properties/{name}"
        if pointer not in flawed:
            yield from _of_field(pointer, spec)
            if side == "input" and "x-class" in spec:
                yield Problem(f"{pointer}/x-class", "has a meaning in the output only")
    if "required" in schema and f"/{side}/required" not in flawed:
        yield from _unknown_required(side, schema)
    if side == "output" and "/output/properties" not in flawed:
        yield from _of_classes(schema["properties"])


def _of_field(pointer: str, spec: Mapping[str, Any]) -> Iterator[Problem]:
    if "pattern" in spec and not is_pattern(spec["pattern"]):
        yield Problem(f"{pointer}/pattern", f"{spec['pattern']!r} is no regular expression, or one that is too large")
        return
    unfit = _empty_bounds(pointer, spec) or list(_slow_values(pointer, spec))
    yield from unfit
    if not unfit:
        yield from _impossible_values(pointer, spec)


def _slow_values(pointer: str, spec: Mapping[str, Any]) -> Iterator[Problem]:
    """Listed texts that take too long to be matched against the pattern of their field."""
    values = [(f"{pointer}/enum/{index}", value) for index, value in enumerate(spec.get("enum", ()))]
    if "const" in spec:
        values.append((f"{pointer}/const", spec["const"]))
    return _too_long(values, spec)


def _slow_examples(side: str, schema: Mapping[str, Any]) -> Iterator[Problem]:
    """Texts of examples that take too long to be matched."""
    for name, spec in schema["properties"].items():
        rows = enumerate(schema["examples"]) if "pattern" in spec else ()
        values = [(f"/{side}/examples/{index}/{name}", row[name]) for index, row in rows if name in row]
        yield from _too_long(values, spec)


def _too_long(values: Iterable[tuple[str, Any]], spec: Mapping[str, Any]) -> Iterator[Problem]:
    long = [(at, len(text)) for at, text in values if isinstance(text, str) and len(text) > MAX_BACKTRACKED]
    if long and "pattern" in spec and backtracks(spec["pattern"]):
        for at, length in long:
            yield Problem(
                at,
                f"has {length} characters; a pattern with look-around or back-references is "
                f"tried on at most {MAX_BACKTRACKED}",
            )


def _empty_bounds(pointer: str, spec: Mapping[str, Any]) -> list[Problem]:
    values = bounded(spec)
    if values is None or not values.is_empty:
        return []
    limits = [keyword for keyword in LIMITS if keyword in spec]
    said = " and ".join(f"{keyword} {listed([spec[keyword]])}" for keyword in limits)
    kind = "text" if isinstance(values, TextSet) else "whole number" if values.whole else "number"
    return [Problem(f"{pointer}/{limits[-1]}", f"admits nothing: no {kind} satisfies {said}")]


def _impossible_values(pointer: str, spec: Mapping[str, Any]) -> Iterator[Problem]:
    """Values that are listed and that another keyword of the same field excludes."""
    rest = SchemaValidator({keyword: value for keyword, value in spec.items() if keyword not in ("enum", "const")})
    for index, value in enumerate(spec.get("enum", ())):
        for problem in rest.problems(value):
            yield Problem(f"{pointer}/enum/{index}", f"can never be valid: {problem.message}")
    if "const" not in spec:
        return
    rest = SchemaValidator({keyword: value for keyword, value in spec.items() if keyword != "const"})
    for problem in rest.problems(spec["const"]):
        yield Problem(f"{pointer}/const", f"can never be valid: {problem.message}")


def _unknown_required(side: str, schema: Mapping[str, Any]) -> Iterator[Problem]:
    for index, name in enumerate(schema["required"]):
        if name not in schema["properties"]:
            yield Problem(f"/{side}/required/{index}", f"names {name!r}, which is not among the properties")


def _of_classes(properties: Mapping[str, Any]) -> Iterator[Problem]:
    labels = [name for name, spec in properties.items() if "x-class" not in spec]
    if len(labels) != 1:
        found = f"there are {len(labels)}: {', '.join(labels)}" if labels else "there is none"
        yield Problem("/output/properties", f"exactly one field has no x-class, it takes the prediction; {found}")
    categories = properties[labels[0]].get("enum") if len(labels) == 1 else None
    seen: dict[str, str] = {}
    for name, spec in properties.items():
        if "x-class" not in spec:
            continue
        pointer, wanted = f"/output/properties/{name}/x-class", spec["x-class"]
        if categories is not None and wanted not in map(_class_of, categories):
            yield Problem(pointer, f"{listed([wanted])} is no class that {labels[0]} admits: {listed(categories)}")
        if wanted in seen:
            yield Problem(pointer, f"{listed([wanted])} is the class of {seen[wanted]} too")
        seen.setdefault(wanted, name)


def _class_of(category: Any) -> str:
    """How the manifest's `outputs.classes`, which are texts, write a category."""
    return category if isinstance(category, str) else listed([category])


def _examples_that_fail(side: str, schema: Mapping[str, Any]) -> Iterator[Problem]:
    validator = SchemaValidator(schema)
    for index, example in enumerate(schema["examples"]):
        for problem in validator.problems(example):
            yield Problem(f"/{side}/examples/{index}{problem.pointer}", problem.message)
