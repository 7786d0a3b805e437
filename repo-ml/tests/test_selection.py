"""No way around: what is set aside decides nothing, and each fold is fitted on its own training rows alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import small_csv, small_document, write_project
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline

from edustream_contracts.canonical import sha256_hex
from edustream_contracts.errors import GateRefused, InvalidInput
from edustream_ml import selection
from edustream_ml.configuration import TrainingPlan, load_plan
from edustream_ml.features.pipeline import build_pipeline
from edustream_ml.progress import ProgressReport
from edustream_ml.selection import CandidateScore, best, cross_validate, folds, split
from edustream_ml.training import Training
from edustream_ml.workflow import train


def with_other_held_out_rows(training: Training, folder: Path) -> TrainingPlan:
    """The same run on data whose held-out rows are other customers with the same labels."""
    header, *rows = small_csv().splitlines()
    target = header.split(",").index("churn")
    configuration, labels = training.plan.configuration, training.dataset.labels
    _, held_out = train_test_split(
        np.arange(len(rows)),
        test_size=configuration.held_out_fraction,
        stratify=labels,
        random_state=configuration.seed,
    )
    assert training.dataset.part(held_out).columns.equals(training.split.held_out.columns)
    for number in held_out:
        cells = rows[0].split(",")
        cells[target] = rows[number].split(",")[target]
        rows[number] = ",".join(cells)
    data = "\n".join([header, *rows]) + "\n"
    document = small_document()
    document["data"]["sha256"] = sha256_hex(data.encode())
    return load_plan(write_project(folder, document, data))


def test_the_held_out_rows_decide_nothing(small_training: Training, report: ProgressReport, tmp_path: Path) -> None:
    other = train(with_other_held_out_rows(small_training, tmp_path), report, refused_too=True)
    assert other.candidates == small_training.candidates
    assert other.chosen == small_training.chosen
    assert other.onnx == small_training.onnx
    assert other.leakage == small_training.leakage
    assert other.evaluation != small_training.evaluation


def test_every_step_is_fitted_on_the_training_rows_of_its_fold(
    small_training: Training, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[Any, Any]] = []

    class Watched(Pipeline):  # type: ignore[misc]
        def fit(self, X: Any, y: Any = None, **params: Any) -> Any:  # noqa: N803 - scikit-learn's own name
            seen.append((X.index.to_numpy(), y))
            return super().fit(X, y, **params)

    monkeypatch.setattr(selection, "N_JOBS", 1)
    monkeypatch.setattr(selection, "build_pipeline", lambda *given: Watched(build_pipeline(*given).steps))
    plan, training = small_training.plan, small_training.split.training
    candidate = plan.configuration.candidates[0]
    scores = list(cross_validate(training, plan, candidate))
    parts = folds(training, plan)
    assert len(scores) == len(seen) == len(parts) == 2
    for (rows, labels), (taught, judged) in zip(seen, parts, strict=True):
        assert rows.tolist() == taught.tolist()
        assert labels.tolist() == training.labels[taught].tolist()
        assert not set(rows) & set(judged)
    assert tuple(scores) == small_training.candidates[0].folds
    assert np.array_equal(np.sort(np.concatenate([judged for _, judged in parts])), np.arange(len(training)))


def test_among_equals_the_first_is_chosen(small_training: Training) -> None:
    first, second, third = (
        CandidateScore(score.candidate, "roc_auc", ({"roc_auc": value},))
        for score, value in zip(small_training.candidates, (0.7, 0.8, 0.8), strict=True)
    )
    assert best([first, second, third]) is second


def test_a_mean_that_is_no_number_is_not_chosen(small_training: Training) -> None:
    first, second, _ = small_training.candidates
    undefined = CandidateScore(first.candidate, "roc_auc", ({"roc_auc": 0.8}, {"roc_auc": float("nan")}))
    with pytest.raises(GateRefused, match="roc_auc of logistic_regression is no number on some fold"):
        best([undefined, second])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"held_out_fraction": 0.05}, "held_out_fraction: of 0.05 is too little: about 0.8 rows of class 'Yes'"),
        (
            {"cross_validation": {"folds": 20, "repeats": 1}},
            "cross_validation.folds: of 20 are too many: 12 rows of class 'Yes' are left to train on",
        ),
    ],
)
def test_too_few_rows_of_a_class_are_refused(small_training: Training, changes: dict[str, Any], said: str) -> None:
    plan = small_training.plan
    configuration = plan.configuration.model_validate(
        {**plan.configuration.model_dump(), **changes}, context={"contract": plan.contract}
    )
    dataset = small_training.dataset
    few = dataset.part(np.concatenate([np.flatnonzero(dataset.labels == name)[:15] for name in plan.classes]))
    with pytest.raises(InvalidInput, match="too few rows for what the configuration asks for") as refused:
        split(few, replace(plan, configuration=configuration))
    assert said in str(refused.value)
