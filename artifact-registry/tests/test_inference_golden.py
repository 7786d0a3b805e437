from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from conftest import refusal
from onnx import TensorProto, helper
from test_inference_session import changed, one_row_model, regression

from edustream_contracts.contract import ModelContract
from edustream_contracts.errors import Rejected
from edustream_registry import golden_vectors
from edustream_registry.inference import golden
from edustream_registry.inference.session import Inference
from edustream_registry.manifest import ModelOutputs, ReleaseContent
from edustream_registry.testing.onnx_models import constant_model, tenure_golden, tenure_model

Rows = Sequence[Mapping[str, Any]]


def document(rows: Rows) -> bytes:
    return json.dumps({"golden_format": 1, "rows": rows}).encode()


def told(data: bytes, inference: Inference, contract: ModelContract) -> tuple[str, list[tuple[str, str]]]:
    with pytest.raises(Rejected) as caught:
        golden.replay(data, inference, contract)
    return caught.value.kind, [(problem.pointer, problem.message) for problem in caught.value.problems]


@pytest.fixture(scope="module")
def rows(contract: ModelContract) -> Rows:
    return tenure_golden(contract)


@pytest.fixture
def inference(content: ReleaseContent, contract: ModelContract) -> Inference:
    return Inference(tenure_model(contract), content, contract)


def price_of(model_answers: float, content: ReleaseContent, contract: ModelContract) -> Inference:
    outputs = ModelOutputs(label="probabilities")
    return Inference(
        constant_model(contract, model_answers, width=1), content.model_copy(update={"outputs": outputs}), contract
    )


class TestAgreement:
    def test_counts_the_rows_that_agree(self, rows: Rows, inference: Inference, contract: ModelContract) -> None:
        assert golden.replay(document(rows), inference, contract) == 3

    def test_allows_the_contract_s_tolerance_and_no_more(
        self, rows: Rows, inference: Inference, contract: ModelContract
    ) -> None:
        def shifted(by: float) -> bytes:
            output = {**rows[1]["output"], "probability": rows[1]["output"]["probability"] + by}
            return document([rows[0], {"input": rows[1]["input"], "output": output}])

        assert golden.replay(shifted(0.9e-5), inference, contract) == 2
        with pytest.raises(Rejected) as caught:
            golden.replay(shifted(1.2e-5), inference, contract)
        assert caught.value.kind == "golden"
        assert "1 of 2 golden rows; the largest difference is 1.2e-05" in caught.value.fact
        assert [str(problem) for problem in caught.value.problems] == [
            "/rows/1/output/probability: is 0.354343712 and was recorded as 0.354355694: 1.2e-05 apart, 1e-05 allowed"
        ]
        wider = ModelContract({**contract.document, "golden_tolerance": 0.01})
        assert golden.replay(shifted(1.2e-5), inference, wider) == 2

    def test_allows_a_share_of_a_number_where_the_contract_does(
        self, content: ReleaseContent, contract: ModelContract
    ) -> None:
        contract = regression(contract, "number")
        inference = price_of(200_000.0, content, contract)
        generous = ModelContract({**contract.document, "golden_relative_tolerance": 1e-4})

        def recorded(price: float) -> bytes:
            return document([{"input": contract.example(), "output": {"price": price}}])

        assert golden.replay(recorded(200_019.0), inference, generous) == 1
        assert told(recorded(200_021.0), inference, generous)[1] == [
            ("/rows/0/output/price", "is 200000 and was recorded as 200021: 21 apart, 20.0021 allowed")
        ]
        assert told(recorded(200_000.5), inference, contract)[0] == "golden"
        assert told(recorded(10**4000), inference, generous)[0] == "golden"

    def test_compares_labels_exactly(self, inference: Inference, contract: ModelContract) -> None:
        kind, problems = told(document(tenure_golden(contract, prediction="Yes")), inference, contract)
        assert kind == "golden"
        assert problems == [
            (f"/rows/{index}/output/prediction", 'is "No" and was recorded as "Yes"') for index in (0, 1, 2)
        ]

    @pytest.mark.parametrize(("kind", "recorded"), [("number", 12), ("number", 12.0), ("integer", 12.0)])
    def test_integers_and_whole_numbers_agree(
        self, content: ReleaseContent, contract: ModelContract, kind: str, recorded: float
    ) -> None:
        contract = regression(contract, kind)
        data = document([{"input": contract.example(), "output": {"price": recorded}}])
        assert golden.replay(data, price_of(12.0, content, contract), contract) == 1

    @pytest.mark.parametrize(("answered", "agrees"), [(1.0, True), (0.0, False)])
    def test_truth_values_are_compared_exactly(
        self, content: ReleaseContent, contract: ModelContract, answered: float, agrees: bool
    ) -> None:
        contract = changed(contract, "output", {"late": {"type": "boolean", "description": "?"}}, {"late": True})
        data = document([{"input": contract.example(), "output": {"late": True}}])
        inference = price_of(answered, content, contract)
        if agrees:
            assert golden.replay(data, inference, contract) == 1
        else:
            assert told(data, inference, contract)[1] == [
                ("/rows/0/output/late", "is false and was recorded as true"),
            ]

    def test_a_truth_value_is_no_number(self, content: ReleaseContent, contract: ModelContract) -> None:
        contract = regression(contract, "number")
        flag = helper.make_node("Cast", ["winner"], ["flag"], to=TensorProto.BOOL)
        model = tenure_model(contract, extra_nodes=[flag], extra_outputs=[("flag", TensorProto.BOOL)])
        content = content.model_copy(update={"outputs": ModelOutputs(label="flag")})
        data = document([{"input": contract.example(), "output": {"price": 0}}])
        assert told(data, Inference(model, content, contract), contract)[1] == [
            ("/rows/0/output/price", "is false and was recorded as 0"),
        ]

    def test_an_integer_that_no_float_holds_is_a_disagreement(
        self, content: ReleaseContent, contract: ModelContract
    ) -> None:
        contract = regression(contract, "number")
        data = document([{"input": contract.example(), "output": {"price": 10**4000}}])
        kind, [(pointer, message)] = told(data, price_of(12.0, content, contract), contract)
        assert (kind, pointer) == ("golden", "/rows/0/output/price")
        assert message.startswith("is 12 and was recorded as 1000")
        assert len(message) <= golden_vectors.MAX_TEXT

    def test_an_answer_that_was_not_recorded_proves_nothing(
        self, content: ReleaseContent, contract: ModelContract
    ) -> None:
        output = {**contract.document["output"], "required": ["prediction"]}
        contract = ModelContract({**contract.document, "output": output})
        data = document([{"input": contract.example(), "output": {"prediction": "No"}}])
        inference = Inference(tenure_model(contract), content, contract)
        kind, problems = told(data, inference, contract)
        assert kind == "golden"
        assert problems == [("/rows/0/output/probability", "is 0.487502605 and was not recorded")]

    def test_many_disagreements_are_counted_and_the_first_are_shown(
        self, rows: Rows, inference: Inference, contract: ModelContract
    ) -> None:
        wrong = {"input": rows[1]["input"], "output": {"prediction": "Yes", "probability": 0.5}}
        with pytest.raises(Rejected, match=r"50 of 51 golden rows; the largest difference is 0\.146") as caught:
            golden.replay(document([rows[0], *[wrong] * 50]), inference, contract)
        assert len(caught.value.problems) == golden_vectors.MAX_SHOWN

    def test_the_row_that_has_no_usable_answer_is_named(self, content: ReleaseContent, contract: ModelContract) -> None:
        model = tenure_model(contract, column=contract.numeric.index("total_charges"))
        unknown = {
            "input": {**contract.example(), "total_charges": None},
            "output": {"prediction": "No", "probability": 0},
        }
        data = document([*tenure_golden(contract), unknown])
        assert told(data, Inference(model, content, contract), contract) == (
            "golden",
            [("/rows/3/input", "has no usable answer: a probability is nan")],
        )

    def test_a_model_that_fails_on_several_rows_together_is_refused(
        self, rows: Rows, content: ReleaseContent, contract: ModelContract
    ) -> None:
        inference = one_row_model(content, contract)
        assert golden.replay(document(rows[:1]), inference, contract) == 1
        kind, [(pointer, message)] = told(document(rows), inference, contract)
        assert (kind, pointer) == ("golden", "/rows")
        assert message == "the probabilities of 3 rows have the shape (1, 2)"


class TestHostileFiles:
    @pytest.mark.parametrize(
        ("data", "pointer", "words"),
        [
            (b"{", "", "is no JSON"),
            (b"\xff\xfe\xfd", "", "is no JSON"),
            (b"[" * 100_000, "", "is no JSON"),
            (b"9" * 5000, "", "is no JSON"),
            (b"[]", "", "object"),
            (b"{}", "/golden_format", "is missing"),
            (b'{"golden_format": 2, "rows": [{"input": {}, "output": {}}]}', "/golden_format", "1"),
            (document([]), "/rows", "1"),
            (b'{"golden_format": 1, "rows": {}}', "/rows", "array"),
            (document([{"input": {}, "output": {}}]), "/rows/0/input/contract", "is missing"),
            (document([{"input": {}}]), "/rows/0/output", "is missing"),
            (b'{"golden_format": 1, "rows": [{"input": {}, "output": {}}, 5]}', "/rows/1", "object"),
            (b'{"golden_format": 1, "rows": [{"input": {}, "output": {}}], "a": 1}', "/a", "is not a field"),
            (
                document([{"input": dict.fromkeys(map(str, range(5000))), "output": {}}]),
                "/rows/0/input",
                "5000 members",
            ),
            (b" " * (golden_vectors.MAX_BYTES + 1), "", "at most 8388608 are allowed"),
        ],
    )
    def test_what_is_malformed_is_named(
        self, inference: Inference, contract: ModelContract, data: bytes, pointer: str, words: str
    ) -> None:
        kind, problems = told(data, inference, contract)
        assert kind == "malformed"
        assert words in dict(problems)[pointer]

    @pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400", "-1e999", "1" * 500 + ".5"])
    @pytest.mark.parametrize("place", ["tenure", "probability"])
    def test_numbers_that_are_none_are_refused(
        self, rows: Rows, inference: Inference, contract: ModelContract, number: str, place: str
    ) -> None:
        side = "input" if place == "tenure" else "output"
        row = {**rows[0], side: {**rows[0][side], place: "?"}}
        kind, [(_, message)] = told(document([row]).replace(b'"?"', number.encode()), inference, contract)
        assert kind == "malformed"
        assert number[:20] in message

    def test_an_input_that_no_float32_holds_is_refused(self, content: ReleaseContent, contract: ModelContract) -> None:
        free = changed(contract, "input", {"income": {"type": "integer", "description": "?"}}, {"income": 1})
        data = document([{"input": {"income": 10**400}, "output": {"prediction": "No", "probability": 0.5}}])
        tensors = (content.inputs[0].model_copy(update={"columns": ("income",)}), content.inputs[1])
        content = content.model_copy(update={"inputs": (tensors[0], tensors[1].model_copy(update={"columns": ()}))})
        inference = Inference(tenure_model(free, column=0), content, free)
        kind, [(pointer, message)] = told(data, inference, free)
        assert (kind, pointer) == ("malformed", "/rows/0/input/income")
        assert message.startswith("is 1000")
        assert message.endswith("the model takes 32-bit numbers, up to 3.4e38")

    def test_a_million_rows_are_counted_and_not_read(self, inference: Inference, contract: ModelContract) -> None:
        data = b'{"golden_format": 1, "rows": [' + b",".join([b"{}"] * 1_000_000) + b"]}"
        assert told(data, inference, contract) == (
            "malformed",
            [("/rows", "has 1000000 members; at most 10000 are allowed")],
        )

    def test_rows_that_are_all_wrong_are_named_up_to_a_bound(
        self, inference: Inference, contract: ModelContract
    ) -> None:
        with pytest.raises(Rejected, match="the first 20 problems are shown") as caught:
            golden.replay(document([{"input": {}, "output": {}}] * 10_000), inference, contract)
        assert len(caught.value.problems) == golden_vectors.MAX_SHOWN

    def test_huge_texts_are_cut(self, rows: Rows, inference: Inference, contract: ModelContract) -> None:
        huge = "x" * 1_000_000
        for row in (
            {**rows[0], "input": {**rows[0]["input"], huge: 1}},
            {**rows[0], "input": {**rows[0]["input"], "contract": huge}},
            {**rows[0], huge: 1},
        ):
            with pytest.raises(Rejected) as caught:
                golden.replay(document([row]), inference, contract)
            assert caught.value.kind == "malformed"
            assert len(str(caught.value)) < 1000

    def test_a_refusal_says_what_to_do_next(self, inference: Inference, contract: ModelContract) -> None:
        refused, kind, text = refusal(lambda: golden.replay(b"{}", inference, contract))
        assert (refused, kind) == (Rejected, "malformed")
        assert "Next: have the release made again" in text
