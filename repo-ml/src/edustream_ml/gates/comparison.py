"""The model against another one on the same held-out rows, by a paired bootstrap of the difference."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edustream_ml.configuration import TrainingPlan
from edustream_ml.gates import figures
from edustream_ml.gates.bootstrap import (
    Index,
    Interval,
    Resampling,
    Statistic,
    difference,
    everything,
    interval,
    strata,
)
from edustream_ml.scores import Labels, Scores
from edustream_ml.tasks import Task


@dataclass(frozen=True)
class Rival:
    """Another model: `title` names it, `answered` are its answers to the held-out rows.

    `answered` is None where there is nothing to compare; `note` then says why, in a sentence without its full stop, and
    otherwise what has to be known about the comparison, if anything. `rows` are the numbers of those that it answers,
    None for all.
    """

    title: str
    answered: Scores | None = None
    note: str = ""
    rows: Index | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """How far the model's metric is above the rival's, with the interval of the paired bootstrap."""

    metric: str
    value: float
    interval: Interval | None


def selection_statistic(plan: TrainingPlan, truth: Labels, answered: Scores) -> Statistic:
    """The metric that chooses among the candidates, of these answers to rows with this truth (n,)."""
    if plan.task is Task.BINARY:
        return figures.roc_auc(truth == plan.positive, answered.of_class(plan.positive, plan.classes))
    if plan.task is Task.MULTICLASS:
        return figures.macro_f1(truth.astype(str), answered.labels.astype(str))
    if plan.configuration.target.scale == "log":
        # What has no logarithm is as far from the truth as can be; only a rival of another scale answers it.
        return figures.r2(np.log(truth), np.log(np.maximum(answered.labels, np.finfo(np.float64).tiny)))
    return figures.r2(truth, answered.labels)


def drawing_groups(plan: TrainingPlan, truth: Labels, within: Index) -> tuple[Index, ...]:
    """The groups that rows are drawn in: those of each class among `within`; of a regression, all of them."""
    return strata(truth, within) if plan.task.is_classification else (within,)


def compare(plan: TrainingPlan, truth: Labels, answered: Scores, rival: Scores, how: Resampling) -> Difference:
    """The difference of the selection metric on rows with this truth (n,)."""
    rows = len(truth)
    statistic = difference(*(selection_statistic(plan, truth, one) for one in (answered, rival)))
    groups = drawing_groups(plan, truth, np.arange(rows))
    found = interval(statistic, groups, rows, how)
    return Difference(plan.task.selection_metric, statistic(everything(rows)), found)
