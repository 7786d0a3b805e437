"""Chooses among the candidates by repeated stratified cross-validation on the training rows alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import RepeatedStratifiedKFold, train_test_split
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from edustream_ml.configuration import Candidate, TrainingPlan
from edustream_ml.dataset import Dataset, Labels
from edustream_ml.features import build_pipeline
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
    """ROC AUC of one candidate on every fold."""

    candidate: Candidate
    roc_auc: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Mean over the folds."""
        return float(np.mean(self.roc_auc))

    @property
    def std(self) -> float:
        """Standard deviation over the folds (population)."""
        return float(np.std(self.roc_auc))


def split(dataset: Dataset, plan: TrainingPlan) -> Split:
    """Set the held-out rows aside, stratified by label, deterministically by the plan's seed."""
    configuration = plan.configuration
    training, held_out = train_test_split(
        np.arange(len(dataset)),
        test_size=configuration.held_out_fraction,
        stratify=dataset.labels,
        random_state=configuration.seed,
    )
    return Split(dataset.part(training), dataset.part(held_out))


def cross_validate(training: Dataset, plan: TrainingPlan, candidate: Candidate) -> Iterator[float]:
    """ROC AUC of a candidate on one fold after the other; everything is fitted inside the fold."""
    configuration = plan.configuration
    pipeline = build_pipeline(plan.contract, configuration.features, candidate, configuration.seed)
    frame = Tensors.of(training.rows, plan.contract).frame()
    scores: Iterable[float] = Parallel(n_jobs=N_JOBS, return_as="generator")(
        delayed(_score_fold)(pipeline, frame, training.labels, fold, plan.classes[1]) for fold in folds(training, plan)
    )
    yield from scores


def folds(training: Dataset, plan: TrainingPlan) -> list[Fold]:
    """The (training, validation) row numbers of every fold, the same for every candidate."""
    settings = plan.configuration.cross_validation
    splitter = RepeatedStratifiedKFold(
        n_splits=settings.folds, n_repeats=settings.repeats, random_state=plan.configuration.seed
    )
    return list(splitter.split(np.zeros(len(training)), training.labels))


def best(scores: Sequence[CandidateScore]) -> CandidateScore:
    """The score with the highest mean; among equals the one that the configuration names first."""
    return max(scores, key=lambda score: score.mean)


def fit(training: Dataset, plan: TrainingPlan, candidate: Candidate) -> Pipeline:
    """The candidate fitted on all training rows. One thread, so that sums are taken in the same order on every run."""
    configuration = plan.configuration
    pipeline = build_pipeline(plan.contract, configuration.features, candidate, configuration.seed)
    with threadpool_limits(limits=1):
        return pipeline.fit(Tensors.of(training.rows, plan.contract).frame(), training.labels)


def _score_fold(pipeline: Pipeline, frame: pd.DataFrame, labels: Labels, fold: Fold, positive: str) -> float:
    training, validation = fold
    with threadpool_limits(limits=1):
        fitted: Any = clone(pipeline).fit(frame.iloc[training], labels[training])
        probability = fitted.predict_proba(frame.iloc[validation])[:, list(fitted.classes_).index(positive)]
    return float(roc_auc_score(labels[validation] == positive, probability))
