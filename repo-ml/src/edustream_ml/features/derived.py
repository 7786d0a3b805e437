"""Numbers that are computed from other columns of a row: ratios, counts and sums."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from edustream_ml.tensors import Float32

RatioColumns = tuple[int, int, float]
SumColumns = tuple[int, ...]


class DerivedFeatures(TransformerMixin, BaseEstimator):
    """Appends ratios, counts and sums to a matrix, in float32 throughout, just as its ONNX counterpart does.

    Args:
        ratios: (numerator, denominator, floor) each, for column numerator / max(column denominator, floor).
        counts: the numbers of the 0/1 columns that each count adds up.
        sums: the numbers of the columns that each sum adds up, from the first to the last: the order of the additions
            decides the last bit of what is no whole number, and a tree may have its threshold there.
    """

    def __init__(
        self,
        ratios: Sequence[RatioColumns] = (),
        counts: Sequence[SumColumns] = (),
        sums: Sequence[SumColumns] = (),
    ) -> None:
        self.ratios = ratios
        self.counts = counts
        self.sums = sums

    def fit(self, X: Float32, y: Any = None) -> DerivedFeatures:  # noqa: N803 - scikit-learn's own name
        """Learn the number of columns; nothing else depends on the data."""
        self.n_features_in_ = int(np.asarray(X).shape[1])
        return self

    def transform(self, X: Float32) -> Float32:  # noqa: N803 - scikit-learn's own name
        """X float32 (n, k) with a column more for each ratio, count and sum, in this order: float32."""
        matrix = np.asarray(X, dtype=np.float32)
        columns = [
            matrix,
            *(
                (matrix[:, top] / np.maximum(matrix[:, bottom], np.float32(floor)))[:, np.newaxis]
                for top, bottom, floor in self.ratios
            ),
            *(matrix[:, list(members)].sum(axis=1, keepdims=True) for members in self.counts),
            *(reduce(np.add, (matrix[:, [member]] for member in members)) for members in self.sums),
        ]
        return np.concatenate(columns, axis=1, dtype=np.float32)
