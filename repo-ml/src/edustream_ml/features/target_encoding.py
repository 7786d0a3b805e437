"""Categories as numbers: the mean target of each, learned with cross-fitting."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.preprocessing import TargetEncoder

from edustream_ml.target import Scale
from edustream_ml.tensors import Float32

FOLDS: Final = 5


class CrossFittedTargetEncoder(TransformerMixin, BaseEstimator):
    """Replaces each category by the mean target of its rows, shrunk towards the mean of all (Micci-Barreca, 2001).

    Rows that are trained on get the mean of the other folds' rows, so that no row's own label reaches the estimator
    through its category; rows that are predicted get the mean of all training rows. A category that was not seen, or
    an absent one where none was, gets the mean of all. Of several classes each has a column.

    Args:
        stratified: whether the target is a class, not a number.
        seed: of the folds.
        scale: of a number: `log` for the mean of the logarithms, where those are what the estimator learns.
    """

    def __init__(self, stratified: bool, seed: int, scale: Scale = "linear") -> None:
        self.stratified = stratified
        self.seed = seed
        self.scale = scale

    def fit(self, X: Any, y: Any) -> CrossFittedTargetEncoder:  # noqa: N803 - scikit-learn's own name
        """Learn the means of all rows; X str (n, k), y (n,)."""
        self.encoder_ = self._encoder().fit(X, self._scaled(y))
        self.n_features_in_ = int(X.shape[1])
        return self

    def fit_transform(self, X: Any, y: Any = None, **fit_params: Any) -> Float32:  # noqa: N803 - scikit-learn's own name
        """Learn, and encode the training rows by the means of the other folds: float32 (n, k) or (n, k * classes)."""
        self.encoder_ = self._encoder()
        encoded = self.encoder_.fit_transform(X, self._scaled(y))
        self.n_features_in_ = int(X.shape[1])
        return np.asarray(encoded, dtype=np.float32)

    def transform(self, X: Any) -> Float32:  # noqa: N803 - scikit-learn's own name
        """Encode rows by the means of all training rows: float32 (n, k), or (n, k * classes) of several classes."""
        return np.asarray(self.encoder_.transform(X), dtype=np.float32)

    def _scaled(self, y: Any) -> Any:
        return np.log(y) if self.scale == "log" else y

    def _encoder(self) -> TargetEncoder:
        folds: Any = StratifiedKFold if self.stratified else KFold
        # Left to itself the encoder takes whole numbers, such as prices, for as many classes.
        target_type = "auto" if self.stratified else "continuous"
        return TargetEncoder(target_type=target_type, cv=folds(FOLDS, shuffle=True, random_state=self.seed))
