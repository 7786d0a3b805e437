from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

from edustream_contracts.contract import ModelContract, contract_from, load_contract
from edustream_ml.configuration import Configuration, TrainingPlan
from edustream_ml.dataset import load_dataset
from edustream_ml.features.derived import DerivedFeatures
from edustream_ml.features.pipeline import build_pipeline
from edustream_ml.onnx_export import export_onnx
from edustream_ml.onnx_scorer import OnnxScorer
from edustream_ml.scores import answers
from edustream_ml.tensors import Tensors
from edustream_ml.training import Training

CHURN = load_contract("churn")


def valid_rows(contract: ModelContract) -> st.SearchStrategy[dict[str, Any]]:
    fields = {}
    for field in contract.inputs:
        if field.categories:
            values: st.SearchStrategy[Any] = st.sampled_from(field.categories)
        elif field.kind == "integer":
            values = st.integers(int(field.minimum or 0), int(field.maximum or 0))
        else:
            values = st.floats(field.minimum, field.maximum, allow_subnormal=False)
        fields[field.name] = values | st.none() if field.nullable else values
    return st.fixed_dictionaries(fields)


def test_a_ratio_keeps_its_denominator_above_the_floor_and_a_count_adds_up() -> None:
    matrix = np.array([[10.0, 0.0, 1.0], [10.0, 4.0, 0.0]], dtype=np.float32)
    derived = DerivedFeatures(ratios=((0, 1, 1.0),), counts=((1, 2),)).fit(matrix).transform(matrix)
    assert derived.dtype == np.float32
    assert derived[:, 3:].tolist() == [[10.0, 1.0], [2.5, 4.0]]


def test_churn_gets_charges_per_month_and_number_of_services(small_plan: TrainingPlan) -> None:
    configuration = small_plan.configuration
    pipeline = build_pipeline(small_plan, configuration.candidates[1])
    dataset = load_dataset(small_plan)
    pipeline.fit(Tensors.of(dataset.rows, small_plan.contract).frame(), dataset.labels)
    row = {**small_plan.contract.example(), "tenure": 4, "total_charges": 100.0}
    unbilled = {**row, "tenure": 0, "total_charges": None}
    features = pipeline[:-1].transform(Tensors.of([row, unbilled], small_plan.contract).frame())
    assert features[:, -2].tolist() == [25.0, 0.0]
    assert features[:, -1].tolist() == [2.0, 2.0]
    assert np.isfinite(features).all()


def test_only_the_linear_candidate_is_scaled(small_plan: TrainingPlan) -> None:
    configuration: Configuration = small_plan.configuration
    scaled = ["scale" in build_pipeline(small_plan, candidate).named_steps for candidate in configuration.candidates]
    assert scaled == [True, False, False]


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(valid_rows(CHURN), min_size=1, max_size=20))
def test_onnx_agrees_with_scikit_learn_on_any_valid_row(small_training: Training, rows: list[dict[str, Any]]) -> None:
    tensors = Tensors.of(rows, CHURN)
    exported = OnnxScorer(small_training.onnx).score(tensors)
    trained = answers(small_training.pipeline, tensors.frame())
    assert exported.probabilities is not None
    assert trained.probabilities is not None
    assert np.abs(exported.probabilities - trained.probabilities).max() <= 1e-5


@settings(max_examples=40, deadline=None)
@given(
    matrix=st.lists(st.lists(st.floats(0, 2.0**20, width=32), min_size=3, max_size=3), min_size=4, max_size=20),
    floor=st.sampled_from([0.5, 1.0, 3.0]),
)
def test_derived_features_are_the_same_numbers_in_onnx(matrix: list[list[float]], floor: float) -> None:
    contract = numeric_contract()
    rows = [dict(zip(contract.numeric, values, strict=True)) for values in matrix]
    tensors = Tensors.of(rows, contract)
    derive = DerivedFeatures(ratios=((0, 1, floor), (2, 0, floor)), sums=((0, 2),))
    estimator = LogisticRegression().fit(np.eye(6, dtype=np.float32), ["No", "Yes"] * 3)
    estimator.coef_ = np.array([[0.0, 0.0, 0.0, 0.01, 0.01, 0.0]])
    estimator.intercept_ = np.zeros(1)
    pipeline = Pipeline([("derive", derive.fit(tensors.numeric)), ("estimate", estimator)])
    exported = OnnxScorer(export_onnx(pipeline, contract)).score(tensors)
    expected = pipeline.predict_proba(tensors.numeric)
    assert np.abs(exported.probabilities - expected).max() <= 1e-5


def numeric_contract() -> ModelContract:
    """The churn contract with three optional or plain numbers as its only input."""
    number = {"type": "number", "minimum": 0, "title": "N", "description": "A number"}
    document = {**CHURN.document}
    document["input"] = {
        **document["input"],
        "properties": {"a": number, "b": number, "c": number},
        "required": ["a", "b"],
        "examples": [{"a": 1, "b": 2, "c": 3}],
    }
    return contract_from(document)


def test_a_text_counts_in_its_own_column_alone_and_an_unknown_one_in_none() -> None:
    text = {"type": ["string", "null"], "enum": ["a", "b", "c", None], "title": "T", "description": "A text"}
    document = {**CHURN.document}
    document["input"] = {
        **document["input"],
        "properties": {"first": text, "second": text},
        "required": [],
        "examples": [{"first": "a", "second": "b"}],
    }
    contract = contract_from(document)
    encoder = OneHotEncoder(categories=[["b", "a"], ["b", "c"]], handle_unknown="ignore", sparse_output=False)
    texts = [{"first": first, "second": second} for first in ("a", "b", "c", None) for second in ("a", "b", "c", None)]
    tensors = Tensors.of(texts, contract)
    estimator = LogisticRegression().fit(np.eye(4, dtype=np.float32), ["No", "Yes"] * 2)
    estimator.coef_ = np.array([[0.1, 0.2, 0.4, 0.8]])
    pipeline = Pipeline([("encode", encoder.fit([["a", "b"]])), ("estimate", estimator)])
    exported = OnnxScorer(export_onnx(pipeline, contract)).score(tensors)
    assert np.abs(exported.probabilities - pipeline.predict_proba(tensors.categorical)).max() <= 1e-6


def test_an_optional_number_gets_the_training_median(small_plan: TrainingPlan) -> None:
    contract = numeric_contract()
    rows = [{"a": 1.0, "b": 2.0, "c": value} for value in (1.0, 3.0, 8.0)] + [{"a": 1.0, "b": 2.0}]
    features = small_plan.configuration.features.model_copy(update={"missing_values": {}, "ratios": (), "counts": ()})
    plan = replace(
        small_plan,
        contract=contract,
        configuration=small_plan.configuration.model_copy(update={"features": features}),
    )
    pipeline = build_pipeline(plan, small_plan.configuration.candidates[1])
    frame = Tensors.of(rows, contract).frame()
    pipeline.fit(frame, ["No", "Yes", "No", "Yes"])
    assert pipeline[:-1].transform(frame)[3].tolist() == [1.0, 2.0, 3.0]


@pytest.mark.parametrize("index", [0, 1, 2])
def test_every_candidate_survives_the_export(small_plan: TrainingPlan, index: int) -> None:
    dataset = load_dataset(small_plan)
    configuration = small_plan.configuration
    pipeline = build_pipeline(small_plan, configuration.candidates[index])
    tensors = Tensors.of(dataset.rows, small_plan.contract)
    pipeline.fit(tensors.frame(), dataset.labels)
    exported = OnnxScorer(export_onnx(pipeline, small_plan.contract)).score(tensors)
    trained = answers(pipeline, tensors.frame())
    assert (exported.labels == trained.labels).all()
    assert exported.probabilities is not None
    assert trained.probabilities is not None
    assert np.abs(exported.probabilities - trained.probabilities).max() <= 1e-5
