from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from edustream_contracts.contract import ModelContract, contract_from
from edustream_registry.inference.explanation import BACKGROUND_ROWS, Explainer, Explanation, background
from edustream_registry.inference.session import AnswerUnusable, Inference
from edustream_registry.manifest import ModelOutputs, ReleaseContent
from edustream_registry.testing.onnx_models import tenure_model, tenure_probability


def numeric(edges: list[float], counts: list[int], missing: int = 0) -> dict[str, Any]:
    return {"kind": "numeric", "edges": edges, "counts": counts, "missing": missing}


@pytest.fixture
def features(contract: ModelContract) -> dict[str, Any]:
    features: dict[str, Any] = {}
    for field in contract.inputs:
        if field.categories:
            counts = list(range(1, len(field.categories) + 1))
            features[field.name] = {"kind": "categorical", "categories": list(field.categories), "counts": counts}
            features[field.name]["missing"] = 0
        else:
            features[field.name] = numeric([10.0, 20.0, 60.0], [2, 4, 4, 2])
    features["total_charges"]["missing"] = 3
    return features


@pytest.fixture
def inference(content: ReleaseContent, contract: ModelContract) -> Inference:
    return Inference(tenure_model(contract), content, contract)


def explained(explainer: Explainer, row: dict[str, Any]) -> tuple[Explanation, dict[str, float]]:
    (explanation,) = explainer.explain(row)
    return explanation, {one.field: one.amount for one in explanation.contributions}


def interacting_model(contract: ModelContract) -> bytes:
    """P(Yes) = sigmoid(0.02 * tenure + 0.01 * monthly_charges - 0.001 * tenure * monthly_charges)."""
    columns = [contract.numeric.index(name) for name in ("tenure", "monthly_charges")]
    product = [
        helper.make_node("Gather", ["numeric", "columns"], ["both"], axis=1),
        helper.make_node("ReduceProd", ["both"], ["product"], axes=[1], keepdims=1),
        helper.make_node("Mul", ["product", "interaction"], ["joint"]),
        helper.make_node("MatMul", ["both", "weights"], ["linear"]),
        helper.make_node("Add", ["joint", "linear"], ["score_of_both"]),
        helper.make_node("Sigmoid", ["score_of_both"], ["yes"]),
        helper.make_node("Sub", ["one", "yes"], ["no"]),
        helper.make_node("Concat", ["no", "yes"], ["of_both"], axis=1),
        helper.make_node("Constant", [], ["columns"], value=numpy_helper.from_array(np.array(columns))),
        helper.make_node(
            "Constant", [], ["interaction"], value=numpy_helper.from_array(np.array(-0.001, dtype=np.float32))
        ),
        helper.make_node(
            "Constant", [], ["weights"], value=numpy_helper.from_array(np.array([[0.02], [0.01]], dtype=np.float32))
        ),
    ]
    # Constants come before what uses them.
    nodes = sorted(product, key=lambda node: node.op_type != "Constant")
    return tenure_model(contract, extra_nodes=nodes, extra_outputs=[("of_both", TensorProto.FLOAT)])


def test_contributions_add_up_to_the_answer(
    inference: Inference, contract: ModelContract, features: dict[str, Any]
) -> None:
    row = contract.example()
    explanation, amounts = explained(Explainer(inference, contract, features), row)
    assert explanation.output == "probability"
    assert explanation.value == inference.answer(row)["probability"]
    assert explanation.base + sum(amounts.values()) == pytest.approx(explanation.value, abs=1e-12)


def test_a_field_that_the_model_ignores_contributes_nothing(
    inference: Inference, contract: ModelContract, features: dict[str, Any]
) -> None:
    row = {**contract.example(), "tenure": 40}
    explainer = Explainer(inference, contract, features)
    explanation, amounts = explained(explainer, row)
    base = np.mean([tenure_probability(other["tenure"]) for other in explainer.background])
    assert explanation.base == pytest.approx(base, abs=1e-6)
    assert amounts.pop("tenure") == pytest.approx(tenure_probability(40) - base, abs=1e-6)
    assert set(amounts.values()) == {0.0}
    assert [one.field for one in explanation.contributions] == [field.name for field in contract.inputs]


def test_fields_that_interact_get_their_shapley_values(
    content: ReleaseContent, contract: ModelContract, features: dict[str, Any]
) -> None:
    outputs = content.outputs.model_copy(update={"probabilities": "of_both"})
    inference = Inference(interacting_model(contract), content.model_copy(update={"outputs": outputs}), contract)
    explainer = Explainer(inference, contract, features)
    row = {**contract.example(), "tenure": 60, "monthly_charges": 90.0}
    explanation, amounts = explained(explainer, row)

    # Two players: walked in both directions, every order of the two is met equally often, so that nothing is estimated.
    exact = dict.fromkeys(("tenure", "monthly_charges"), 0.0)
    for other in explainer.background:
        for order in permutations(exact):
            at = dict(other)
            before = inference.answer(at)["probability"]
            for name in order:
                at[name] = row[name]
                after = inference.answer(at)["probability"]
                exact[name] += (after - before) / (2 * BACKGROUND_ROWS)
                before = after
    assert {name: amounts[name] for name in exact} == pytest.approx(exact, abs=1e-9)
    assert all(one.standard_error > 0 for one in explanation.contributions if one.field in exact)


def test_the_same_row_is_explained_the_same(
    inference: Inference, contract: ModelContract, features: dict[str, Any]
) -> None:
    row = contract.example()
    first, second = (Explainer(inference, contract, features).explain(row) for _ in range(2))
    assert first == second


def test_the_background_is_distributed_as_the_profile(contract: ModelContract, features: dict[str, Any]) -> None:
    rows = background(features, contract.inputs)
    assert len(rows) == BACKGROUND_ROWS
    tenures = [row["tenure"] for row in rows]
    assert all(isinstance(tenure, int) for tenure in tenures)
    # 2 of 12 lie below the first edge and stand at it, 4 in [10, 20), 4 in [20, 60), 2 at the last edge.
    shares = [tenures.count(10), sum(10 < one < 20 for one in tenures), sum(20 <= one < 60 for one in tenures)]
    assert shares[0] + shares[1] == pytest.approx(6 / 12 * BACKGROUND_ROWS, abs=1)
    assert shares[2] == pytest.approx(4 / 12 * BACKGROUND_ROWS, abs=1)
    assert tenures.count(60) == pytest.approx(2 / 12 * BACKGROUND_ROWS, abs=1)
    kinds = [row["internet_service"] for row in rows]
    assert [kinds.count(kind) for kind in ("DSL", "Fiber optic", "No")] == pytest.approx(
        [BACKGROUND_ROWS * part / 6 for part in (1, 2, 3)], abs=1
    )
    absent = sum(row["total_charges"] is None for row in rows)
    assert absent == pytest.approx(3 / 15 * BACKGROUND_ROWS, abs=1)


def test_a_field_of_which_the_profile_knows_nothing_contributes_nothing(
    inference: Inference, contract: ModelContract, features: dict[str, Any]
) -> None:
    features["tenure"] = numeric([0.0], [0, 0])
    del features["contract"]
    explainer = Explainer(inference, contract, features)
    assert not {"tenure", "contract"} & set(explainer.background[0])
    explanation, amounts = explained(explainer, contract.example())
    assert set(amounts.values()) == {0.0}
    assert explanation.base == pytest.approx(explanation.value)


class TestAnswersThatTheContractDoesNotAdmit:
    """A sum of fields may pass through them on the way from a background row to the row."""

    @pytest.fixture
    def priced(self, contract: ModelContract) -> ModelContract:
        price = {"type": "number", "description": "Price", "minimum": 15}
        output = {**contract.document["output"], "properties": {"price": price}, "required": ["price"]}
        return contract_from({**contract.document, "output": {**output, "examples": [{"price": 20}]}})

    @pytest.fixture
    def explainer(self, content: ReleaseContent, priced: ModelContract, features: dict[str, Any]) -> Explainer:
        model = tenure_model(priced, scale=1.0, extra_outputs=[("scaled", TensorProto.FLOAT)])
        content = content.model_copy(update={"outputs": ModelOutputs(label="scaled")})
        return Explainer(Inference(model, content, priced), priced, features)

    def test_are_no_obstacle(self, explainer: Explainer, priced: ModelContract) -> None:
        assert min(other["tenure"] for other in explainer.background) < 15
        explanation, amounts = explained(explainer, {**priced.example(), "tenure": 40})
        assert explanation.value == 40
        assert explanation.base + amounts["tenure"] == pytest.approx(40)

    def test_are_not_explained(self, explainer: Explainer, priced: ModelContract) -> None:
        with pytest.raises(AnswerUnusable, match=r"price is 14\.0; the contract admits a number at least 15"):
            explainer.explain({**priced.example(), "tenure": 14})
