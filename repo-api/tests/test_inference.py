from __future__ import annotations

from typing import Any

import pytest
from consumers import ConsumerBench
from edustream_contracts.contract import ModelContract, contract_from
from edustream_contracts.errors import Incompatible, Rejected
from edustream_registry.manifest import ModelOutputs
from onnx import TensorProto, helper
from onnx_models import constant_model, tenure_probability

from edustream_api.inference import AnswerUnusable, Inference, beyond_float32, unbounded


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


@pytest.fixture
def inference(bench: ConsumerBench, contract: ModelContract) -> Inference:
    content, _ = bench.content("1.0.0")
    return Inference(bench.model(), content, contract)


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
        self, bench: ConsumerBench, contract: ModelContract, given: float, answered: float
    ) -> None:
        content, _ = bench.content("1.0.0")
        inference = Inference(constant_model(contract, given), content, contract)
        assert inference.answer(contract.example())["probability"] == answered

    @pytest.mark.parametrize("given", [1.1, -0.5, float("nan"), float("inf")])
    def test_what_is_no_probability_is_no_answer(
        self, bench: ConsumerBench, contract: ModelContract, given: float
    ) -> None:
        content, _ = bench.content("1.0.0")
        inference = Inference(constant_model(contract, given), content, contract)
        with pytest.raises(AnswerUnusable):
            inference.answer(contract.example())

    @pytest.mark.parametrize(("kind", "answered"), [("number", 12.5), ("integer", 12)])
    def test_regression(self, bench: ConsumerBench, contract: ModelContract, kind: str, answered: float) -> None:
        contract = regression(contract, kind)
        content, _ = bench.content("1.0.0", contract=contract, golden=[{"input": {}, "output": {}}])
        content = content.model_copy(update={"outputs": ModelOutputs(label="probabilities")})
        inference = Inference(constant_model(contract, 12.5, width=1), content, contract)
        assert inference.answer(contract.example()) == {"price": answered}

    def test_a_regression_that_gives_no_number_is_no_answer(
        self, bench: ConsumerBench, contract: ModelContract
    ) -> None:
        contract = regression(contract, "number")
        content, _ = bench.content("1.0.0", contract=contract, golden=[{"input": {}, "output": {}}])
        content = content.model_copy(update={"outputs": ModelOutputs(label="probabilities")})
        inference = Inference(constant_model(contract, float("nan"), width=1), content, contract)
        with pytest.raises(AnswerUnusable, match="not finite"):
            inference.answer(contract.example())

    def test_a_graph_that_fails_on_a_row_gives_no_answer(self, bench: ConsumerBench, contract: ModelContract) -> None:
        gather = helper.make_node("Gather", ["numeric", "winner"], ["beyond"], axis=0)
        content, _ = bench.content("1.0.0")
        model = bench.model(scale=1.0, extra_nodes=[gather], extra_outputs=[("beyond", TensorProto.FLOAT)])
        inference = Inference(model, content, contract)
        inference._fetch.append("beyond")
        with pytest.raises(AnswerUnusable, match="indices"):
            inference.answer(contract.example())


class TestTensors:
    def test_bytes_that_are_no_model(self, bench: ConsumerBench, contract: ModelContract) -> None:
        content, _ = bench.content("1.0.0")
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
        self, bench: ConsumerBench, contract: ModelContract, outputs: ModelOutputs, words: str
    ) -> None:
        content, _ = bench.content("1.0.0", outputs=outputs)
        with pytest.raises(Incompatible, match=words):
            Inference(bench.model(), content, contract)

    def test_inputs_with_other_names(self, bench: ConsumerBench, contract: ModelContract) -> None:
        content, _ = bench.content("1.0.0")
        inputs = (content.inputs[0].model_copy(update={"name": "numbers"}), content.inputs[1])
        with pytest.raises(Incompatible, match="the graph's are"):
            Inference(bench.model(), content.model_copy(update={"inputs": inputs}), contract)

    def test_inputs_of_another_type_and_width(self, bench: ConsumerBench, contract: ModelContract) -> None:
        content, _ = bench.content("1.0.0")
        swapped = (
            content.inputs[0].model_copy(update={"name": "categorical"}),
            content.inputs[1].model_copy(update={"name": "numeric"}),
        )
        with pytest.raises(Incompatible) as caught:
            Inference(bench.model(), content.model_copy(update={"inputs": swapped}), contract)
        assert len(caught.value.problems) == 4

    def test_an_output_contract_without_a_label(self, bench: ConsumerBench, contract: ModelContract) -> None:
        only = {"probability": contract.document["output"]["properties"]["probability"]}
        contract = changed(contract, "output", only, {"probability": 0.5})
        content, _ = bench.content("1.0.0", contract=contract)
        with pytest.raises(Incompatible, match="carries the label"):
            Inference(bench.model(), content, contract)


class TestRange:
    def test_bounded_fields_need_no_check(self, contract: ModelContract) -> None:
        assert unbounded(contract) == ()

    def test_what_a_float32_cannot_hold_is_named(self, contract: ModelContract) -> None:
        free = changed(contract, "input", {"income": {"type": ["number", "null"], "description": "?"}}, {"income": 1})
        fields = unbounded(free)
        assert [field.name for field in fields] == ["income"]
        assert beyond_float32({"income": 3e38}, fields) == []
        assert beyond_float32({"income": None}, fields) == []
        assert [problem.pointer for problem in beyond_float32({"income": -1e39}, fields)] == ["/income"]
