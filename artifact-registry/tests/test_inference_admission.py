"""Answers that the contract does not admit are none: by `answers` and `columns` alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto

from edustream_contracts.contract import ModelContract, contract_from
from edustream_registry.inference.session import AnswerUnusable, Inference
from edustream_registry.manifest import ModelOutputs, ReleaseContent
from edustream_registry.testing.onnx_models import constant_model, tenure_model

LABEL = "prediction"


def promising(contract: ModelContract, example: Any, spec: dict[str, Any]) -> ModelContract:
    """The contract with this field alone for an answer."""
    field = {"description": "What is promised", **spec}
    output = {
        **contract.document["output"],
        "properties": {LABEL: field},
        "required": [LABEL],
        "examples": [{LABEL: example}],
    }
    return contract_from({**contract.document, "output": output})


def answers_of(inference: Inference, contract: ModelContract, tenures: Sequence[int] = (30,)) -> list[Any]:
    """The labels of rows, which are the same in columns."""
    rows = [{**contract.example(), "tenure": tenure} for tenure in tenures]
    answers = [answer[LABEL] for answer in inference.answers(rows)]
    assert columns_of(inference, contract, tenures)[LABEL].tolist() == answers
    return answers


def columns_of(inference: Inference, contract: ModelContract, tenures: Sequence[int] = (30,)) -> dict[str, Any]:
    rows = [{**contract.example(), "tenure": tenure} for tenure in tenures]
    numeric = np.array([[row[name] for name in contract.numeric] for row in rows], dtype=np.float32)
    categorical = np.array([[row[name] for name in contract.categorical] for row in rows], dtype=object)
    return inference.columns(numeric, categorical)


def refusal_of(inference: Inference, contract: ModelContract, tenures: Sequence[int] = (30,)) -> str:
    with pytest.raises(AnswerUnusable) as of_columns:
        columns_of(inference, contract, tenures)
    with pytest.raises(AnswerUnusable) as of_rows:
        inference.answers([{**contract.example(), "tenure": tenure} for tenure in tenures])
    assert str(of_columns.value) == str(of_rows.value)
    return str(of_rows.value)


def constant(value: float, content: ReleaseContent, contract: ModelContract) -> Inference:
    """A model that answers every row with this number."""
    content = content.model_copy(update={"outputs": ModelOutputs(label="probabilities")})
    return Inference(constant_model(contract, value, width=1), content, contract)


def naming(classes: Sequence[str], content: ReleaseContent, contract: ModelContract) -> Inference:
    """A model that answers a tenure of 0 with the first of two texts, and a long one with the second."""
    content = content.model_copy(update={"outputs": ModelOutputs(label="label")})
    return Inference(tenure_model(contract, scale=0.05, classes=classes), content, contract)


class TestTexts:
    def test_a_class_that_the_contract_does_not_list(self, content: ReleaseContent, contract: ModelContract) -> None:
        inference = Inference(tenure_model(contract, scale=0.05, classes=("No", "Perhaps")), content, contract)
        assert answers_of(inference, contract, [0, 0]) == ["No", "No"]
        told = 'prediction is "Perhaps"; the contract admits one of "No", "Yes"'
        assert refusal_of(inference, contract) == told
        assert refusal_of(inference, contract, [*[0] * 500, 30, *[0] * 499]) == told

    @pytest.mark.parametrize(
        ("spec", "admitted"),
        [
            ({"const": "No"}, '"No"'),
            ({"pattern": "^N"}, 'a text that matches "^N"'),
            ({"maxLength": 2}, "a text at most 2 characters long"),
        ],
    )
    def test_whatever_keeps_a_text_out(
        self, content: ReleaseContent, contract: ModelContract, spec: dict[str, Any], admitted: str
    ) -> None:
        contract = promising(contract, "No", {"type": "string", **spec})
        inference = naming(("No", "Perhaps"), content, contract)
        assert answers_of(inference, contract, [0]) == ["No"]
        assert refusal_of(inference, contract, [0, 30]) == f'prediction is "Perhaps"; the contract admits {admitted}'

    def test_any_text_where_the_contract_says_no_more(self, content: ReleaseContent, contract: ModelContract) -> None:
        contract = promising(contract, "No", {"type": "string"})
        assert answers_of(naming(("", "Perhaps"), content, contract), contract, [0, 30]) == ["", "Perhaps"]

    def test_numbers_that_are_answered_as_texts(self, content: ReleaseContent, contract: ModelContract) -> None:
        outputs = content.model_copy(update={"outputs": ModelOutputs(label="winner")})
        contract = promising(contract, "0", {"type": "string", "enum": ["0", "2"]})
        model = tenure_model(contract, scale=0.05, extra_outputs=[("winner", TensorProto.INT64)])
        inference = Inference(model, outputs, contract)
        assert answers_of(inference, contract, [0]) == ["0"]
        assert refusal_of(inference, contract) == 'prediction is "1"; the contract admits one of "0", "2"'


class TestNumbers:
    @pytest.mark.parametrize(
        ("spec", "value"),
        [
            ({"minimum": 10, "maximum": 20}, 10.0),
            ({"minimum": 10, "maximum": 20}, 20.0),
            ({"exclusiveMinimum": 10, "exclusiveMaximum": 20}, 12.5),
            ({"maximum": 20}, -1e30),
            ({"minimum": 10}, 1e30),
            ({"enum": [12, 12.5, 13]}, 12.5),
            ({}, -3e38),
        ],
    )
    def test_what_is_admitted(
        self, content: ReleaseContent, contract: ModelContract, spec: dict[str, Any], value: float
    ) -> None:
        contract = promising(contract, spec.get("enum", [12])[0], {"type": "number", **spec})
        assert answers_of(constant(value, content, contract), contract, [0, 30]) == [float(np.float32(value))] * 2

    @pytest.mark.parametrize(
        ("spec", "value", "told"),
        [
            ({"minimum": 10, "maximum": 20}, 9.5, "9.5 USD; the contract admits a number from 10 to 20 USD"),
            ({"minimum": 10, "maximum": 20}, 20.5, "20.5 USD; the contract admits a number from 10 to 20 USD"),
            ({"exclusiveMinimum": 10}, 10.0, "10.0 USD; the contract admits a number above 10 USD"),
            ({"exclusiveMaximum": 20}, 20.0, "20.0 USD; the contract admits a number below 20 USD"),
            ({"minimum": 0}, -0.001953125, "-0.001953125 USD; the contract admits a number at least 0 USD"),
            ({"enum": [12, 13]}, 12.5, "12.5 USD; the contract admits one of 12, 13"),
            ({"const": 12}, 12.5, "12.5 USD; the contract admits 12"),
        ],
    )
    def test_what_is_not(
        self, content: ReleaseContent, contract: ModelContract, spec: dict[str, Any], value: float, told: str
    ) -> None:
        contract = promising(contract, 12, {"type": "number", "x-unit": "USD", **spec})
        assert refusal_of(constant(value, content, contract), contract, [0, 30]) == f"prediction is {told}"

    @pytest.mark.parametrize(("spec", "bound"), [({"maximum": 0.1}, 0.1), ({"minimum": 0.7}, 0.7)])
    def test_a_bound_that_no_float32_holds_may_be_reached(
        self, content: ReleaseContent, contract: ModelContract, spec: dict[str, Any], bound: float
    ) -> None:
        contract = promising(contract, bound, {"type": "number", **spec})
        assert float(np.float32(bound)) != bound
        assert answers_of(constant(bound, content, contract), contract, [0, 30]) == [bound] * 2

    @pytest.mark.parametrize(
        ("spec", "value", "told"),
        [
            ({"minimum": 10}, 9.0, "9; the contract admits a whole number at least 10"),
            ({"enum": [1, 2]}, 3.0, "3; the contract admits one of 1, 2"),
            ({}, 1e19, "9999999980506447872; an answer holds whole numbers of 64 bits"),
            ({}, -1e19, "-9999999980506447872; an answer holds whole numbers of 64 bits"),
            ({"minimum": 0}, 2.0**63, "9223372036854775808; an answer holds whole numbers of 64 bits"),
            ({"enum": [1, 2.0**63]}, 2.0**63, "9223372036854775808; an answer holds whole numbers of 64 bits"),
        ],
    )
    def test_whole_numbers(
        self, content: ReleaseContent, contract: ModelContract, spec: dict[str, Any], value: float, told: str
    ) -> None:
        contract = promising(contract, spec.get("enum", [12])[0], {"type": "integer", **spec})
        assert refusal_of(constant(value, content, contract), contract) == f"prediction is {told}"

    def test_the_least_whole_number_of_64_bits(self, content: ReleaseContent, contract: ModelContract) -> None:
        contract = promising(contract, 12, {"type": "integer"})
        assert answers_of(constant(-(2.0**63), content, contract), contract) == [-(2**63)]

    def test_a_truth_value(self, content: ReleaseContent, contract: ModelContract) -> None:
        contract = promising(contract, True, {"type": "boolean", "const": True})
        assert answers_of(constant(1.0, content, contract), contract) == [True]
        told = "prediction is false; the contract admits true"
        assert refusal_of(constant(0.0, content, contract), contract) == told

    def test_no_rows_are_admitted(self, content: ReleaseContent, contract: ModelContract) -> None:
        contract = promising(contract, 12, {"type": "number", "minimum": 10})
        inference = constant(9.0, content, contract)
        numeric = np.empty((0, len(contract.numeric)), dtype=np.float32)
        categorical = np.empty((0, len(contract.categorical)), dtype=object)
        assert inference.columns(numeric, categorical)[LABEL].tolist() == []


class TestProbabilities:
    @pytest.fixture
    def narrow(self, contract: ModelContract) -> ModelContract:
        properties = contract.document["output"]["properties"]
        properties = {**properties, "probability": {**properties["probability"], "minimum": 0.25, "maximum": 0.75}}
        return contract_from({**contract.document, "output": {**contract.document["output"], "properties": properties}})

    @pytest.mark.parametrize(("given", "answered"), [(0.5, 0.5), (0.75 + 5e-6, 0.75), (0.25 - 5e-6, 0.25)])
    def test_rounding_over_narrower_bounds_is_cut(
        self, content: ReleaseContent, narrow: ModelContract, given: float, answered: float
    ) -> None:
        inference = Inference(constant_model(narrow, given), content, narrow)
        assert inference.answer(narrow.example())["probability"] == answered
        assert columns_of(inference, narrow)["probability"].tolist() == [answered]

    @pytest.mark.parametrize("given", [0.0, 0.25, 1.0, 1.000005])
    def test_one_that_is_not_listed_is_no_answer(
        self, content: ReleaseContent, contract: ModelContract, given: float
    ) -> None:
        document = contract.document["output"]
        listed = {**document["properties"]["probability"], "enum": [0, 1]}
        properties = {**document["properties"], "probability": listed}
        examples = [{**example, "probability": 1} for example in document["examples"]]
        output = {**document, "properties": properties, "examples": examples}
        contract = contract_from({**contract.document, "output": output})
        inference = Inference(constant_model(contract, given), content, contract)
        if given == 0.25:
            assert refusal_of(inference, contract) == "probability is 0.25; the contract admits one of 0, 1"
            assert inference.estimates([contract.example()])[0]["probability"] == 0.25
        else:
            assert inference.answer(contract.example())["probability"] == min(given, 1.0)
            assert columns_of(inference, contract)["probability"].tolist() == [min(given, 1.0)]

    @pytest.mark.parametrize("given", [0.875, 0.125])
    def test_more_is_no_answer(self, content: ReleaseContent, narrow: ModelContract, given: float) -> None:
        inference = Inference(constant_model(narrow, given), content, narrow)
        told = f"probability is {given}; the contract admits a number from 0.25 to 0.75"
        assert refusal_of(inference, narrow) == told

    def test_wider_bounds_make_nothing_a_probability(self, content: ReleaseContent, contract: ModelContract) -> None:
        document = contract.document["output"]
        free = {name: one for name, one in document["properties"]["probability"].items() if name != "maximum"}
        properties = {**document["properties"], "probability": free}
        contract = contract_from({**contract.document, "output": {**document, "properties": properties}})
        inference = Inference(constant_model(contract, 1.5), content, contract)
        assert refusal_of(inference, contract) == "a probability is 1.5"


def test_what_is_asked_on_the_way_to_an_explanation_need_not_be_admitted(
    content: ReleaseContent, contract: ModelContract
) -> None:
    contract = promising(contract, 12, {"type": "number", "minimum": 10})
    model = tenure_model(contract, scale=1.0, extra_outputs=[("scaled", TensorProto.FLOAT)])
    inference = Inference(model, content.model_copy(update={"outputs": ModelOutputs(label="scaled")}), contract)
    row = {**contract.example(), "tenure": 9}
    assert inference.estimates([row]) == [{LABEL: 9.0}]
    with pytest.raises(AnswerUnusable, match=r"prediction is 9\.0"):
        inference.answer(row)
