"""Problems of every kind, from a contract, a configuration and a data file to a release that a consumer can run."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from conftest import REPOSITORY

from edustream_contracts.canonical import sha256_hex
from edustream_contracts.errors import GateRefused, InvalidInput
from edustream_ml.configuration import load_plan
from edustream_ml.dataset import load_dataset
from edustream_ml.progress import ProgressReport
from edustream_ml.release import write_release
from edustream_ml.scores import answers
from edustream_ml.tasks import Task
from edustream_ml.tensors import Tensors
from edustream_ml.training import Training
from edustream_ml.workflow import prove, train
from edustream_registry.inference.session import Inference
from edustream_registry.manifest import ReleaseContent

# Two problems are trained here; the end-to-end story of scripts/ serves all four.
pytestmark = pytest.mark.prove

ROWS = 500
SMALL: dict[str, dict[str, Any]] = {
    "plans": {
        "candidates": [
            {"estimator": "logistic_regression", "class_weight": "balanced"},
            {"estimator": "histogram_gradient_boosting", "max_iter": 15},
        ],
        "thresholds": {"macro_f1": 0.4},
    },
    "housing": {
        "candidates": [
            {"estimator": "histogram_gradient_boosting", "max_iter": 60},
            {"estimator": "random_forest", "n_estimators": 5},
        ],
        "thresholds": {"r2": 0.5, "median_absolute_percentage_error": 0.2},
    },
}


def small_problem(folder: Path, model: str, **changes: Any) -> Path:
    """The configuration of a problem with few rows, folds and trees; its path."""
    source = REPOSITORY / "configs" / f"{model}.yaml"
    document = yaml.safe_load(source.read_text(encoding="utf-8"))
    lines = (source.parent / document["data"]["path"]).read_bytes().splitlines(keepends=True)
    data = b"".join(lines[: ROWS + 1])
    (folder / "rows.csv").write_bytes(data)
    document["data"] |= {"path": "rows.csv", "sha256": sha256_hex(data)}
    document |= {"cross_validation": {"folds": 2, "repeats": 1}, "gates": {"resamples": 100}, **SMALL[model], **changes}
    path = folder / f"{model}.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path


@dataclass(frozen=True)
class Solved:
    """A trained problem and its release."""

    training: Training
    content: ReleaseContent
    folder: Path

    @property
    def rows(self) -> list[dict[str, Any]]:
        return list(self.training.dataset.rows)

    @property
    def inference(self) -> Inference:
        return Inference(self.training.onnx, self.content, self.training.plan.contract)


@pytest.fixture(scope="module", params=["plans", "housing"])
def solved(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, report: ProgressReport) -> Solved:
    folder = tmp_path_factory.mktemp(request.param)
    training = train(load_plan(small_problem(folder, request.param)), report)
    content = write_release(training, folder / "release", REPOSITORY)
    return Solved(training, content, folder / "release")


def test_a_clean_process_without_the_training_code_gives_every_answer_again(
    solved: Solved, report: ProgressReport
) -> None:
    prove(solved.content, solved.folder, report)


def test_the_manifest_states_the_task_and_its_outputs(solved: Solved) -> None:
    plan = solved.training.plan
    assert solved.content.task == plan.task
    assert solved.content.outputs.classes == plan.classes
    assert (solved.content.outputs.probabilities is None) == (plan.task is Task.REGRESSION)
    assert f"cross_validation_{plan.task.selection_metric}" in solved.content.metrics


def test_every_row_gets_from_a_consumer_what_scikit_learn_says(solved: Solved) -> None:
    plan, rows = solved.training.plan, solved.rows
    trained = answers(solved.training.pipeline, Tensors.of(rows, plan.contract).frame())
    answered = solved.inference.answers(rows)
    assert all(plan.contract.output_validator.is_valid(answer) for answer in answered)
    labels = [answer[plan.outcome.field.name] for answer in answered]
    if trained.probabilities is None:
        assert labels == pytest.approx(trained.labels, rel=1e-5)
        return
    assert labels == trained.labels.tolist()
    for name, of_class in plan.outcome.probabilities.items():
        expected = trained.of_class(of_class, plan.classes)
        assert np.abs(np.array([answer[name] for answer in answered]) - expected).max() <= 1e-5
    assert solved.training.parity.rows == len(rows) == ROWS


def test_the_profile_is_one_of_the_label(solved: Solved) -> None:
    profile = json.loads((solved.folder / "profile.json").read_bytes())
    kind = "numeric" if solved.training.plan.task is Task.REGRESSION else "categorical"
    assert profile["prediction"]["kind"] == kind
    assert sum(profile["prediction"]["counts"]) == profile["rows"] == len(solved.training.split.training)


def test_the_metrics_say_what_was_predicted(solved: Solved) -> None:
    document = json.loads((solved.folder / "metrics.json").read_bytes())
    assert document["task"] == solved.training.plan.task
    assert document["selection_metric"] == solved.training.plan.task.selection_metric
    if document["task"] == "regression":
        assert (document["unit"], document["scale"]) == ("USD", "log")
        assert "cross_validation_median_absolute_percentage_error" in document["metrics"]
    else:
        assert document["classes"] == ["Month-to-month", "One year", "Two year"]
        assert len(document["held_out"]["confusion_matrix"]["counts"]) == 3


def test_none_is_a_category_of_homes_and_no_missing_value(tmp_path: Path) -> None:
    dataset = load_dataset(load_plan(small_problem(tmp_path, "housing")))
    assert not dataset.columns.isna().any().any()
    assert {"None", "BrkFace"} <= set(dataset.columns["Mas_Vnr_Type"])
    assert "WD " in set(dataset.columns["Sale_Type"])


@pytest.mark.parametrize(
    ("model", "changes", "pointer"),
    [
        ("plans", {"target": {"column": "contract", "positive": "One year"}}, "target.positive"),
        ("plans", {"target": {"column": "contract", "scale": "log"}}, "target.scale"),
        ("plans", {"thresholds": {"roc_auc": 0.8}}, "thresholds.roc_auc"),
        ("housing", {"thresholds": {"macro_f1": 0.8}}, "thresholds.macro_f1"),
        ("housing", {"candidates": [{"estimator": "logistic_regression"}]}, "candidates"),
    ],
)
def test_what_belongs_to_another_kind_of_problem_is_refused(
    tmp_path: Path, model: str, changes: dict[str, Any], pointer: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        load_plan(small_problem(tmp_path, model, **changes))
    assert [problem.pointer for problem in refused.value.problems] == [pointer]


def test_a_price_that_is_missed_by_too_much_is_refused(tmp_path: Path, report: ProgressReport) -> None:
    demanding = {"thresholds": {"median_absolute_percentage_error": 0.001}}
    candidates = {"candidates": [{"estimator": "histogram_gradient_boosting", "max_iter": 5}]}
    with pytest.raises(GateRefused, match=r"median_absolute_percentage_error|1 of"):
        train(load_plan(small_problem(tmp_path, "housing", **demanding, **candidates)), report)
