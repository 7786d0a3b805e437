"""The pipeline from the contract's two tensors to the estimator: imputation, categories, derived features."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any, Literal

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from edustream_contracts.contract import ModelContract
from edustream_ml.candidates import Candidate
from edustream_ml.configuration import TrainingPlan
from edustream_ml.features.settings import Count, Features
from edustream_ml.features.target import ScaledTarget
from edustream_ml.tasks import Task
from edustream_ml.tensors import Float32

RatioColumns = tuple[int, int, float]
CountColumns = tuple[int, ...]
Imputation = float | Literal["median", "passthrough"]


class DerivedFeatures(TransformerMixin, BaseEstimator):
    """Appends ratios and counts to a matrix, in float32 throughout, just as its ONNX counterpart does.

    Args:
        ratios: (numerator, denominator, floor) each, for column numerator / max(column denominator, floor).
        counts: the numbers of the 0/1 columns that each count adds up.
    """

    def __init__(self, ratios: Sequence[RatioColumns] = (), counts: Sequence[CountColumns] = ()) -> None:
        self.ratios = ratios
        self.counts = counts

    def fit(self, X: Float32, y: Any = None) -> DerivedFeatures:  # noqa: N803 - scikit-learn's own name
        """Learn the number of columns; nothing else depends on the data."""
        self.n_features_in_ = int(np.asarray(X).shape[1])
        return self

    def transform(self, X: Float32) -> Float32:  # noqa: N803 - scikit-learn's own name
        """X float32 (n, k) with one more column for each ratio and each count: float32 (n, k + ratios + counts)."""
        matrix = np.asarray(X, dtype=np.float32)
        columns = [
            matrix,
            *(
                (matrix[:, top] / np.maximum(matrix[:, bottom], np.float32(floor)))[:, np.newaxis]
                for top, bottom, floor in self.ratios
            ),
            *(matrix[:, list(members)].sum(axis=1, keepdims=True) for members in self.counts),
        ]
        return np.concatenate(columns, axis=1, dtype=np.float32)


def build_pipeline(plan: TrainingPlan, candidate: Candidate) -> Pipeline:
    """An unfitted pipeline over `Tensors.frame()`.

    The categories are the contract's, not those that a data set happens to hold. A scaler stands only before an
    estimator that needs it: before a tree it would move float32 values across the learned thresholds.
    """
    contract, features = plan.contract, plan.configuration.features
    steps: list[tuple[str, Any]] = [("encode", _encoder(contract, features)), ("derive", _derived(contract, features))]
    if candidate.needs_scaling:
        steps.append(("scale", StandardScaler()))
    return Pipeline([*steps, ("estimate", _estimator(plan, candidate))])


def _estimator(plan: TrainingPlan, candidate: Candidate) -> Any:
    estimator = candidate.build(plan.task, plan.configuration.seed)
    if plan.task is not Task.REGRESSION:
        return estimator
    field = plan.outcome.field
    return ScaledTarget(estimator, plan.configuration.target.scale, field.minimum, field.maximum)


def _encoder(contract: ModelContract, features: Features) -> ColumnTransformer:
    numeric = len(contract.numeric)
    blocks: list[tuple[str, Any, list[int]]] = []
    imputations = [_imputation(contract, features, name) for name in contract.numeric]
    for imputation, columns in groupby(range(numeric), imputations.__getitem__):
        indices = list(columns)
        blocks.append((f"numeric_{indices[0]}", _imputer(imputation), indices))
    if contract.categorical:
        encoder = OneHotEncoder(
            categories=[list(categories) for categories in _categories(contract).values()],
            handle_unknown="ignore",
            sparse_output=False,
            dtype=np.float32,
        )
        blocks.append(("categories", encoder, list(range(numeric, numeric + len(contract.categorical)))))
    return ColumnTransformer(blocks, sparse_threshold=0)


def _imputation(contract: ModelContract, features: Features, column: str) -> Imputation:
    if column in features.missing_values:
        return features.missing_values[column]
    field = next(field for field in contract.inputs if field.name == column)
    may_be_absent = field.nullable or column not in contract.input_schema["required"]
    return "median" if may_be_absent else "passthrough"


def _imputer(imputation: Imputation) -> SimpleImputer | Literal["passthrough"]:
    if imputation == "passthrough":
        return "passthrough"
    if imputation == "median":
        return SimpleImputer(strategy="median", keep_empty_features=True)
    return SimpleImputer(strategy="constant", fill_value=imputation)


def _categories(contract: ModelContract) -> dict[str, tuple[str, ...]]:
    return {field.name: field.categories or () for field in contract.inputs if not field.is_numeric}


def _derived(contract: ModelContract, features: Features) -> DerivedFeatures:
    return DerivedFeatures(
        ratios=tuple(
            (
                contract.numeric.index(ratio.numerator),
                contract.numeric.index(ratio.denominator),
                ratio.denominator_at_least,
            )
            for ratio in features.ratios
        ),
        counts=tuple(_members(contract, count) for count in features.counts),
    )


def _members(contract: ModelContract, count: Count) -> CountColumns:
    """The columns of the encoded matrix that hold 1 where a counted value is present."""
    encoded: list[tuple[str, str | int]] = [
        *((name, 1) for name in contract.numeric),
        *((name, category) for name, categories in _categories(contract).items() for category in categories),
    ]
    return tuple(encoded.index((name, value)) for name, values in count.of.items() for value in values)
