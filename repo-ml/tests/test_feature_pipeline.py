from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest
from conftest import REPOSITORY, small_document, write_project
from pydantic import TypeAdapter

from edustream_contracts.contract import ModelContract, contract_from, load_contract
from edustream_contracts.errors import InvalidInput
from edustream_ml.candidates import Candidate
from edustream_ml.configuration import TrainingPlan, load_plan
from edustream_ml.dataset import load_dataset
from edustream_ml.features.pipeline import build_pipeline
from edustream_ml.features.settings import Features
from edustream_ml.onnx_export import export_onnx
from edustream_ml.onnx_scorer import OnnxScorer
from edustream_ml.parity import prove_parity
from edustream_ml.scores import answers
from edustream_ml.tasks import Task
from edustream_ml.tensors import Tensors

CANDIDATE: TypeAdapter[Any] = TypeAdapter(Candidate)
JOINED = {
    "type": ["string", "null"],
    "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
    "description": "The day on which the customer joined",
}
EVERYTHING: dict[str, Any] = {
    "missing_values": {"total_charges": 0},
    "ratios": [
        {"name": "rate", "numerator": "total_charges", "denominator": "tenure", "denominator_at_least": 1},
    ],
    "counts": [{"name": "secured", "of": {"online_security": ["Yes"], "phone_service": [1]}}],
    "logarithms": ["total_charges", "monthly_charges"],
    "dates": [{"column": "joined", "parts": ["year", "month", "weekday", "days_since"], "since": "2020-01-01"}],
    "rare_categories": {"fewer_than": 120},
    "target_encoding": ["payment_method", "contract"],
}
CLASSES = {Task.BINARY: ["No", "Yes"], Task.MULTICLASS: ["high", "low", "middle"]}


def contract_of(task: Task) -> ModelContract:
    """The churn contract with a date, which is the first of its texts, asking the question of the task."""
    document = {**load_contract("churn").document}
    rows = document["input"]["examples"]
    document["input"] = {
        **document["input"],
        "properties": {"joined": JOINED, **document["input"]["properties"]},
        "examples": [{"joined": "2024-02-29", **row} for row in rows],
    }
    prediction: dict[str, Any] = {"type": "number", "description": "A number"}
    if task is not Task.REGRESSION:
        prediction = {"type": "string", "enum": CLASSES[task], "description": "A class"}
    document["output"] = {
        **document["output"],
        "properties": {"prediction": prediction},
        "required": ["prediction"],
        "examples": [{"prediction": 1.0 if task is Task.REGRESSION else CLASSES[task][0]}],
    }
    return contract_from(document)


def plan_of(small_plan: TrainingPlan, task: Task, features: dict[str, Any]) -> TrainingPlan:
    contract = contract_of(task)
    checked = Features.model_validate(features, context={"contract": contract})
    configuration = small_plan.configuration.model_copy(update={"features": checked})
    return replace(small_plan, contract=contract, configuration=configuration)


def rows_and_labels(small_plan: TrainingPlan, task: Task) -> tuple[list[dict[str, Any]], Any]:
    dataset = load_dataset(small_plan)
    generator = np.random.default_rng(2)
    days = generator.integers(0, 2000, len(dataset))
    joined = [None if day < 100 else (date(2019, 1, 1) + timedelta(days=int(day))).isoformat() for day in days]
    rows = [{"joined": day, **row} for day, row in zip(joined, dataset.rows, strict=True)]
    score = np.array([row["monthly_charges"] for row in rows]) + 0.05 * days + generator.normal(0, 10, len(rows))
    if task is Task.REGRESSION:
        return rows, score * 100
    names = np.array(CLASSES[task], dtype=object)
    return rows, names[np.digitize(score, np.quantile(score, [0.3, 0.6] if task is Task.MULTICLASS else [0.7]))]


CASES = [
    (Task.BINARY, {"estimator": "logistic_regression"}),
    (Task.BINARY, {"estimator": "histogram_gradient_boosting", "max_iter": 20}),
    (Task.MULTICLASS, {"estimator": "logistic_regression", "class_weight": "balanced"}),
    (Task.MULTICLASS, {"estimator": "gradient_boosting", "n_estimators": 10}),
    (Task.MULTICLASS, {"estimator": "lightgbm", "n_estimators": 10}),
    (Task.REGRESSION, {"estimator": "ridge"}),
    (Task.REGRESSION, {"estimator": "extra_trees", "n_estimators": 10}),
    (Task.REGRESSION, {"estimator": "lightgbm", "n_estimators": 20}),
]


@pytest.mark.parametrize(("task", "given"), CASES)
def test_every_feature_at_once_survives_the_export_byte_for_byte(
    small_plan: TrainingPlan, task: Task, given: dict[str, Any]
) -> None:
    plan = plan_of(small_plan, task, EVERYTHING)
    rows, labels = rows_and_labels(small_plan, task)
    tensors = Tensors.of(rows, plan.contract)
    candidate = CANDIDATE.validate_python(given)
    fitted, again = (build_pipeline(plan, candidate).fit(tensors.frame(), labels) for _ in range(2))
    onnx = export_onnx(fitted, plan.contract)
    assert prove_parity(answers(fitted, tensors.frame()), OnnxScorer(onnx).score(tensors)).rows == len(rows)
    assert export_onnx(again, plan.contract) == onnx


def test_logarithms_stand_before_linear_candidates_alone(small_plan: TrainingPlan) -> None:
    plan = plan_of(small_plan, Task.BINARY, EVERYTHING)
    linear, boosting = (plan.configuration.candidates[number] for number in (0, 2))
    assert "logarithms" in build_pipeline(plan, linear).named_steps
    assert "logarithms" not in build_pipeline(plan, boosting).named_steps


def test_target_means_are_taken_on_the_scale_that_is_learned() -> None:
    plan = load_plan(REPOSITORY / "configs" / "housing.yaml")
    frame = Tensors.of([plan.contract.example()] * 60, plan.contract).frame()
    encoder = build_pipeline(plan, plan.configuration.candidates[0]).named_steps["encode"]
    encoded = encoder.fit(frame, np.array([100.0, 10_000.0] * 30)).transform(frame)
    # The target means are the last of the encoded columns.
    assert encoded[0, -3:] == pytest.approx(np.log(1000.0))


def test_an_absent_date_has_the_median_of_the_training_rows(small_plan: TrainingPlan) -> None:
    features = {"dates": [{"column": "joined", "parts": ["year"]}]}
    plan = plan_of(small_plan, Task.BINARY, features)
    example = plan.contract.example()
    rows = [{**example, "joined": day} for day in ("2018-05-05", "2020-01-01", "2024-12-31", None)]
    frame = Tensors.of(rows, plan.contract).frame()
    encoder = build_pipeline(plan, plan.configuration.candidates[1])[:-1].fit(frame, ["No", "Yes"] * 2)
    # The dates are the last of the encoded columns.
    assert encoder.transform(frame)[:, -1].tolist() == [2018, 2020, 2024, 2020]


@pytest.mark.parametrize(
    ("section", "pointer", "said"),
    [
        (
            {"counts": [{"name": "tenure", "of": {"phone_service": [1], "partner": [1]}}]},
            "features",
            "'tenure' is an input field of the contract",
        ),
        ({"logarithms": ["contract"]}, "features.logarithms.0", "is no numeric input field"),
        ({"dates": [{"column": "contract", "parts": ["year"]}]}, "features.dates.0.column", "cannot hold dates"),
        ({"target_encoding": ["tenure"]}, "features.target_encoding", "is no text with an enum"),
        ({"target_encoding": ["tech_support"]}, "features", "are counted"),
        (
            {"target_encoding": ["contract"], "rare_categories": {"fewer_than": 9, "columns": ["contract"]}},
            "features",
            "'contract' has two uses",
        ),
        ({"rare_categories": {"fewer_than": 1}}, "features.rare_categories.fewer_than", "greater than or equal to 2"),
    ],
)
def test_a_feature_that_cannot_be_computed_is_refused_by_its_path(
    tmp_path: Any, section: dict[str, Any], pointer: str, said: str
) -> None:
    document = small_document()
    document["features"].update(section)
    with pytest.raises(InvalidInput) as refused:
        load_plan(write_project(tmp_path, document))
    found = {problem.pointer: problem.message for problem in refused.value.problems}
    assert said in found[pointer]


@pytest.mark.parametrize(
    ("features", "said"),
    [
        ({}, "'joined' is a text without an enum"),
        ({"dates": [{"column": "joined", "parts": ["days_since"]}]}, "days_since and since go together"),
        ({"dates": [{"column": "joined", "parts": ["year", "year"]}]}, "two parts of a date"),
    ],
)
def test_a_date_that_is_not_read_or_counted_from_nowhere_is_refused(
    small_plan: TrainingPlan, features: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        plan_of(small_plan, Task.BINARY, features)
