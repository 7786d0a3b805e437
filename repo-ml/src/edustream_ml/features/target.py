"""Numbers that are predicted: learned on a scale of their own, answered in the contract's unit, within its bounds."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, RegressorMixin, clone

from edustream_ml.target import Scale

Numbers = npt.NDArray[np.floating[Any]]


class ScaledTarget(RegressorMixin, BaseEstimator):
    """A regressor that learns how far the target, or its logarithm, is from its mean over the training rows.

    What is learned is small then, so that float32 sums of it, which the ONNX model takes, lose little. An answer beyond
    a bound of the contract is the bound: no consumer gets a number that the contract rules out.

    Args:
        regressor: an unfitted scikit-learn regressor.
        scale: `linear`, or `log` for the natural logarithm of a target above 0.
        minimum, maximum: inclusive bounds of the answer in the target's unit; None where there is none.
    """

    def __init__(self, regressor: Any, scale: Scale, minimum: float | None, maximum: float | None) -> None:
        self.regressor = regressor
        self.scale = scale
        self.minimum = minimum
        self.maximum = maximum

    def fit(self, X: Any, y: Numbers) -> ScaledTarget:  # noqa: N803 - scikit-learn's own name
        """X (n, k), y float64 (n,) in the target's unit."""
        scaled = np.log(y) if self.scale == "log" else np.asarray(y, dtype=np.float64)
        self.mean_ = float(scaled.mean())
        self.regressor_ = clone(self.regressor).fit(X, scaled - self.mean_)
        self.n_features_in_ = int(X.shape[1])
        return self

    def predict(self, X: Any) -> npt.NDArray[np.float64]:  # noqa: N803 - scikit-learn's own name
        """X (n, k); float64 (n,) in the target's unit."""
        scaled = np.asarray(self.regressor_.predict(X), dtype=np.float64) + self.mean_
        # An exponential beyond all numbers is brought back to the bound below, here as in the ONNX model.
        with np.errstate(over="ignore"):
            answer = np.exp(scaled) if self.scale == "log" else scaled
        return answer if self.minimum is None and self.maximum is None else np.clip(answer, self.minimum, self.maximum)
