from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edustream_contracts.contract import ModelContract, load_contract
from edustream_contracts.row_validator import RowValidator
from edustream_contracts.validation import SchemaValidator

CONTRACT = load_contract("churn")
TENURE = "a whole number from 0 to 120 month is allowed (Whole months that the customer has been with the company)"


def problems(changes: dict[str, Any], contract: ModelContract = CONTRACT) -> list[str]:
    return [str(problem) for problem in contract.input_validator.problems({**contract.example(), **changes})]


def test_a_number_out_of_range_is_refused_with_unit_range_and_meaning() -> None:
    assert problems({"tenure": 500}) == [f"/tenure: is 500 month; {TENURE}"]
    assert problems({"monthly_charges": -0.5, "total_charges": 60000.5}) == [
        "/monthly_charges: is -0.5 USD/month; a number from 0 to 500 USD/month is allowed "
        "(What the customer is billed each month)",
        "/total_charges: is 60000.5 USD; a number from 0 to 60000 USD or null is allowed "
        "(What the customer has been billed so far; null before the first bill (tenure 0))",
    ]


@pytest.mark.parametrize(("value", "found"), [("12", '"12"'), (12.5, "12.5 month"), (None, "null"), (True, "true")])
def test_a_value_of_another_type_is_refused_in_the_same_words(value: Any, found: str) -> None:
    assert problems({"tenure": value}) == [f"/tenure: is {found}; {TENURE}"]


def test_an_unknown_category_is_refused_with_those_that_there_are() -> None:
    assert problems({"internet_service": "Carrier pigeon"}) == [
        '/internet_service: is "Carrier pigeon"; one of "DSL", "Fiber optic", "No" is allowed '
        "(Kind of internet connection)"
    ]


def test_a_field_that_breaks_several_keywords_is_named_once() -> None:
    assert len(SchemaValidator(CONTRACT.input_schema).problems({**CONTRACT.example(), "female": None})) == 2
    assert problems({"female": None}) == [
        "/female: is null; one of 0, 1 is allowed (The customer is recorded as female (0 no, 1 yes))"
    ]


def test_missing_and_unknown_fields_are_named() -> None:
    row = {**CONTRACT.example(), "age/of": 3}
    del row["tenure"]
    assert [str(problem) for problem in CONTRACT.input_validator.problems(row)] == [
        "/age~1of: is not a field of the contract",
        f"/tenure: is missing; {TENURE}",
    ]


@pytest.mark.parametrize("row", [[], 5, None, "x", [{}]])
def test_what_is_no_row_is_refused_as_a_whole(row: Any) -> None:
    assert [problem.pointer for problem in CONTRACT.input_validator.problems(row)] == [""]


def test_answers_are_checked_in_the_same_words() -> None:
    answer = {"prediction": "Perhaps", "probability": 1.5}
    assert [str(problem) for problem in CONTRACT.output_validator.problems(answer)] == [
        '/prediction: is "Perhaps"; one of "No", "Yes" is allowed (Yes when the customer is expected to leave)',
        "/probability: is 1.5; a number from 0 to 1 is allowed (Estimated probability that the customer leaves)",
    ]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.dictionaries(
        st.sampled_from([*CONTRACT.document["input"]["properties"], "x", "~", "/"]),
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers(), max_size=2),
    )
)
def test_the_same_fields_are_at_fault_as_without_the_words(row: dict[str, Any]) -> None:
    ours, plain = CONTRACT.input_validator, SchemaValidator(CONTRACT.input_schema)
    assert isinstance(ours, RowValidator)
    assert ours.is_valid(row) == plain.is_valid(row)
    assert [problem.pointer for problem in ours.problems(row)] == sorted(
        {problem.pointer for problem in plain.problems(row)}
    )
    json.dumps([problem.message for problem in ours.problems(row)]).encode()
