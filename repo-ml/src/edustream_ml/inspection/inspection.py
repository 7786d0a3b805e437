"""Everything that is found out about the exported model on the held-out rows besides its scores."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from edustream_ml.configuration import TrainingPlan
from edustream_ml.inspection.curves import MOST_CLASSES, ClassCurves, class_curves
from edustream_ml.inspection.importance import Answer, Importance, column_importance
from edustream_ml.inspection.intervals import Bootstrap, bootstrap
from edustream_ml.inspection.partial_dependence import Numbers, PartialDependence, partial_dependence
from edustream_ml.inspection.residuals import Residuals, residuals
from edustream_ml.inspection.statistics import statistics
from edustream_ml.scores import Labels, Scores
from edustream_ml.tasks import Task
from edustream_ml.tensors import Tensors

MOST_COLUMNS: Final = 8
MOST_SHUFFLED_ROWS: Final = 5000


@dataclass(frozen=True)
class Inspection:
    """What was found out; `curves` is empty for a regression, `residuals` None for every other model.

    `shuffled_rows` is the number of rows on which the importance was measured. `partial_dependence` is that of the most
    important columns.
    """

    bootstrap: Bootstrap
    curves: tuple[ClassCurves, ...]
    residuals: Residuals | None
    shuffled_rows: int
    importance: tuple[Importance, ...]
    partial_dependence: tuple[PartialDependence, ...]


def inspect_model(plan: TrainingPlan, answer: Answer, rows: Tensors, truth: Labels, answered: Scores) -> Inspection:
    """Inspect a model on rows that it was not fitted on.

    Args:
        plan: what was to be trained.
        answer: the model.
        rows: the held-out rows.
        truth: their labels (n,), str objects or float64.
        answered: what was measured: the answers to these rows.
    """
    chosen = np.unique(np.linspace(0, len(truth) - 1, MOST_SHUFFLED_ROWS).astype(np.intp))
    shuffled = replace(rows, numeric=rows.numeric[chosen], categorical=rows.categorical[chosen])
    importance = column_importance(plan, answer, shuffled, truth[chosen])
    return Inspection(
        bootstrap=bootstrap(statistics(plan, truth, answered), len(truth), plan.configuration.seed),
        curves=_curves(plan, truth, answered),
        residuals=None if plan.task.is_classification else residuals(truth, answered.labels),
        shuffled_rows=len(chosen),
        importance=importance,
        partial_dependence=_dependence(plan, answer, rows, importance),
    )


def _curves(plan: TrainingPlan, truth: Labels, answered: Scores) -> tuple[ClassCurves, ...]:
    if answered.probabilities is None:
        return ()
    names, columns = _shown_classes(plan)
    return class_curves(truth, answered.probabilities[:, columns], names, plan.configuration.calibration.bins)


def _dependence(
    plan: TrainingPlan, answer: Answer, rows: Tensors, importance: tuple[Importance, ...]
) -> tuple[PartialDependence, ...]:
    fields = {field.name: field for field in plan.contract.inputs}
    names, columns = _shown_classes(plan)

    def numbers(asked: Tensors) -> Numbers:
        answered = answer(asked)
        return answered.labels if answered.probabilities is None else answered.probabilities[:, columns]

    found = (partial_dependence(rows, fields[one.column], numbers, names) for one in importance[:MOST_COLUMNS])
    return tuple(one for one in found if one)


def _shown_classes(plan: TrainingPlan) -> tuple[list[str], list[int]]:
    """The classes whose probability is looked at, with their columns; the answer itself where it is a number."""
    if plan.task is Task.REGRESSION:
        return [plan.outcome.field.name], [0]
    names = [plan.positive] if plan.task is Task.BINARY else list(plan.classes[:MOST_CLASSES])
    return names, [plan.classes.index(name) for name in names]
