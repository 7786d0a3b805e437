"""Metrics that a model passes which always gives the same answer are no gate."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Document, small_document, write_project

from edustream_contracts.errors import InvalidInput
from edustream_contracts.metrics import is_error, reaches
from edustream_ml.configuration import TrainingPlan, load_plan
from edustream_ml.evaluation import evaluate
from edustream_ml.gates.constant import CALIBRATION, constants, require_gates
from edustream_ml.scores import Scores
from edustream_ml.tasks import METRICS, Task

# 26 of 100 customers leave, about as many as in the data set.
LABELS = np.array(["Yes"] * 26 + ["No"] * 74, dtype=object)


def plan_with(folder: Path, thresholds: dict[str, float], **gates: Any) -> TrainingPlan:
    document: Document = small_document() | {"thresholds": thresholds, "gates": gates}
    return load_plan(write_project(folder, document))


def all_negative(plan: TrainingPlan, probability: float) -> dict[str, float]:
    """The metrics of a model that calls nobody a leaver, and is as sure of it as `probability` of the opposite says."""
    rows = len(LABELS)
    answered = Scores(np.full(rows, "No", dtype=object), np.tile([1.0 - probability, probability], (rows, 1)))
    return dict(evaluate(plan, LABELS, answered).scores)


@pytest.mark.parametrize("name", [name for name in METRICS[Task.BINARY] if name not in {"accuracy", CALIBRATION}])
@pytest.mark.parametrize("probability", [0.0, 0.26, 0.4])
def test_no_floor_is_accepted_that_an_all_negative_model_keeps(tmp_path: Path, name: str, probability: float) -> None:
    reached = all_negative(plan_with(tmp_path, {"roc_auc": 0.9}), probability)[name]
    best = [one.metrics[name] for one in constants(plan_with(tmp_path, {"roc_auc": 0.9}), LABELS)]
    edge = min(best) if is_error(name) else max(best)
    assert reaches(name, edge, reached), "some constant does at least as well"

    harder = math.nextafter(edge, -1.0 if is_error(name) else 2.0)
    require_gates(plan_with(tmp_path, {name: harder}), LABELS)
    assert not reaches(name, reached, harder)

    for limit in (edge, reached):
        with pytest.raises(InvalidInput, match=rf"thresholds\.{name}: at (least|most) .* is kept by always answering"):
            require_gates(plan_with(tmp_path, {name: limit}), LABELS)


def test_the_share_of_the_commonest_class_is_no_metric_at_all(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="'accuracy' is no metric that a binary model is held to"):
        plan_with(tmp_path, {"accuracy": 0.75})


def test_a_mean_over_the_folds_is_held_against_the_same_constants(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"thresholds\.cross_validation_roc_auc: at least 0\.5 is kept"):
        require_gates(plan_with(tmp_path, {"cross_validation_roc_auc": 0.5}), LABELS)


def test_calibration_alone_is_no_gate(tmp_path: Path) -> None:
    """Who always says 26 % is perfectly calibrated, and of no use."""
    with pytest.raises(InvalidInput, match="has expected_calibration_error alone"):
        require_gates(plan_with(tmp_path, {CALIBRATION: 0.01}), LABELS)
    require_gates(plan_with(tmp_path, {CALIBRATION: 0.01, "roc_auc": 0.6}), LABELS)


def test_a_value_that_one_decision_for_everybody_reaches_is_no_gate(tmp_path: Path) -> None:
    """Calling everybody costs 20 for each of 74 and gains 80 for each of 26: 6 a customer; calling nobody, 0."""
    payoffs = {"Yes": {"Yes": 80, "No": 0}, "No": {"Yes": -20, "No": 0}}
    worth = {"unit": "USD", "payoffs": payoffs}
    with pytest.raises(InvalidInput, match=r"at least 6 USD is kept by always answering 'Yes': 6\.0000"):
        require_gates(plan_with(tmp_path, {"roc_auc": 0.6}, business_value={**worth, "at_least": 6.0}), LABELS)
    require_gates(plan_with(tmp_path, {"roc_auc": 0.6}, business_value={**worth, "at_least": 6.01}), LABELS)


def test_a_worst_slice_that_chance_keeps_is_no_gate(tmp_path: Path) -> None:
    slices = {"columns": ["female"], "at_least": 0.5}
    with pytest.raises(InvalidInput, match=r"gates\.worst_slice\.at_least: at least 0\.5 is kept by always answering"):
        require_gates(plan_with(tmp_path, {"roc_auc": 0.6}, worst_slice=slices), LABELS)
    require_gates(plan_with(tmp_path, {"roc_auc": 0.6}, worst_slice={**slices, "at_least": 0.51}), LABELS)


def test_all_gates_that_are_none_are_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"churn\.yaml sets 2 gates that are none") as refused:
        require_gates(plan_with(tmp_path, {"brier_score": 0.25, "f1": 0.3, "roc_auc": 0.6}), LABELS)
    assert refused.value.kind == "configuration"
    assert [problem.pointer for problem in refused.value.problems] == ["thresholds.brier_score", "thresholds.f1"]
