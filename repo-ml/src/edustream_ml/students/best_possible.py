"""The ROC AUC that no model can surpass, from the true probabilities."""

from __future__ import annotations

import numpy as np

from edustream_ml.students.cancellation import DECIMALS, Probabilities


class BestPossible:
    """Collects true probabilities, in memory that does not grow with their number.

    They are multiples of 10^-6, so how often each occurs is all that is needed, and nothing is approximated.
    """

    def __init__(self) -> None:
        self._rows = np.zeros(10**DECIMALS + 1, dtype=np.int64)

    def add(self, probability: Probabilities) -> None:
        """Take the true probabilities of more rows, float64 (n,)."""
        steps = np.rint(probability * 10**DECIMALS).astype(np.int64)
        self._rows += np.bincount(steps, minlength=len(self._rows))

    @property
    def share(self) -> float:
        """The expected share of positives."""
        return float(self._positives().sum() / self._rows.sum())

    @property
    def roc_auc(self) -> float:
        """The chance that a positive has a higher true probability than a negative; equal ones count half.

        Positives and negatives are expected numbers: row i is positive with its true probability p_i, negative with
        1 - p_i. NaN where there are no rows, or none of one kind is expected.
        """
        positives = self._positives()
        negatives = self._rows - positives
        below = np.cumsum(negatives) - negatives
        pairs = positives.sum() * negatives.sum()
        return float((positives * (below + negatives / 2)).sum() / pairs) if pairs else float("nan")

    def _positives(self) -> Probabilities:
        return self._rows * np.linspace(0, 1, len(self._rows))
