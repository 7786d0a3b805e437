"""Permutation importance: how much the model's answers suffer when one column of the contract is shuffled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from edustream_ml.calibration import rounded
from edustream_ml.configuration import TrainingPlan
from edustream_ml.evaluation import fold_scores
from edustream_ml.scores import Labels, Scores
from edustream_ml.tensors import Tensors

REPEATS: Final = 5

Answer = Callable[[Tensors], Scores]


@dataclass(frozen=True, slots=True)
class Importance:
    """Loss of the selection metric when a column is shuffled: mean and standard deviation over the repeats."""

    column: str
    mean: float
    std: float


def column_importance(plan: TrainingPlan, answer: Answer, rows: Tensors, truth: Labels) -> tuple[Importance, ...]:
    """The importance of every input field (Breiman, 2001), the largest first.

    Every column is shuffled in the same ways, so that their losses can be compared.

    Args:
        plan: says by which metric the loss is measured, and seeds the shuffling.
        answer: the model.
        rows: rows that it was not fitted on.
        truth: their labels (n,), str objects or float64.
    """
    metric = plan.task.selection_metric
    generator = np.random.default_rng(plan.configuration.seed)
    orders = [generator.permutation(len(truth)) for _ in range(REPEATS)]
    best = fold_scores(plan, truth, answer(rows))[metric]
    found = []
    for column in (*rows.contract.numeric, *rows.contract.categorical):
        scores = [fold_scores(plan, truth, answer(_shuffled(rows, column, order)))[metric] for order in orders]
        found.append(Importance(column, rounded(best - np.mean(scores)), rounded(np.std(scores))))
    return tuple(sorted(found, key=lambda importance: (-importance.mean, importance.column)))


def _shuffled(rows: Tensors, column: str, order: npt.NDArray[np.intp]) -> Tensors:
    numeric, categorical = rows.contract.numeric, rows.contract.categorical
    if column in numeric:
        values = rows.numeric.copy()
        values[:, numeric.index(column)] = rows.numeric[order, numeric.index(column)]
        return replace(rows, numeric=values)
    texts = rows.categorical.copy()
    texts[:, categorical.index(column)] = rows.categorical[order, categorical.index(column)]
    return replace(rows, categorical=texts)
