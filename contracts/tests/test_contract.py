from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest

from edustream_contracts.contract import (
    MAX_BYTES,
    contract_from,
    contract_names,
    load_contract,
    parse_contract,
)
from edustream_contracts.errors import InvalidInput
from edustream_contracts.resources import CHECKOUT

MODELS = CHECKOUT / "models"
VALID = sorted(MODELS.glob("*/examples/valid/*.json"))
INVALID = sorted(MODELS.glob("*/examples/invalid/*.json"))
POINTER_OF_INVALID = {
    "churn": {
        "boolean-for-integer": "/female",
        "category-in-wrong-case": "/contract",
        "fractional-tenure": "/tenure",
        "missing-field": "/tenure",
        "null-where-required": "/monthly_charges",
        "number-as-text": "/monthly_charges",
        "tenure-above-range": "/tenure",
        "tenure-below-range": "/tenure",
        "unknown-category": "/internet_service",
        "unknown-field": "/customer_id",
    },
    "edustream": {
        "fractional-months": "/months_subscribed",
        "missing-field": "/plan",
        "null-where-required": "/hours_last_month",
        "number-as-text": "/monthly_price",
        "number-for-boolean": "/reminders",
        "quiz-score-above-range": "/quiz_score",
        "unknown-category": "/goal",
        "unknown-field": "/cancelled",
    },
    "housing": {
        "deed-without-its-space": "/Sale_Type",
        "half-a-fireplace": "/Fireplaces",
        "month-thirteen": "/Mo_Sold",
        "null-for-none": "/Mas_Vnr_Type",
        "price-as-input": "/Sale_Price",
        "somewhere-else": "/Latitude",
    },
    "mobile-plans": {
        "charge-beside-minutes": "/total_day_charge",
        "half-a-call": "/total_day_calls",
        "messages-of-the-plan": "/number_vmail_messages",
        "unknown-state": "/state",
    },
    "plans": {
        "bill-of-the-future": "/total_charges",
        "category-in-wrong-case": "/internet_service",
        "charge-below-zero": "/monthly_charges",
        "missing-field": "/payment_method",
        "term-already-known": "/contract",
    },
}


def model_of(path: Path) -> str:
    return path.parents[2].name


def called(path: Path) -> str:
    return f"{model_of(path)}/{path.stem}"


def refusals(document: Any) -> dict[str, str]:
    with pytest.raises(InvalidInput) as caught:
        contract_from(document)
    assert caught.value.kind == "contract"
    return {problem.pointer: problem.message for problem in caught.value.problems}


@pytest.mark.parametrize("path", VALID, ids=called)
def test_valid_examples_are_valid(path: Path) -> None:
    example = json.loads(path.read_bytes())

    assert load_contract(model_of(path)).input_validator.problems(example["input"]) == []
    assert example["why"]


@pytest.mark.parametrize("path", INVALID, ids=called)
def test_invalid_examples_break_one_field_each(path: Path) -> None:
    example = json.loads(path.read_bytes())
    validator = load_contract(model_of(path)).input_validator

    problems = validator.problems(example["input"])

    assert {problem.pointer for problem in problems} == {POINTER_OF_INVALID[model_of(path)][path.stem]}
    assert not validator.is_valid(example["input"])
    assert example["why"]


def test_every_contract_has_examples_and_each_invalid_one_its_expectation() -> None:
    assert {called(path) for path in INVALID} == {
        f"{model}/{name}" for model, names in POINTER_OF_INVALID.items() for name in names
    }
    for model in contract_names():
        assert sum(model_of(path) == model for path in VALID) >= 2


def test_churn_contract() -> None:
    contract = load_contract("churn")

    assert contract.model == "churn"
    assert contract.title == "Customer churn"
    assert contract.description.endswith("?")
    assert len(contract.inputs) == 19
    assert {field.name for field in contract.inputs} == {*contract.numeric, *contract.categorical}
    assert not set(contract.numeric) & set(contract.categorical)
    assert len(contract.digest) == 64
    assert contract.golden_tolerance == 1e-5
    assert contract.golden_relative_tolerance == 0.0
    assert contract.input_validator.is_valid(contract.example())


def test_fields_carry_what_the_document_says() -> None:
    fields = {field.name: field for field in load_contract("churn").inputs}

    tenure = fields["tenure"]
    assert (tenure.kind, tenure.unit, tenure.minimum, tenure.maximum) == ("integer", "month", 0, 120)
    assert tenure.is_numeric
    assert not tenure.nullable
    assert fields["internet_service"].categories == ("DSL", "Fiber optic", "No")
    assert not fields["internet_service"].is_numeric
    assert fields["total_charges"].nullable


def test_outputs() -> None:
    contract = load_contract("churn")
    outputs = {field.name: field for field in contract.outputs}

    assert outputs["prediction"].categories == ("No", "Yes")
    assert outputs["probability"].for_class == "Yes"
    assert contract.output_validator.is_valid({"prediction": "No", "probability": 0.5})
    assert not contract.output_validator.is_valid({"prediction": "No", "probability": 1.5})


def test_the_digest_is_of_the_document_not_of_its_spacing(churn_document: dict[str, Any]) -> None:
    assert parse_contract(json.dumps(churn_document, indent=9).encode()).digest == load_contract("churn").digest


def test_a_contract_travels_to_another_process_after_it_was_used() -> None:
    contract = load_contract("churn")
    assert contract.input_validator.is_valid(contract.example())
    sent = pickle.loads(pickle.dumps(contract))  # noqa: S301 - bytes of this test's own
    assert sent == contract
    assert sent.input_validator.is_valid(contract.example())


def test_a_field_without_title_is_called_by_its_name(churn_document: dict[str, Any]) -> None:
    del churn_document["input"]["properties"]["tenure"]["title"]

    fields = {field.name: field for field in contract_from(churn_document).inputs}

    assert fields["tenure"].title == "tenure"


def test_contracts_are_listed() -> None:
    assert "churn" in contract_names()


def test_a_model_without_contract_is_named_with_those_that_have_one() -> None:
    with pytest.raises(InvalidInput, match=r"no contract for the model 'chrun'; there are contracts for: .*churn"):
        load_contract("chrun")


@pytest.mark.parametrize("model", ["../churn", "churn/../churn", "", "/etc"])
def test_a_model_name_is_no_path(model: str) -> None:
    with pytest.raises(InvalidInput, match="no contract"):
        load_contract(model)


def test_several_problems_are_reported_at_once_with_their_pointers(churn_document: dict[str, Any]) -> None:
    churn_document["contract_format"] = 2
    churn_document["surprise"] = 1
    churn_document["input"]["properties"]["tenure"]["format"] = "month"
    del churn_document["output"]["properties"]["probability"]["description"]

    assert set(refusals(churn_document)) == {
        "/contract_format",
        "/surprise",
        "/input/properties/tenure/format",
        "/output/properties/probability/description",
    }


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("$ref", "#/elsewhere"),
        ("oneOf", []),
        ("not", {}),
        ("properties", {}),
        ("items", {}),
        ("if", {}),
        ("multipleOf", 3),
        ("format", "date"),
        ("default", 0),
    ],
)
def test_keywords_outside_the_profile_are_refused(churn_document: dict[str, Any], keyword: str, value: Any) -> None:
    churn_document["input"]["properties"]["tenure"][keyword] = value

    assert set(refusals(churn_document)) == {f"/input/properties/tenure/{keyword}"}


@pytest.mark.parametrize("kind", ["object", "array", "null", ["null", "string"], ["string", "integer"], ["string"], 7])
def test_types_outside_the_profile_are_refused(churn_document: dict[str, Any], kind: Any) -> None:
    churn_document["input"]["properties"]["tenure"]["type"] = kind

    assert all(pointer.startswith("/input/properties/tenure/type") for pointer in refusals(churn_document))


def test_objects_must_be_closed(churn_document: dict[str, Any]) -> None:
    churn_document["input"]["additionalProperties"] = True
    del churn_document["output"]["additionalProperties"]

    assert set(refusals(churn_document)) == {"/input/additionalProperties", "/output/additionalProperties"}


def test_required_must_name_properties(churn_document: dict[str, Any]) -> None:
    churn_document["input"]["required"].append("shoe_size")

    ((pointer, message),) = refusals(churn_document).items()

    assert pointer == f"/input/required/{len(churn_document['input']['required']) - 1}"
    assert message == "names 'shoe_size', which is not among the properties"


@pytest.mark.parametrize("tolerance", [0, 0.02, "1e-5", None])
def test_a_relative_tolerance_is_a_small_share(churn_document: dict[str, Any], tolerance: Any) -> None:
    churn_document["golden_relative_tolerance"] = tolerance

    assert set(refusals(churn_document)) == {"/golden_relative_tolerance"}


def test_the_contracts_own_examples_must_fit(churn_document: dict[str, Any]) -> None:
    churn_document["input"]["examples"][0]["tenure"] = 121
    churn_document["output"]["examples"][0]["probability"] = 2

    assert set(refusals(churn_document)) == {"/input/examples/0/tenure", "/output/examples/0/probability"}


def test_a_pattern_must_be_a_regular_expression(churn_document: dict[str, Any]) -> None:
    churn_document["input"]["properties"]["contract"]["pattern"] = "("
    churn_document["output"]["properties"]["prediction"]["pattern"] = "[a"

    assert refusals(churn_document) == {
        "/input/properties/contract/pattern": "'(' is no regular expression, or one that is too large",
        "/output/properties/prediction/pattern": "'[a' is no regular expression, or one that is too large",
    }


def test_a_pattern_constrains_the_examples(churn_document: dict[str, Any]) -> None:
    churn_document["input"]["properties"]["region"] = {"type": "string", "description": "x", "pattern": "^[A-Z]{2}$"}
    churn_document["input"]["examples"][0]["region"] = "DEU"

    assert set(refusals(churn_document)) == {"/input/examples/0/region"}


@pytest.mark.parametrize("name", ["a/b", "a~b", "", "1st", "a" * 64, "años"])
def test_field_names_are_identifiers(churn_document: dict[str, Any], name: str) -> None:
    churn_document["input"]["properties"][name] = {"type": "integer", "description": "x"}

    assert all(pointer.startswith("/input/properties") for pointer in refusals(churn_document))


@pytest.mark.parametrize(
    ("data", "fact"),
    [
        (b"", "is no JSON"),
        (b"{", "is no JSON"),
        (b"\xff", "is no JSON"),
        (b"[" * 100_000, "is no JSON"),
        (b'{"title": NaN}', "has no canonical form"),
        (b'{"title": "\\ud800"}', "has no canonical form"),
        (b'{"title": "\xed\xa0\x80"}', "has no canonical form"),
        (b'{"title": 9007199254740993}', "has no canonical form"),
        (b"[]", "is not of type"),
        (b"null", "is not of type"),
        (b'{"a\\ud800": 1}', "has no canonical form"),
        (b" " * (MAX_BYTES + 1), f"at most {MAX_BYTES} are allowed"),
    ],
    ids=[
        "empty",
        "cut off",
        "not UTF-8",
        "too deep",
        "NaN",
        "escaped surrogate",
        "surrogate",
        "huge",
        "array",
        "null",
        "lone surrogate",
        "too long",
    ],
)
def test_what_is_no_contract_at_all(data: bytes, fact: str) -> None:
    with pytest.raises(InvalidInput, match="problem") as caught:
        parse_contract(data)

    assert fact in str(caught.value)


def test_a_tolerance_that_is_no_number_is_refused(churn_document: dict[str, Any]) -> None:
    churn_document["golden_tolerance"] = float("nan")

    with pytest.raises(InvalidInput, match="1 problem"):
        parse_contract(json.dumps(churn_document).encode())
