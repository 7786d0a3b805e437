from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edustream_contracts.validation import MAX_SHOWN, SchemaValidator, is_pattern

NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
NESTED: Any = json.loads("[" * 600 + "]" * 600)


def unescaped(pointer: str) -> list[str]:
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]


def test_every_violation_is_reported_where_it_is_ordered_by_pointer() -> None:
    validator = SchemaValidator(
        {
            "type": "object",
            "properties": {"a": {"type": "integer"}, "b": {"items": {"type": "string"}}},
            "required": ["a", "c"],
            "additionalProperties": False,
        }
    )

    problems = validator.problems({"a": "x", "b": ["y", 1], "z": 1, "d": 2})

    assert [(problem.pointer, problem.message) for problem in problems] == [
        ("/a", '"x" is not of type "integer"'),
        ("/b/1", '1 is not of type "string"'),
        ("/c", "is missing"),
        ("/d", "is not a field of the contract"),
        ("/z", "is not a field of the contract"),
    ]


def test_a_valid_instance_has_no_problems() -> None:
    validator = SchemaValidator({"type": "object"})

    assert validator.is_valid({})
    assert validator.problems({}) == []


def test_a_long_message_is_shortened() -> None:
    (problem,) = SchemaValidator({"type": "integer"}).problems("x" * 500)

    assert len(problem.message) == MAX_SHOWN
    assert problem.message.endswith("…")


@pytest.mark.parametrize("name", ["a/b", "a~b", "~1", "/", "~", "a/~b/"])
def test_pointers_escape_tilde_and_slash(name: str) -> None:
    escaped = name.replace("~", "~0").replace("/", "~1")

    assert [p.pointer for p in SchemaValidator({"required": [name]}).problems({})] == [f"/{escaped}"]
    wrong = SchemaValidator({"properties": {name: {"type": "integer"}}}).problems({name: "x"})
    assert [p.pointer for p in wrong] == [f"/{escaped}"]


@given(st.lists(NAMES, min_size=1, max_size=4))
def test_a_pointer_leads_back_to_the_names(path: list[str]) -> None:
    schema: dict[str, Any] = {"type": "integer"}
    instance: Any = "no integer"
    for name in reversed(path):
        schema = {"properties": {name: schema}}
        instance = {name: instance}

    (problem,) = SchemaValidator(schema).problems(instance)

    assert unescaped(problem.pointer) == path


@given(st.sets(NAMES, max_size=6), st.sets(NAMES, max_size=6))
def test_missing_and_unknown_fields_are_each_named(known: set[str], given_names: set[str]) -> None:
    validator = SchemaValidator(
        {"properties": {name: {} for name in known}, "required": sorted(known), "additionalProperties": False}
    )

    problems = validator.problems(dict.fromkeys(given_names, 1))

    said = {(unescaped(problem.pointer)[0], problem.message) for problem in problems}
    assert said == {
        *((name, "is missing") for name in known - given_names),
        *((name, "is not a field of the contract") for name in given_names - known),
    }
    assert validator.is_valid(dict.fromkeys(given_names, 1)) == (not problems)


@pytest.mark.parametrize("instance", [{"a\ud800": 1}, {"a": NESTED}], ids=["lone surrogate", "nested too deep"])
def test_what_the_validator_cannot_take_is_a_problem_not_a_crash(instance: Any) -> None:
    validator = SchemaValidator({"type": "object", "additionalProperties": False})

    (problem,) = validator.problems(instance)

    assert problem.message.startswith("cannot be checked")
    assert not validator.is_valid(instance)


@pytest.mark.parametrize(("text", "valid"), [("^a+$", True), ("", True), ("(", False), ("[a", False), ("*", False)])
def test_patterns(text: str, valid: bool) -> None:
    assert is_pattern(text) == valid
