from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper

from edustream_contracts.contract import ModelContract, contract_from
from edustream_contracts.errors import Incompatible, Rejected
from edustream_registry.inference.session import AnswerUnusable, Inference
from edustream_registry.manifest import ModelOutputs, ReleaseContent
from edustream_registry.testing.onnx_models import constant_model, tenure_model, tenure_probability


def changed(contract: ModelContract, side: str, properties: dict[str, Any], example: dict[str, Any]) -> ModelContract:
    part = {
        **contract.document[side],
        "properties": properties,
        "required": sorted(properties),
        "examples": [example],
    }
    return contract_from({**contract.document, side: part})


def regression(contract: ModelContract, kind: str) -> ModelContract:
    return changed(
        contract, "output", {"price": {"type": kind, "description": "Price", "x-unit": "USD"}}, {"price": 100}
    )


def one_row_model(content: ReleaseContent, contract: ModelContract) -> Inference:
    """A model that answers one row, and several as if they were one."""
    largest = helper.make_node("ReduceMax", ["raw_probabilities"], ["largest"], axes=[0], keepdims=1)
    outputs = content.outputs.model_copy(update={"probabilities": "largest"})
    model = tenure_model(contract, extra_nodes=[largest], extra_outputs=[("largest", TensorProto.FLOAT)])
    return Inference(model, content.model_copy(update={"outputs": outputs}), contract)


@pytest.fixture
def inference(content: ReleaseContent, contract: ModelContract) -> Inference:
    return Inference(tenure_model(contract), content, contract)


def tensors(contract: ModelContract, rows: Sequence[Mapping[str, Any]]) -> tuple[Any, Any]:
    return (
        np.array([[row[name] for name in contract.numeric] for row in rows], dtype=np.float32),
        np.array([[row[name] for name in contract.categorical] for row in rows], dtype=object),
    )


class TestColumns:
    def test_they_are_the_answers_of_the_rows(self, inference: Inference, contract: ModelContract) -> None:
        rows = [{**contract.example(), "tenure": tenure} for tenure in range(0, 120, 7)]
        columns = inference.columns(*tensors(contract, rows))
        answers = inference.answers(rows)
        assert list(columns) == ["prediction", "probability"]
        for name, values in columns.items():
            assert values.tolist() == [answer[name] for answer in answers]

    @pytest.mark.parametrize("kind", ["number", "integer", "boolean"])
    def test_labels_of_every_kind(self, content: ReleaseContent, contract: ModelContract, kind: str) -> None:
        example = {"price": True if kind == "boolean" else 100}
        priced = changed(
            contract, "output", {"price": {"type": kind, "description": "Price", "x-unit": "USD"}}, example
        )
        outputs = ModelOutputs(label="winner", probabilities=None, classes=())
        model = tenure_model(contract, extra_outputs=[("winner", TensorProto.INT64)])
        inference = Inference(model, content.model_copy(update={"outputs": outputs}), priced)
        rows = [{**contract.example(), "tenure": tenure} for tenure in (0, 120)]
        values = inference.columns(*tensors(contract, rows))["price"].tolist()
        assert values == [answer["price"] for answer in inference.answers(rows)]

    @pytest.mark.parametrize("value", [float("nan"), 1.1, -0.5])
    def test_a_probability_that_is_none_is_unusable(
        self, content: ReleaseContent, contract: ModelContract, value: float
    ) -> None:
        inference = Inference(constant_model(contract, value), content, contract)
        with pytest.raises(AnswerUnusable, match="a probability is"):
            inference.columns(*tensors(contract, [contract.example()]))

    def test_rounding_over_the_bounds_is_cut(self, content: ReleaseContent, contract: ModelContract) -> None:
        inference = Inference(constant_model(contract, 1.0 + 5e-6), content, contract)
        assert inference.columns(*tensors(contract, [contract.example()]))["probability"].tolist() == [1.0]

    def test_fewer_answers_than_rows_are_unusable(self, content: ReleaseContent, contract: ModelContract) -> None:
        with pytest.raises(AnswerUnusable, match="the probabilities of 2 rows have the shape"):
            one_row_model(content, contract).columns(*tensors(contract, [contract.example()] * 2))


class TestAnswers:
    def test_one_row(self, inference: Inference, contract: ModelContract) -> None:
        answer = inference.answer({**contract.example(), "tenure": 30})
        assert answer == {"prediction": "No", "probability": pytest.approx(tenure_probability(30), abs=1e-6)}

    def test_many_rows_agree_with_single_ones(self, inference: Inference, contract: ModelContract) -> None:
        rows = [{**contract.example(), "tenure": tenure} for tenure in range(0, 120, 7)]
        assert inference.answers(rows) == [inference.answer(row) for row in rows]

    def test_no_rows(self, inference: Inference) -> None:
        assert inference.answers([]) == []

    @pytest.mark.parametrize("absent", [{}, {"tenure": None}])
    def test_null_and_absent_numbers_are_nan(
        self, inference: Inference, contract: ModelContract, absent: dict[str, Any]
    ) -> None:
        row = {name: value for name, value in contract.example().items() if name != "tenure"}
        with pytest.raises(AnswerUnusable, match="nan"):
            inference.answer({**row, **absent})

    @pytest.mark.parametrize(("given", "answered"), [(1.000001, 1.0), (-0.000001, 0.0), (0.25, 0.25)])
    def test_float32_rounding_stays_within_a_probability(
        self, content: ReleaseContent, contract: ModelContract, given: float, answered: float
    ) -> None:
        inference = Inference(constant_model(contract, given), content, contract)
        assert inference.answer(contract.example())["probability"] == answered

    @pytest.mark.parametrize("given", [1.1, -0.5, float("nan"), float("inf")])
    def test_what_is_no_probability_is_no_answer(
        self, content: ReleaseContent, contract: ModelContract, given: float
    ) -> None:
        inference = Inference(constant_model(contract, given), content, contract)
        with pytest.raises(AnswerUnusable):
            inference.answer(contract.example())

    @pytest.mark.parametrize(("kind", "answered"), [("number", 12.5), ("integer", 12)])
    def test_regression(self, content: ReleaseContent, contract: ModelContract, kind: str, answered: float) -> None:
        contract = regression(contract, kind)
        content = content.model_copy(update={"outputs": ModelOutputs(label="probabilities")})
        inference = Inference(constant_model(contract, 12.5, width=1), content, contract)
        assert inference.answer(contract.example()) == {"price": answered}

    def test_a_regression_that_gives_no_number_is_no_answer(
        self, content: ReleaseContent, contract: ModelContract
    ) -> None:
        contract = regression(contract, "number")
        content = content.model_copy(update={"outputs": ModelOutputs(label="probabilities")})
        inference = Inference(constant_model(contract, float("nan"), width=1), content, contract)
        with pytest.raises(AnswerUnusable, match="not finite"):
            inference.answer(contract.example())

    def test_a_graph_that_fails_on_a_row_gives_no_answer(
        self, content: ReleaseContent, contract: ModelContract
    ) -> None:
        gather = helper.make_node("Gather", ["numeric", "winner"], ["beyond"], axis=0)
        model = tenure_model(contract, scale=1.0, extra_nodes=[gather], extra_outputs=[("beyond", TensorProto.FLOAT)])
        inference = Inference(model, content, contract)
        inference._fetch.append("beyond")
        with pytest.raises(AnswerUnusable, match="indices"):
            inference.answer(contract.example())

    def test_other_numbers_of_rows_are_no_answer(self, content: ReleaseContent, contract: ModelContract) -> None:
        rows = [contract.example()] * 2
        with pytest.raises(AnswerUnusable, match=r"the probabilities of 2 rows have the shape \(1, 2\)"):
            one_row_model(content, contract).answers(rows)
        wide = content.model_copy(update={"outputs": ModelOutputs(label="probabilities")})
        contract = regression(contract, "number")
        with pytest.raises(AnswerUnusable, match="probabilities has 4 values for 2 rows"):
            Inference(tenure_model(contract), wide, contract).answers(rows)


class TestMemory:
    def test_the_largest_batch_leaves_none_behind(
        self, content: ReleaseContent, contract: ModelContract, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        arenas: list[bool] = []

        class Watched(onnxruntime.InferenceSession):  # type: ignore[misc]
            def __init__(self, model: bytes, options: onnxruntime.SessionOptions, **settings: Any) -> None:
                arenas.append(options.enable_cpu_mem_arena)
                super().__init__(model, options, **settings)

        monkeypatch.setattr(onnxruntime, "InferenceSession", Watched)
        Inference(tenure_model(contract), content, contract)
        assert arenas == [False]


class TestTensors:
    def test_bytes_that_are_no_model(self, content: ReleaseContent, contract: ModelContract) -> None:
        with pytest.raises(Rejected, match=r"model\.onnx cannot be loaded"):
            Inference(b"no model", content, contract)

    @pytest.mark.parametrize(
        ("outputs", "words"),
        [
            (ModelOutputs(label="lable", probabilities="probabilities", classes=("No", "Yes")), "lable"),
            (ModelOutputs(label="label", probabilities="probabilities", classes=("No", "Maybe")), "no class 'Yes'"),
            (ModelOutputs(label="label", classes=("No", "Yes")), "no probabilities"),
        ],
    )
    def test_outputs_that_disagree(
        self, content: ReleaseContent, contract: ModelContract, outputs: ModelOutputs, words: str
    ) -> None:
        content = content.model_copy(update={"outputs": outputs})
        with pytest.raises(Incompatible, match=words):
            Inference(tenure_model(contract), content, contract)

    def test_inputs_with_other_names(self, content: ReleaseContent, contract: ModelContract) -> None:
        inputs = (content.inputs[0].model_copy(update={"name": "numbers"}), content.inputs[1])
        with pytest.raises(Incompatible, match="the graph's are"):
            Inference(tenure_model(contract), content.model_copy(update={"inputs": inputs}), contract)

    def test_inputs_of_another_type_and_width(self, content: ReleaseContent, contract: ModelContract) -> None:
        swapped = (
            content.inputs[0].model_copy(update={"name": "categorical"}),
            content.inputs[1].model_copy(update={"name": "numeric"}),
        )
        with pytest.raises(Incompatible) as caught:
            Inference(tenure_model(contract), content.model_copy(update={"inputs": swapped}), contract)
        assert len(caught.value.problems) == 4

    def test_outputs_of_other_types(self, content: ReleaseContent, contract: ModelContract) -> None:
        swapped = ModelOutputs(label="label", probabilities="label", classes=("No", "Yes"))
        with pytest.raises(Incompatible, match=r"label: is tensor\(string\); tensor\(float\) is expected"):
            Inference(tenure_model(contract), content.model_copy(update={"outputs": swapped}), contract)
        price = regression(contract, "number")
        with pytest.raises(Incompatible, match=r"from which price \(number\) cannot be made"):
            Inference(tenure_model(price), content, price)
