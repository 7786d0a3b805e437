"""Chooses among the candidates by repeated cross-validation on the training rows alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.model_selection import RepeatedKFold, RepeatedStratifiedKFold, train_test_split
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from edustream_contracts.errors import GateRefused, InvalidInput, Problem
from edustream_ml.candidates import Candidate
from edustream_ml.configuration import TrainingPlan
from edustream_ml.dataset import Dataset
from edustream_ml.evaluation import fold_scores
from edustream_ml.features.pipeline import build_pipeline
from edustream_ml.scores import Labels, answers
from edustream_ml.tensors import Tensors

N_JOBS: Final = 2
WORTH_WORKERS_ROWS: Final = 2_000
"""Fewer rows are scored sooner than worker processes have started."""
HELD_OUT_AT_LEAST: Final = 2
"""Rows of each class, or with a number, that the evaluation needs."""

Fold = tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]


@dataclass(frozen=True, slots=True)
class Split:
    """The rows that are trained on, and those that are set aside for the one evaluation."""

    training: Dataset
    held_out: Dataset


@dataclass(frozen=True, slots=True)
class CandidateScore:
    """The metrics of one candidate on every fold, by their names; `metric` is the one that decides."""

    candidate: Candidate
    metric: str
    folds: tuple[Mapping[str, float], ...]

    @property
    def mean(self) -> float:
        """Mean of the deciding metric over the folds."""
        return self.mean_of(self.metric)

    @property
    def std(self) -> float:
        """Standard deviation of the deciding metric over the folds (population)."""
        return float(np.std([fold[self.metric] for fold in self.folds]))

    def mean_of(self, metric: str) -> float:
        """Mean of one metric over the folds."""
        return float(np.mean([fold[metric] for fold in self.folds]))


def split(dataset: Dataset, plan: TrainingPlan) -> Split:
    """Set the held-out rows aside, stratified by class where there are any, deterministically by the plan's seed.

    Raises `InvalidInput` (kind `data`) where the rows, or those of a class, are too few to hold out or for the folds.
    """
    configuration = plan.configuration
    _require_rows(dataset, plan)
    training, held_out = train_test_split(
        np.arange(len(dataset)),
        test_size=configuration.held_out_fraction,
        stratify=dataset.labels if plan.task.is_classification else None,
        random_state=configuration.seed,
    )
    return Split(dataset.part(training), dataset.part(held_out))


def cross_validate(training: Dataset, plan: TrainingPlan, candidate: Candidate) -> Iterator[dict[str, float]]:
    """The metrics of a candidate on one fold after the other; everything is fitted inside the fold."""
    pipeline = build_pipeline(plan, candidate)
    frame = Tensors.of_columns(training.columns, plan.contract).frame()
    parallel = Parallel(N_JOBS if len(training) >= WORTH_WORKERS_ROWS else 1, return_as="generator")
    scores: Iterable[dict[str, float]] = parallel(
        delayed(_score_fold)(pipeline, frame, training.labels, fold, plan) for fold in folds(training, plan)
    )
    yield from scores


def folds(training: Dataset, plan: TrainingPlan) -> list[Fold]:
    """The (training, validation) row numbers of every fold, the same for every candidate."""
    settings = plan.configuration.cross_validation
    splitter: Any = RepeatedStratifiedKFold if plan.task.is_classification else RepeatedKFold
    repeated = splitter(n_splits=settings.folds, n_repeats=settings.repeats, random_state=plan.configuration.seed)
    return list(repeated.split(np.zeros(len(training)), training.labels))


def best(scores: Sequence[CandidateScore]) -> CandidateScore:
    """The score with the highest mean; among equals the one that the configuration names first.

    Raises `GateRefused` (kind `threshold`) where a mean is no number, which nothing can be compared with.
    """
    if undefined := [score for score in scores if not np.isfinite(score.mean)]:
        raise GateRefused(
            "threshold",
            f"{undefined[0].metric} of {undefined[0].candidate.label} is no number on some fold.",
            remedy="use fewer folds, or more rows; nothing was published.",
        )
    return max(scores, key=lambda score: score.mean)


def fit(training: Dataset, plan: TrainingPlan, candidate: Candidate) -> Pipeline:
    """The candidate fitted on all training rows. One thread, so that sums are taken in the same order on every run."""
    pipeline = build_pipeline(plan, candidate)
    with threadpool_limits(limits=1):
        return pipeline.fit(Tensors.of_columns(training.columns, plan.contract).frame(), training.labels)


def _require_rows(dataset: Dataset, plan: TrainingPlan) -> None:
    """Each class needs rows to be evaluated by, and one for each fold."""
    fraction, folds = plan.configuration.held_out_fraction, plan.configuration.cross_validation.folds
    parts = {f"class {name!r}": int((dataset.labels == name).sum()) for name in plan.classes}
    problems = []
    for name, rows in (parts or {"number": len(dataset)}).items():
        held_out = rows * fraction
        if held_out < HELD_OUT_AT_LEAST:
            said = f"about {held_out:.1f} rows of {name} would be held out; at least {HELD_OUT_AT_LEAST} are needed"
            problems.append(Problem("held_out_fraction", f"of {fraction:g} is too little: {said}"))
        if rows - held_out < folds:
            said = f"{rows - held_out:.0f} rows of {name} are left to train on, and each fold needs one"
            problems.append(Problem("cross_validation.folds", f"of {folds} are too many: {said}"))
    if problems:
        raise InvalidInput(
            "data",
            "The data set has too few rows for what the configuration asks for.",
            remedy="hold out more, use fewer folds, or bring more rows.",
            problems=problems,
        )


def _score_fold(
    pipeline: Pipeline, frame: pd.DataFrame, labels: Labels, fold: Fold, plan: TrainingPlan
) -> dict[str, float]:
    training, validation = fold
    with threadpool_limits(limits=1):
        fitted: Any = clone(pipeline).fit(frame.iloc[training], labels[training])
        return fold_scores(plan, labels[validation], answers(fitted, frame.iloc[validation]))
