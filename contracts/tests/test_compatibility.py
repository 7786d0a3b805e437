"""What `compare` and `compare_for` hand out; what they decide is in `test_compatibility_cases.py`."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from edustream_contracts.compatibility import Comparison, Verdict, compare, compare_for
from edustream_contracts.contract import ModelContract, contract_from, load_contract
from edustream_contracts.errors import InvalidInput
from edustream_contracts.value_set import ValueSet

CHURN = load_contract("churn")
INPUTS = [field.name for field in CHURN.inputs]
OUTPUTS = [field.name for field in CHURN.outputs]


@pytest.fixture
def edited(churn_document: dict[str, Any]) -> Callable[..., ModelContract]:
    def edited(side: str, name: str, **keywords: Any) -> ModelContract:
        churn_document[side]["properties"][name].update(keywords)
        return contract_from(churn_document)

    return edited


def test_the_document_of_a_comparison_is_json(edited: Callable[..., ModelContract]) -> None:
    comparison = compare(CHURN, edited("input", "tenure", maximum=100))

    document = json.loads(json.dumps(comparison.as_document()))

    assert (document["verdict"], document["input"], document["output"]) == ("breaking", "breaking", "identical")
    (reason,) = document["reasons"]
    assert reason == {
        "side": "input",
        "pointer": "/input/properties/tenure/maximum",
        "rule": "maximum-lowered",
        "sentence": "tenure is a whole number from 0 to 100 now; it was a whole number from 0 to 120. "
        "Rows that were valid are refused.",
        "verdict": "breaking",
        "before": {"maximum": 120},
        "after": {"maximum": 100},
        "counterexample": {**CHURN.example(), "tenure": 101},
    }


def test_a_harmless_reason_has_no_counterexample(edited: Callable[..., ModelContract]) -> None:
    comparison = compare(CHURN, edited("input", "tenure", maximum=150))

    assert comparison.breaking == ()
    assert comparison.as_document()["reasons"][0]["counterexample"] is None


def test_a_counterexample_is_an_example_with_one_field_changed_in_place(edited: Callable[..., ModelContract]) -> None:
    (reason,) = compare(CHURN, edited("output", "probability", maximum=2)).breaking

    assert reason.counterexample == {"prediction": "Yes", "probability": 2}
    assert list(reason.counterexample) == ["prediction", "probability"]


def test_contracts_of_two_models_are_not_compared(churn_document: dict[str, Any]) -> None:
    other = contract_from({**churn_document, "model": "fraud"})

    asks: list[Callable[[], Comparison]] = [
        lambda: compare(CHURN, other),
        lambda: compare_for(CHURN, other, INPUTS, OUTPUTS),
    ]
    for ask in asks:
        with pytest.raises(InvalidInput, match="of two models, 'churn' and 'fraud'") as caught:
            ask()
        assert caught.value.kind == "argument"


def test_a_statement_that_does_not_fit_the_contract_is_refused_with_everything_wrong() -> None:
    with pytest.raises(InvalidInput) as caught:
        compare_for(CHURN, CHURN, [*INPUTS[1:], "shoe_size"], ["probability", "score"])

    assert [str(problem) for problem in caught.value.problems] == [
        "sends: names 'shoe_size', which is no input field",
        f"sends: lacks {INPUTS[0]!r}, which is required",
        "reads: names 'score', which is no output field",
    ]


def test_a_consumer_that_sends_and_reads_everything(edited: Callable[..., ModelContract]) -> None:
    new = edited("output", "probability", **{"x-unit": "percent"})

    assert compare_for(CHURN, new, INPUTS, OUTPUTS) == compare(CHURN, new)


def test_a_tolerance_matters_to_those_who_read_numbers(churn_document: dict[str, Any]) -> None:
    new = contract_from({**churn_document, "golden_tolerance": 1e-3})

    assert compare(CHURN, new).output is Verdict.BREAKING
    assert compare_for(CHURN, new, INPUTS, ["probability"]).output is Verdict.BREAKING
    assert compare_for(CHURN, new, INPUTS, ["prediction"]).output is Verdict.IDENTICAL


def test_a_relative_tolerance_is_compared_as_the_absolute_one(churn_document: dict[str, Any]) -> None:
    new = contract_from({**churn_document, "golden_relative_tolerance": 1e-4})

    (reason,) = compare(CHURN, new).breaking
    assert (reason.pointer, reason.rule) == ("/golden_relative_tolerance", "tolerance-raised")
    assert reason.sentence.startswith("Replayed numbers may be off by 0.0001 of their size now; it was 0.0.")
    assert compare(new, CHURN).output is Verdict.COMPATIBLE
    assert compare_for(CHURN, new, INPUTS, ["prediction"]).output is Verdict.IDENTICAL


def test_a_changed_unit_shows_a_row_that_both_contracts_take(edited: Callable[..., ModelContract]) -> None:
    new = edited("input", "monthly_charges", **{"x-unit": "EUR/month"})

    (reason,) = compare(CHURN, new).breaking

    assert (reason.rule, reason.refutes) == ("unit-changed", False)
    assert CHURN.input_validator.is_valid(reason.counterexample)
    assert new.input_validator.is_valid(reason.counterexample)
    assert '"EUR/month" now; it was "USD/month"' in reason.sentence


def test_the_validator_has_the_last_word_on_what_is_shown(
    edited: Callable[..., ModelContract], monkeypatch: pytest.MonkeyPatch
) -> None:
    new = edited("input", "tenure", maximum=100)
    valid_under_both, valid_under_none, valid_under_the_old_one = 60, 121, 110
    claimed = (valid_under_both, valid_under_none, valid_under_the_old_one)
    monkeypatch.setattr(ValueSet, "lost_to", lambda self, other, known: {"high": claimed} if known is not None else {})

    (reason,) = compare(CHURN, new).breaking

    assert reason.counterexample == {**CHURN.example(), "tenure": valid_under_the_old_one}


def test_a_value_that_proves_nothing_is_not_shown(
    edited: Callable[..., ModelContract], monkeypatch: pytest.MonkeyPatch
) -> None:
    new = edited("input", "tenure", maximum=100)
    monkeypatch.setattr(ValueSet, "lost_to", lambda self, other, known: {"high": (60,)} if known is not None else {})

    (reason,) = compare(CHURN, new).breaking

    assert reason.counterexample is None
