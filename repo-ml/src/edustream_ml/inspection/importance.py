"""Permutation importance: how much the model's answers suffer when one column of the contract is shuffled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import pandas as pd
from sklearn.inspection import permutation_importance
from sklearn.pipeline import Pipeline

from edustream_ml.calibration import rounded
from edustream_ml.configuration import TrainingPlan
from edustream_ml.evaluation import fold_scores
from edustream_ml.scores import Labels, answers

REPEATS: Final = 5


@dataclass(frozen=True, slots=True)
class Importance:
    """Loss of the selection metric when a column is shuffled: mean and standard deviation over the repeats."""

    column: str
    mean: float
    std: float


def column_importance(
    pipeline: Pipeline, frame: pd.DataFrame, truth: Labels, plan: TrainingPlan
) -> tuple[Importance, ...]:
    """The importance of every column of `frame` (Breiman, 2001), the largest first.

    Args:
        pipeline: the fitted model.
        frame: `Tensors.frame()` of rows that it was not fitted on.
        truth: their labels (n,).
        plan: says by which metric the loss is measured, and seeds the shuffling.
    """

    def score(fitted: Any, rows: pd.DataFrame, labels: Labels) -> float:
        return fold_scores(plan, labels, answers(fitted, rows))[plan.task.selection_metric]

    result = permutation_importance(
        pipeline, frame, truth, scoring=score, n_repeats=REPEATS, random_state=plan.configuration.seed
    )
    columns = zip(frame.columns, result.importances_mean, result.importances_std, strict=True)
    found = [Importance(str(name), rounded(mean), rounded(std)) for name, mean, std in columns]
    return tuple(sorted(found, key=lambda importance: (-importance.mean, importance.column)))
