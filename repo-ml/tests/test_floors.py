"""The configurations as they are shipped, on all rows: each model reaches the floor that it was promised to reach."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import REPOSITORY

from edustream_contracts.errors import GateRefused
from edustream_ml.configuration import load_plan
from edustream_ml.parity import TOLERANCE
from edustream_ml.progress import ProgressReport
from edustream_ml.students.command import ROWS, SEED
from edustream_ml.students.file import write_students
from edustream_ml.tasks import CROSS_VALIDATION
from edustream_ml.training import Training
from edustream_ml.workflow import train

FLOORS = {"churn": 0.847, "plans": 0.68, "housing": 0.90}
ALLOWED_SHORTFALL = 0.01

pytestmark = pytest.mark.prove


@pytest.mark.parametrize("model", sorted(FLOORS))
def test_the_configured_model_reaches_its_floor_over_five_folds(model: str, report: ProgressReport) -> None:
    training = train(load_plan(REPOSITORY / "configs" / f"{model}.yaml"), report)
    plan = training.plan
    assert plan.configuration.cross_validation.folds == 5
    name = f"{CROSS_VALIDATION}{plan.task.selection_metric}"
    assert plan.configuration.thresholds[name] >= FLOORS[model]
    assert training.metrics[name] >= FLOORS[model]
    assert_every_row_agrees(training)


@pytest.mark.parametrize("seed", [1, 2])
def test_the_floor_of_housing_is_no_luck_of_one_seed(seed: int, report: ProgressReport) -> None:
    plan = load_plan(REPOSITORY / "configs" / "housing.yaml")
    once = plan.configuration.cross_validation.model_copy(update={"repeats": 1})
    configuration = plan.configuration.model_copy(update={"seed": seed, "cross_validation": once})
    assert train(replace(plan, configuration=configuration), report).chosen.mean >= FLOORS["housing"]


def test_the_model_of_students_comes_close_to_the_best_possible(tmp_path: Path, report: ProgressReport) -> None:
    for folder in ("configs", "data"):
        (tmp_path / folder).mkdir()
    shutil.copy(REPOSITORY / "configs" / "edustream.yaml", tmp_path / "configs")
    written = write_students(tmp_path / "data" / "edustream_students.csv", ROWS, SEED)
    plan = load_plan(tmp_path / "configs" / "edustream.yaml")
    assert written.sha256 == plan.configuration.data.sha256
    training = train(plan, report)
    assert len(training.dataset) == 200_000
    for name in ("cross_validation_roc_auc", "roc_auc"):
        assert abs(training.metrics[name] - written.best_roc_auc) < ALLOWED_SHORTFALL
    assert_every_row_agrees(training)


def test_where_the_data_cannot_answer_the_gates_refuse(report: ProgressReport) -> None:
    with pytest.raises(GateRefused) as refused:
        train(load_plan(REPOSITORY / "configs" / "mobile-plans.yaml"), report)
    assert "cross_validation_roc_auc" in str(refused.value)


def assert_every_row_agrees(training: Training) -> None:
    assert training.parity.rows == len(training.dataset)
    assert training.parity.largest_difference <= TOLERANCE == 1e-5
