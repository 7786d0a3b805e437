"""The pipeline from the contract's two tensors to the estimator: imputation, categories, derived features."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any, Literal

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from edustream_contracts.contract import ModelContract
from edustream_ml.candidates import Candidate
from edustream_ml.configuration import TrainingPlan
from edustream_ml.features.dates import DateParts
from edustream_ml.features.derived import DerivedFeatures, SumColumns
from edustream_ml.features.logarithms import Logarithms
from edustream_ml.features.settings import Count, Features
from edustream_ml.features.target import ScaledTarget
from edustream_ml.features.target_encoding import CrossFittedTargetEncoder
from edustream_ml.tasks import Task

Imputation = float | Literal["median", "passthrough"]


def build_pipeline(plan: TrainingPlan, candidate: Candidate) -> Pipeline:
    """An unfitted pipeline over `Tensors.frame()`.

    The categories are the contract's, not those that a data set happens to hold. A scaler stands only before an
    estimator that needs it: before a tree it would move float32 values across the learned thresholds.
    """
    contract, features = plan.contract, plan.configuration.features
    steps: list[tuple[str, Any]] = [("encode", _encoder(plan)), ("derive", _derived(contract, features))]
    if candidate.needs_scaling and features.logarithms:
        steps.append(("logarithms", Logarithms([contract.numeric.index(name) for name in features.logarithms])))
    if candidate.needs_scaling:
        steps.append(("scale", StandardScaler()))
    return Pipeline([*steps, ("estimate", _estimator(plan, candidate))])


def _estimator(plan: TrainingPlan, candidate: Candidate) -> Any:
    estimator = candidate.build(plan.task, plan.configuration.seed)
    if plan.task is not Task.REGRESSION:
        return estimator
    field = plan.outcome.field
    return ScaledTarget(estimator, plan.configuration.target.scale, field.minimum, field.maximum)


def _encoder(plan: TrainingPlan) -> ColumnTransformer:
    contract, features = plan.contract, plan.configuration.features
    blocks: list[tuple[str, Any, list[int]]] = []
    imputations = [_imputation(contract, features, name) for name in contract.numeric]
    for imputation, columns in groupby(range(len(imputations)), imputations.__getitem__):
        indices = list(columns)
        blocks.append((f"numeric_{indices[0]}", _imputer(imputation), indices))
    rare, encoded = _grouped(contract, features), features.target_encoding
    if plain := _categories(contract, features):
        blocks.append(("categories", _one_hot(contract, plain), _places(contract, plain)))
    if rare and features.rare_categories:
        grouped = _one_hot(contract, rare, features.rare_categories.fewer_than)
        blocks.append(("rare_categories", grouped, _places(contract, rare)))
    if encoded:
        configuration = plan.configuration
        means = CrossFittedTargetEncoder(plan.task.is_classification, configuration.seed, configuration.target.scale)
        blocks.append(("target_encoding", means, _places(contract, encoded)))
    if features.dates:
        columns_of_dates = [dates.column for dates in features.dates]
        blocks.append(("dates", _dates(features), _places(contract, columns_of_dates)))
    return ColumnTransformer(blocks, sparse_threshold=0)


def _places(contract: ModelContract, names: Iterable[str]) -> list[int]:
    """Where columns of texts are in `Tensors.frame()`."""
    return [len(contract.numeric) + contract.categorical.index(name) for name in names]


def _one_hot(contract: ModelContract, names: Sequence[str], fewer_than: int | None = None) -> OneHotEncoder:
    return OneHotEncoder(
        categories=[_texts(contract, name) for name in names],
        min_frequency=fewer_than,
        handle_unknown="ignore",
        sparse_output=False,
        dtype=np.float32,
    )


def _texts(contract: ModelContract, name: str) -> list[str]:
    """The categories of a column; null is none of them, so it has no column of its own."""
    field = next(field for field in contract.inputs if field.name == name)
    return [str(text) for text in field.categories or () if text is not None]


def _dates(features: Features) -> Pipeline:
    """The parts of all dates; an absent date has the median of the training rows in each of them."""
    outputs = [
        (number, part, dates.since.toordinal() if part == "days_since" and dates.since else 0)
        for number, dates in enumerate(features.dates)
        for part in dates.parts
    ]
    return Pipeline([("parts", DateParts(outputs)), ("impute", _imputer("median"))])


def _imputation(contract: ModelContract, features: Features, column: str) -> Imputation:
    if column in features.missing_values:
        return features.missing_values[column]
    field = next(field for field in contract.inputs if field.name == column)
    may_be_absent = field.nullable or column not in contract.input_schema["required"]
    return "median" if may_be_absent else "passthrough"


def _imputer(imputation: Imputation) -> SimpleImputer | Literal["passthrough"]:
    if imputation == "passthrough":
        return "passthrough"
    # A column without a value keeps its place, which later steps count on.
    if imputation == "median":
        return SimpleImputer(strategy="median", keep_empty_features=True)
    return SimpleImputer(strategy="constant", fill_value=imputation, keep_empty_features=True)


def _categories(contract: ModelContract, features: Features) -> list[str]:
    """The columns of texts whose categories have a column each."""
    others = {*features.target_encoding, *_grouped(contract, features), *(dates.column for dates in features.dates)}
    return [name for name in contract.categorical if name not in others]


def _grouped(contract: ModelContract, features: Features) -> list[str]:
    """The columns of texts whose rare categories share a column: the named ones, or all that have no other use."""
    if features.rare_categories is None:
        return []
    if features.rare_categories.columns is not None:
        return list(features.rare_categories.columns)
    used = {*features.target_encoding, *(dates.column for dates in features.dates)}
    used.update(name for count in features.counts for name in count.of)
    return [name for name in contract.categorical if name not in used]


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
        counts=tuple(_members(contract, features, count) for count in features.counts),
        sums=tuple(tuple(map(contract.numeric.index, total.of)) for total in features.sums),
    )


def _members(contract: ModelContract, features: Features, count: Count) -> SumColumns:
    """The columns of the encoded matrix that hold 1 where a counted value is present."""
    plain = _categories(contract, features)
    encoded: list[tuple[str, str | int]] = [
        *((name, 1) for name in contract.numeric),
        *(
            (name, text)
            for name, texts in zip(plain, _one_hot(contract, plain).categories, strict=True)
            for text in texts
        ),
    ]
    return tuple(encoded.index((name, value)) for name, values in count.of.items() for value in values)
