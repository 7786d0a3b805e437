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

from edustream_ml.candidates import Candidate
from edustream_ml.configuration import TrainingPlan
from edustream_ml.dataset import Dataset
from edustream_ml.evaluation import fold_scores
from edustream_ml.features.pipeline import build_pipeline
from edustream_ml.scores import Labels, answers
from edustream_ml.tensors import Tensors

N_JOBS: Final = 2

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
    """Set the held-out rows aside, stratified by class where there are any, deterministically by the plan's seed."""
    configuration = plan.configuration
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
    scores: Iterable[dict[str, float]] = Parallel(n_jobs=N_JOBS, return_as="generator")(
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
    """The score with the highest mean; among equals the one that the configuration names first."""
    return max(scores, key=lambda score: score.mean)


def fit(training: Dataset, plan: TrainingPlan, candidate: Candidate) -> Pipeline:
    """The candidate fitted on all training rows. One thread, so that sums are taken in the same order on every run."""
    pipeline = build_pipeline(plan, candidate)
    with threadpool_limits(limits=1):
        return pipeline.fit(Tensors.of_columns(training.columns, plan.contract).frame(), training.labels)


def _score_fold(
    pipeline: Pipeline, frame: pd.DataFrame, labels: Labels, fold: Fold, plan: TrainingPlan
) -> dict[str, float]:
    training, validation = fold
    with threadpool_limits(limits=1):
        fitted: Any = clone(pipeline).fit(frame.iloc[training], labels[training])
        return fold_scores(plan, labels[validation], answers(fitted, frame.iloc[validation]))
