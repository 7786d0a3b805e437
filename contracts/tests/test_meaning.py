from __future__ import annotations

from typing import Any

import pytest

from edustream_contracts.meaning import ABSENT, MAX_DESCRIPTION, admitted, refusal

TENURE = {"type": "integer", "minimum": 0, "maximum": 120, "x-unit": "month", "description": "Whole months so far"}


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (TENURE, "a whole number from 0 to 120 month"),
        ({"type": ["number", "null"], "minimum": 0, "x-unit": "USD"}, "a number at least 0 USD or null"),
        ({"type": "number", "maximum": 9.5}, "a number at most 9.5"),
        ({"type": "number", "exclusiveMinimum": 0, "maximum": 1}, "a number above 0 and at most 1"),
        ({"type": "number", "minimum": 0, "exclusiveMaximum": 1, "x-unit": "V"}, "a number at least 0 and below 1 V"),
        ({"type": "number", "minimum": -0.5, "maximum": 1e6}, "a number from -0.5 to 1000000"),
        ({"type": "number", "maximum": 1e300}, "a number at most 1e+300"),
        ({"type": "number", "x-unit": "V"}, "a number in V"),
        ({"type": "number"}, "a number"),
        ({"type": ["boolean", "null"]}, "true or false or null"),
        ({"type": "string", "minLength": 2, "maxLength": 5}, "a text from 2 to 5 characters long"),
        ({"type": "string", "minLength": 2}, "a text at least 2 characters long"),
        ({"type": "string", "maxLength": 5, "pattern": "^a"}, 'a text at most 5 characters long that matches "^a"'),
        ({"type": "string", "enum": ["DSL", "No"]}, 'one of "DSL", "No"'),
        ({"type": ["integer", "null"], "enum": [0, 1, None]}, "one of 0, 1, null"),
        ({"type": "string", "enum": ["No"]}, '"No"'),
        ({"type": "string", "const": "No", "enum": ["No"]}, '"No"'),
        ({"type": "integer", "enum": list(range(13))}, "one of 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 3 more"),
    ],
)
def test_what_a_field_admits(spec: dict[str, Any], said: str) -> None:
    assert admitted(spec) == said


def test_the_unit_is_left_out_where_it_is_said_elsewhere() -> None:
    assert admitted(TENURE, unit=False) == "a whole number from 0 to 120"


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (500, "is 500 month"),
        (12.5, "is 12.5 month"),
        (1e39, "is 1e+39 month"),
        ("12", 'is "12"'),
        (None, "is null"),
        (True, "is true"),
        (ABSENT, "is missing"),
        ({"a": 1}, "is an object"),
        ([1], "is an array"),
        ("größer", 'is "größer"'),
        ("\ud800", 'is "\\ud800"'),
        ("x" * 1000, f'is "{"x" * 58}…'),
        (10**4000, f"is 1{'0' * 58}… month"),
    ],
)
def test_what_is_wrong_with_a_value(value: Any, found: str) -> None:
    assert refusal(TENURE, value) == f"{found}; a whole number from 0 to 120 month is allowed (Whole months so far)"


def test_a_value_without_a_unit_is_shown_alone() -> None:
    spec = {"type": "number", "exclusiveMinimum": 0, "description": "Height"}
    assert refusal(spec, 0) == "is 0; a number above 0 is allowed (Height)"


def test_a_long_description_is_cut() -> None:
    said = refusal({**TENURE, "description": "x" * 10_000}, -1)
    assert said.endswith(f"({'x' * (MAX_DESCRIPTION - 1)}…)")
