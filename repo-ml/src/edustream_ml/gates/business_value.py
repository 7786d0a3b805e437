"""What the model's decisions are worth: gains and costs of each cell of the confusion matrix, per row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

Payoffs = Mapping[str, Mapping[str, float]]
"""What one row is worth, by its true class, then by the predicted one; a cost is below 0."""
Labels = npt.NDArray[np.object_]


def values(payoffs: Payoffs, truth: Labels, predicted: Labels) -> npt.NDArray[np.float64]:
    """The worth of the decision about each row (n,), in the unit of the payoffs."""
    return np.array([payoffs[is_][said] for is_, said in zip(truth, predicted, strict=True)], dtype=np.float64)


def best_constant(payoffs: Payoffs, truth: Labels, classes: Sequence[str]) -> tuple[str, float]:
    """The class that is worth most a row when every row is answered with it, and what that is worth.

    A model that is worth no more need not be asked.
    """
    worth = {said: float(values(payoffs, truth, np.full(len(truth), said, dtype=object)).mean()) for said in classes}
    best = max(worth, key=lambda said: worth[said])
    return best, worth[best]
