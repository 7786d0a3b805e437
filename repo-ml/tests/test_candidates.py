from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pytest
from conftest import REPOSITORY
from pydantic import TypeAdapter, ValidationError
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType

from edustream_ml.candidates import Candidate
from edustream_ml.configuration import load_plan
from edustream_ml.dataset import load_dataset
from edustream_ml.features.pipeline import build_pipeline
from edustream_ml.onnx_export import OPSETS, export_onnx
from edustream_ml.onnx_scorer import OnnxScorer
from edustream_ml.parity import prove_parity
from edustream_ml.scores import answers
from edustream_ml.tasks import Task
from edustream_ml.tensors import Tensors
from edustream_ml.tree_ensembles import float32_below, tree_converters

CANDIDATE: TypeAdapter[Any] = TypeAdapter(Candidate)
ROWS = 600
COLUMNS = 6
CANDIDATES: dict[str, dict[str, Any]] = {
    "logistic_regression": {},
    "ridge": {},
    "random_forest": {"n_estimators": 20, "min_samples_leaf": 3},
    "extra_trees": {"n_estimators": 20, "min_samples_leaf": 3},
    "histogram_gradient_boosting": {"max_iter": 30, "max_depth": None, "min_samples_leaf": 3},
    "gradient_boosting": {"n_estimators": 30, "subsample": 0.7},
    "lightgbm": {"n_estimators": 30, "min_child_samples": 3},
}
PAIRS = [
    (name, task) for name in CANDIDATES for task in Task if task in CANDIDATE.validate_python({"estimator": name}).tasks
]


def table(generator: np.random.Generator, rows: int) -> Any:
    """Numbers with one decimal, as data have them: the midpoints between them, where trees split, have two."""
    return np.round(generator.normal(50, 20, (rows, COLUMNS)), 1).astype(np.float32)


def targets(matrix: Any, task: Task) -> Any:
    noise = np.random.default_rng(1).normal(0, 1, len(matrix))
    score = 0.05 * matrix[:, 0] + 0.03 * matrix[:, 1] * (matrix[:, 2] > 50) - 3 + noise
    if task is Task.REGRESSION:
        return score - score.mean()
    names = np.array(["low", "middle", "high"] if task is Task.MULTICLASS else ["no", "yes"], dtype=object)
    return names[np.digitize(score, [0.0, 1.0] if task is Task.MULTICLASS else [0.5])]


def candidate(name: str, **parameters: Any) -> Any:
    return CANDIDATE.validate_python({"estimator": name, **CANDIDATES[name], **parameters})


def in_onnx(estimator: Any, matrix: Any) -> list[Any]:
    model = convert_sklearn(
        estimator,
        initial_types=[("matrix", FloatTensorType([None, COLUMNS]))],
        target_opset=OPSETS,
        options={"zipmap": False} if hasattr(estimator, "classes_") else None,
        custom_conversion_functions=dict(tree_converters(estimator)),
    )
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return list(session.run(None, {"matrix": matrix}))


@pytest.mark.parametrize(("name", "task"), PAIRS)
def test_a_candidate_answers_the_same_in_onnx_on_rows_that_lie_on_its_thresholds(name: str, task: Task) -> None:
    generator = np.random.default_rng(0)
    matrix = table(generator, ROWS)
    estimator = candidate(name).build(task, 1).fit(matrix, targets(matrix, task))
    rows = np.round(generator.uniform(0, 100, (20_000, COLUMNS)), 2).astype(np.float32)
    answers = in_onnx(estimator, rows)
    if task is Task.REGRESSION:
        assert np.abs(answers[0].ravel() - estimator.predict(rows)).max() <= 1e-5
        return
    probabilities = estimator.predict_proba(rows)
    assert np.abs(answers[1] - probabilities).max() <= 1e-5
    assert (np.asarray(answers[0], dtype=object) == estimator.classes_[probabilities.argmax(axis=1)]).all()


@pytest.mark.parametrize(("name", "task"), PAIRS)
def test_a_candidate_learns_the_same_twice_from_one_seed(name: str, task: Task) -> None:
    matrix = table(np.random.default_rng(0), 200)
    first, second = (candidate(name).build(task, 7).fit(matrix, targets(matrix, task)) for _ in range(2))
    assert (first.predict(matrix) == second.predict(matrix)).all()


def test_a_threshold_becomes_the_greatest_float32_that_does_not_exceed_it() -> None:
    exact, above = np.float64(np.float32(0.1)), np.float64(np.float32(0.1)) - 1e-12
    below = float32_below(np.array([exact, above]))
    assert below[0] == np.float32(0.1)
    assert below[1] == np.nextafter(np.float32(0.1), np.float32(0))
    assert below.dtype == np.float32


def test_balanced_classes_reach_the_estimator_and_a_number_has_none() -> None:
    balanced = candidate("histogram_gradient_boosting", class_weight="balanced")
    assert balanced.build(Task.MULTICLASS, 1).class_weight == "balanced"
    assert "class_weight" not in candidate("random_forest").hyper_parameters


def test_lightgbm_that_is_not_installed_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edustream_ml.candidates.find_spec", lambda name: None)
    with pytest.raises(ValidationError, match=r"install edustream-ml\[lightgbm\]"):
        candidate("lightgbm")


@pytest.mark.prove
@pytest.mark.parametrize("name", ["churn", "plans", "housing"])
def test_every_candidate_agrees_with_onnx_on_every_row_of_real_data(name: str) -> None:
    plan = load_plan(REPOSITORY / "configs" / f"{name}.yaml")
    dataset = load_dataset(plan)
    tensors = Tensors.of_columns(dataset.columns, plan.contract)
    for estimator in (estimator for estimator, task in PAIRS if task is plan.task):
        pipeline = build_pipeline(plan, candidate(estimator)).fit(tensors.frame(), dataset.labels)
        exported = OnnxScorer(export_onnx(pipeline, plan.contract)).score(tensors)
        assert prove_parity(answers(pipeline, tensors.frame()), exported).rows == len(dataset)
