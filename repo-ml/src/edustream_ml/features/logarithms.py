"""Logarithms of columns whose values are spread over orders of magnitude, for estimators that are sums."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from edustream_ml.tensors import Float32


class Logarithms(TransformerMixin, BaseEstimator):
    """Replaces columns x >= 0 by ln(1 + x).

    It stands before linear estimators only. A tree splits by order, which a logarithm keeps; and two libraries round
    a logarithm differently in its last bit, which a threshold would turn into another answer.

    Args:
        columns: the numbers of the columns.
    """

    def __init__(self, columns: Sequence[int]) -> None:
        self.columns = columns

    def fit(self, X: Float32, y: Any = None) -> Logarithms:  # noqa: N803 - scikit-learn's own name
        """Learn the number of columns; nothing else depends on the data."""
        self.n_features_in_ = int(np.asarray(X).shape[1])
        return self

    def transform(self, X: Float32) -> Float32:  # noqa: N803 - scikit-learn's own name
        """X float32 (n, k), some of its columns as their logarithms: float32 (n, k)."""
        matrix = np.array(X, dtype=np.float32)
        matrix[:, list(self.columns)] = np.log(matrix[:, list(self.columns)] + np.float32(1))
        return matrix
