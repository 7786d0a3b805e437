"""Permutation importance: how much the model's ranking suffers when one column of the contract is shuffled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sklearn.inspection import permutation_importance
from sklearn.metrics import make_scorer, roc_auc_score
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from edustream_ml.configuration import TrainingPlan
from edustream_ml.dataset import Dataset
from edustream_ml.evaluation import rounded
from edustream_ml.tensors import Tensors

REPEATS: Final = 5


@dataclass(frozen=True, slots=True)
class Importance:
    """Loss of ROC AUC when a column is shuffled: mean and standard deviation over the repeats."""

    column: str
    mean: float
    std: float


def column_importance(pipeline: Pipeline, held_out: Dataset, plan: TrainingPlan) -> tuple[Importance, ...]:
    """The importance of every input field (Breiman, 2001), the largest first."""
    frame = Tensors.of(held_out.rows, plan.contract).frame()
    with threadpool_limits(limits=1):
        result = permutation_importance(
            pipeline,
            frame,
            held_out.labels == plan.classes[1],
            scoring=make_scorer(roc_auc_score, response_method="predict_proba"),
            n_repeats=REPEATS,
            random_state=plan.configuration.seed,
        )
    columns = zip(frame.columns, result.importances_mean, result.importances_std, strict=True)
    found = [Importance(str(name), rounded(mean), rounded(std)) for name, mean, std in columns]
    return tuple(sorted(found, key=lambda importance: (-importance.mean, importance.column)))
