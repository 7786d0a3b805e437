"""The figures that gates compare, as functions of how often each row counts (see `bootstrap`).

With each row counted once they are scikit-learn's; with other counts they are what scikit-learn says of a table that
repeats the rows, without making it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edustream_ml.gates.bootstrap import Counts, Statistic

Numbers = npt.NDArray[np.floating[Any]]
Truth = npt.NDArray[np.bool_]


def roc_auc(positive: Truth, score: Numbers) -> Statistic:
    """Area under the ROC curve (Hanley and McNeil, 1982) of a score (n,), with ties counted half.

    Not a number where one of the classes is absent. `positive` is bool (n,).
    """
    order = np.argsort(score, kind="stable")
    truth = positive[order]
    ranked = score[order]
    # Equal scores are one step: within it, half of the pairs count as right.
    steps = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])

    def statistic(counts: Counts) -> float:
        drawn = counts[order]
        positives = np.add.reduceat(np.where(truth, drawn, 0), steps)
        negatives = np.add.reduceat(np.where(truth, 0, drawn), steps)
        pairs = int(positives.sum()) * int(negatives.sum())
        below = np.cumsum(negatives) - negatives
        return float((positives * (below + negatives / 2.0)).sum() / pairs) if pairs else float("nan")

    return statistic


def macro_f1(truth: npt.NDArray[Any], predicted: npt.NDArray[Any]) -> Statistic:
    """Mean F1 (van Rijsbergen, 1979) over the classes that occur among the truth or the predictions, both (n,)."""
    classes, codes = np.unique(np.concatenate([truth, predicted]), return_inverse=True)
    size = len(classes)
    cells = codes[: len(truth)] * size + codes[len(truth) :]

    def statistic(counts: Counts) -> float:
        matrix = np.bincount(cells, weights=counts, minlength=size * size).reshape(size, size)
        occurring = matrix.sum(axis=0) + matrix.sum(axis=1)
        present = occurring > 0
        return float(np.mean(2.0 * matrix.diagonal()[present] / occurring[present])) if present.any() else float("nan")

    return statistic


def r2(truth: Numbers, predicted: Numbers) -> Statistic:
    """Share of the variance that is explained, both (n,); not a number where the truth does not vary."""
    errors = (truth - predicted) ** 2

    def statistic(counts: Counts) -> float:
        total = counts.sum()
        if not total:
            return float("nan")
        spread = float(counts @ (truth - (counts @ truth) / total) ** 2)
        return 1.0 - float(counts @ errors) / spread if spread else float("nan")

    return statistic


def mean(values: Numbers) -> Statistic:
    """The mean of the values (n,); not a number of no row."""

    def statistic(counts: Counts) -> float:
        total = counts.sum()
        return float(counts @ values) / float(total) if total else float("nan")

    return statistic
