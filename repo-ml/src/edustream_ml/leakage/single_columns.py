"""How well each column alone tells the target, by cross-validation of a small tree over that one column."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.metrics import r2_score, roc_auc_score
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from threadpoolctl import threadpool_limits

from edustream_ml.features.dates import PARTS, DateParts
from edustream_ml.features.target_encoding import CrossFittedTargetEncoder

FOLDS: Final = 3
LEAVES: Final = 64
LEAF_SIZE: Final = 5


@dataclass(frozen=True, slots=True)
class SingleColumn:
    """What one column tells of the target on its own.

    `score` is R2 of a number; of classes the ROC AUC between the two that the column separates best, which `between`
    names.
    """

    column: str
    score: float
    between: tuple[str, ...] = ()


def single_columns(
    frame: pd.DataFrame, labels: npt.NDArray[Any], classifies: bool, seed: int, dates: Collection[str] = ()
) -> list[SingleColumn]:
    """Score every column of `Tensors.frame()` against the labels (n,), the most telling first.

    An absent value counts as a value of its own. Of the columns that are `dates` all parts tell together. The seed is
    that of the folds.
    """
    score = _separation if classifies else _explained
    parts = DateParts([(0, part, 0) for part in PARTS])
    with threadpool_limits(limits=1):
        found = []
        for name in map(str, frame.columns):
            cells = frame[[name]].to_numpy()
            found.append(score(name, parts.fit_transform(cells) if name in dates else cells, labels, seed))
    return sorted(found, key=lambda single: (-single.score, single.column))


def _separation(name: str, cells: npt.NDArray[Any], labels: npt.NDArray[Any], seed: int) -> SingleColumn:
    tree = DecisionTreeClassifier(max_leaf_nodes=LEAVES, min_samples_leaf=LEAF_SIZE, random_state=seed)
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    probability = cross_val_predict(_over(cells, tree, True, seed), cells, labels, cv=folds, method="predict_proba")
    classes = np.unique(labels)
    best = SingleColumn(name, 0.0)
    for first, second in combinations(range(len(classes)), 2):
        rows = (labels == classes[first]) | (labels == classes[second])
        # Which of the two is likelier, whatever the other classes are.
        share = probability[rows, second] - probability[rows, first]
        auc = float(roc_auc_score(labels[rows] == classes[second], share))
        if auc > best.score:
            best = SingleColumn(name, auc, (str(classes[first]), str(classes[second])))
    return best


def _explained(name: str, cells: npt.NDArray[Any], labels: npt.NDArray[Any], seed: int) -> SingleColumn:
    tree = DecisionTreeRegressor(max_leaf_nodes=LEAVES, min_samples_leaf=LEAF_SIZE, random_state=seed)
    folds = KFold(FOLDS, shuffle=True, random_state=seed)
    predicted = cross_val_predict(_over(cells, tree, False, seed), cells, labels, cv=folds)
    return SingleColumn(name, float(r2_score(labels, predicted)))


def _over(cells: npt.NDArray[Any], tree: Any, classifies: bool, seed: int) -> Any:
    if cells.dtype != object:
        return tree
    return make_pipeline(CrossFittedTargetEncoder(classifies, seed), tree)
