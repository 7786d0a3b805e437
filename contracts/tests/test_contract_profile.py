"""What the profile refuses beyond its schema: contracts that nobody could keep, and documents made to do harm."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from edustream_contracts.contract import MAX_BYTES, ModelContract, contract_from, parse_contract
from edustream_contracts.errors import InvalidInput

PARSE_BOUNDED = """
import resource, sys
from pathlib import Path
from edustream_contracts.contract import parse_contract
from edustream_contracts.errors import InvalidInput
resource.setrlimit(resource.RLIMIT_CPU, (20, 20))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    parse_contract(Path(sys.argv[1]).read_bytes())
except InvalidInput as error:
    print(len(error.problems), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def field(**keywords: Any) -> dict[str, Any]:
    return {"description": "A field", **keywords}


def refusals(document: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(InvalidInput) as caught:
        contract_from(document)
    return {problem.pointer: problem.message for problem in caught.value.problems}


def refusals_of(document: dict[str, Any], **keywords: Any) -> dict[str, str]:
    """Pointers, relative to an optional input field with these keywords, and messages."""
    document["input"]["properties"]["extra"] = field(**keywords)
    return {pointer.removeprefix("/input/properties/extra"): text for pointer, text in refusals(document).items()}


@pytest.mark.parametrize(
    ("keywords", "pointer", "message"),
    [
        ({"type": "number", "minimum": 2, "maximum": 1}, "/maximum", "no number satisfies minimum 2 and maximum 1"),
        ({"type": "number", "minimum": 1, "exclusiveMaximum": 1}, "/exclusiveMaximum", "no number satisfies"),
        ({"type": "number", "exclusiveMinimum": 1, "maximum": 1}, "/maximum", "no number satisfies"),
        ({"type": "integer", "minimum": 0.2, "maximum": 0.8}, "/maximum", "no whole number satisfies"),
        ({"type": "integer", "exclusiveMinimum": 3, "exclusiveMaximum": 4}, "/exclusiveMaximum", "no whole number"),
        ({"type": ["integer", "null"], "exclusiveMinimum": 3, "maximum": 3}, "/maximum", "no whole number"),
        ({"type": "number", "exclusiveMinimum": sys.float_info.max}, "/exclusiveMinimum", "no number satisfies"),
        ({"type": "number", "exclusiveMaximum": -sys.float_info.max}, "/exclusiveMaximum", "no number satisfies"),
        (
            {"type": "string", "minLength": 3, "maxLength": 2},
            "/maxLength",
            "no text satisfies minLength 3 and maxLength 2",
        ),
        ({"type": "integer", "enum": [1, "two"]}, "/enum/1", '"two" is not of type "integer"'),
        ({"type": "integer", "enum": [1.5, 2]}, "/enum/0", 'is not of type "integer"'),
        ({"type": "integer", "enum": [0, 5], "minimum": 1}, "/enum/0", "0 is less than the minimum of 1"),
        ({"type": "number", "enum": [1, None]}, "/enum/1", 'null is not of type "number"'),
        ({"type": "integer", "enum": [1, True]}, "/enum/1", 'true is not of type "integer"'),
        ({"type": "boolean", "enum": [True, 0]}, "/enum/1", '0 is not of type "boolean"'),
        ({"type": "string", "enum": ["a", "long"], "maxLength": 1}, "/enum/1", "longer than 1 character"),
        ({"type": "string", "enum": ["a", "B"], "pattern": "^[a-z]$"}, "/enum/1", "does not match"),
        ({"type": "string", "const": 5}, "/const", 'not of type "string"'),
        ({"type": "integer", "enum": [1, 2], "const": 3}, "/const", "3 is not one of 1 or 2"),
        ({"type": "integer", "maximum": 2, "const": 3}, "/const", "3 is greater than the maximum of 2"),
        ({"type": "string", "maxLength": 65537}, "/maxLength", "65537 is greater than the maximum of 65536"),
    ],
)
def test_a_field_that_admits_nothing_or_lists_the_impossible(
    churn_document: dict[str, Any], keywords: dict[str, Any], pointer: str, message: str
) -> None:
    found = refusals_of(churn_document, **keywords)

    assert set(found) == {pointer}
    assert message in found[pointer]


@pytest.mark.parametrize(
    "keywords",
    [
        {"type": "number", "minimum": 1, "maximum": 1},
        {"type": "integer", "exclusiveMinimum": 0.5, "maximum": 1.5},
        {"type": "integer", "exclusiveMinimum": 3, "exclusiveMaximum": 5},
        {"type": "string", "minLength": 0, "maxLength": 0},
        {"type": "integer", "enum": [1.0, 2]},
        {"type": ["string", "null"], "enum": ["a", None]},
        {"type": ["string", "null"], "const": None},
        {"type": "boolean", "const": True},
        {"type": "string", "minimum": 5, "maximum": 1},
        {"type": "integer", "minLength": 5, "maxLength": 1},
        {"type": "number", "minimum": -sys.float_info.max, "maximum": sys.float_info.max},
    ],
)
def test_a_field_that_admits_little(churn_document: dict[str, Any], keywords: dict[str, Any]) -> None:
    churn_document["input"]["properties"]["extra"] = field(**keywords)

    assert isinstance(contract_from(churn_document), ModelContract)


@pytest.mark.parametrize("pattern", ["(?=.*.*y)q|a$", r"(a)\1"])
def test_a_long_text_is_not_tried_against_a_pattern_that_backtracks(
    churn_document: dict[str, Any], pattern: str
) -> None:
    churn_document["input"]["examples"][0]["extra"] = "a" * 1001

    assert refusals_of(churn_document, type="string", pattern=pattern) == {
        "/input/examples/0/extra": "has 1001 characters; a pattern with look-around or back-references is "
        "tried on at most 1000"
    }
    found = refusals_of(churn_document, type="string", pattern=pattern, enum=["a" * 1001], const="a" * 1001)
    assert found.keys() == {"/enum/0", "/const"}


@pytest.mark.parametrize(("length", "pattern"), [(1000, "^(?=a)a+$"), (65536, "^a+$")])
def test_texts_that_are_tried(churn_document: dict[str, Any], length: int, pattern: str) -> None:
    churn_document["input"]["examples"][0]["extra"] = "a" * length
    churn_document["input"]["properties"]["extra"] = field(type="string", pattern=pattern)

    assert isinstance(contract_from(churn_document), ModelContract)


def test_everything_is_reported_at_once(churn_document: dict[str, Any]) -> None:
    fields = churn_document["input"]["properties"]
    fields["tenure"].update(minimum=9, maximum=8)
    fields["monthly_charges"]["multipleOf"] = 2
    fields["contract"]["enum"].append(7)
    fields["partner"]["pattern"] = "("
    churn_document["input"]["required"].append("shoe_size")
    churn_document["output"]["properties"]["probability"]["x-class"] = "Maybe"

    assert set(refusals(churn_document)) == {
        "/input/properties/tenure/maximum",
        "/input/properties/monthly_charges/multipleOf",
        "/input/properties/contract/enum/3",
        "/input/properties/partner/pattern",
        f"/input/required/{len(churn_document['input']['required']) - 1}",
        "/output/properties/probability/x-class",
    }


@pytest.mark.parametrize(
    ("outputs", "pointer", "message"),
    [
        ({"a": field(type="number", **{"x-class": "Yes"})}, "/output/properties", "there is none"),
        ({"a": field(type="string"), "b": field(type="string")}, "/output/properties", "there are 2: a, b"),
        (
            {"a": field(type="string", enum=["No"]), "b": field(type="number", **{"x-class": "Yes"})},
            "/output/properties/b/x-class",
            '"Yes" is no class that a admits: "No"',
        ),
        (
            {
                "a": field(type="string", enum=["No", "Yes"]),
                "b": field(type="number", **{"x-class": "Yes"}),
                "c": field(type="number", **{"x-class": "Yes"}),
            },
            "/output/properties/c/x-class",
            '"Yes" is the class of b too',
        ),
        (
            {"a": field(type="integer", enum=[0, 1]), "b": field(type="number", **{"x-class": "2"})},
            "/output/properties/b/x-class",
            '"2" is no class that a admits: 0, 1',
        ),
    ],
)
def test_faults_of_classes(churn_document: dict[str, Any], outputs: dict[str, Any], pointer: str, message: str) -> None:
    churn_document["output"] = {
        "type": "object",
        "properties": outputs,
        "required": [],
        "additionalProperties": False,
        "examples": [{}],
    }

    found = refusals(churn_document)

    assert set(found) == {pointer}
    assert message in found[pointer]


def test_an_input_has_no_class(churn_document: dict[str, Any]) -> None:
    churn_document["input"]["properties"]["tenure"]["x-class"] = "Yes"

    assert refusals(churn_document) == {"/input/properties/tenure/x-class": "has a meaning in the output only"}


def test_whole_numbers_can_be_classes(churn_document: dict[str, Any]) -> None:
    fields = churn_document["output"]["properties"]
    fields["prediction"].update(type="integer", enum=[0, 1])
    fields["probability"]["x-class"] = "1"
    churn_document["output"]["examples"] = [{"prediction": 1, "probability": 0.5}]

    assert contract_from(churn_document).outputs[1].for_class == "1"


def test_a_member_that_is_named_twice_has_two_meanings(churn_document: dict[str, Any]) -> None:
    text = json.dumps(churn_document).replace('"maximum": 120', '"maximum": 120, "maximum": 130')
    text = text.replace('{"contract_format"', '{"title": "Another", "contract_format"')

    with pytest.raises(InvalidInput) as caught:
        parse_contract(text.encode())

    assert [str(problem) for problem in caught.value.problems] == [
        "/input/properties/tenure/maximum: is named more than once",
        "/title: is named more than once",
    ]


@pytest.mark.parametrize("where", [("input",), ("input", "properties", "tenure"), ("output", "properties")])
def test_a_reference_is_refused_and_never_followed(churn_document: dict[str, Any], where: tuple[str, ...]) -> None:
    node = churn_document
    for name in where:
        node = node[name]
    node["$ref"] = "#" if where == ("input",) else "#/" + "/".join(where)

    (pointer,) = refusals(churn_document) if len(where) != 2 else ("/output/properties",)

    assert pointer.startswith("/" + "/".join(where))


def test_references_in_a_circle(churn_document: dict[str, Any]) -> None:
    fields = churn_document["input"]["properties"]
    fields["tenure"] = {"$ref": "#/input/properties/partner"}
    fields["partner"] = {"$ref": "#/input/properties/tenure"}

    found = refusals(churn_document)

    assert {"/input/properties/tenure/$ref", "/input/properties/partner/$ref"} <= set(found)


@pytest.mark.parametrize("damage", [[], 7, None, {"properties": []}, {"properties": {"a": []}, "required": [[], {}]}])
@pytest.mark.parametrize("side", ["input", "output"])
def test_a_side_of_another_shape_is_a_problem_not_a_crash(
    churn_document: dict[str, Any], side: str, damage: Any
) -> None:
    churn_document[side] = damage

    assert all(pointer.startswith(f"/{side}") for pointer in refusals(churn_document))


def test_a_parsed_document_has_its_limit_too(churn_document: dict[str, Any]) -> None:
    churn_document["description"] = "x" * MAX_BYTES

    ((pointer, message),) = refusals(churn_document).items()

    assert pointer == ""
    assert message.endswith(f"at most {MAX_BYTES} are allowed")


HOSTILE = {
    "10 MiB": b'{"title": "' + b"x" * (10 * 1024 * 1024) + b'"}',
    "deep": b'{"input": ' * 90_000 + b"1" + b"}" * 90_000,
    "deep within limits": b'{"input": ' * 800 + b"1" + b"}" * 800,
    "many members": b"{" + b",".join(b'"a%d":0' % number for number in range(90_000)) + b"}",
    "one member, often": b"{" + b",".join(b'"a":0' for _ in range(170_000)) + b"}",
    "many fields": json.dumps({"input": {"properties": {f"f{n}": {"$ref": "#"} for n in range(30_000)}}}).encode(),
    "many values": json.dumps(
        {"input": {"properties": {"f": {"type": "string", "description": "x", "enum": list(range(150_000))}}}}
    ).encode(),
    "many patterns": json.dumps(
        {"input": {"properties": {f"f{n}": field(type="string", pattern="(a{1000}){1000}") for n in range(1000)}}}
    ).encode(),
    "many wrong values": json.dumps(
        {"input": {"properties": {f"f{n}": {"enum": [[]] * 8000} for n in range(30)}, "examples": [[]] * 9000}}
    ).encode(),
    "long number": b'{"golden_tolerance": 1' + b"0" * 900_000 + b"}",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_was_made_to_do_harm_is_refused_in_bounded_time_and_memory(name: str, tmp_path: Any) -> None:
    document = tmp_path / "contract.json"
    document.write_bytes(HOSTILE[name])

    done = subprocess.run([sys.executable, "-c", PARSE_BOUNDED, str(document)], capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    problems, kilobytes = map(int, done.stdout.split())
    assert problems
    assert kilobytes < 200 * 1024
