"""The whole training on students whose best possible model is known."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from conftest import REPOSITORY

from edustream_ml.configuration import load_plan
from edustream_ml.progress import ProgressReport
from edustream_ml.students.command import ROWS, SEED
from edustream_ml.students.file import write_students
from edustream_ml.workflow import train


@pytest.mark.prove
def test_the_configured_model_comes_within_a_hundredth_of_the_best_possible(
    tmp_path: Path, report: ProgressReport
) -> None:
    for folder in ("configs", "data"):
        (tmp_path / folder).mkdir()
    shutil.copy(REPOSITORY / "configs" / "edustream.yaml", tmp_path / "configs")
    written = write_students(tmp_path / "data" / "edustream_students.csv", ROWS, SEED)
    plan = load_plan(tmp_path / "configs" / "edustream.yaml")
    assert written.sha256 == plan.configuration.data.sha256
    training = train(plan, report)
    assert len(training.dataset) == 200_000
    for name in ("cross_validation_roc_auc", "roc_auc"):
        assert abs(training.metrics[name] - written.best_roc_auc) < 0.01
