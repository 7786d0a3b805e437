"""The kinds of model that compete, with the hyper-parameters that a configuration may set.

Parameters carry the library's own names. Everything is deterministic for a given seed.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, model_validator
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression as SklearnLogisticRegression
from sklearn.linear_model import Ridge as SklearnRidge

from edustream_ml.section import given_contract
from edustream_ml.tasks import Task, outcome_of

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(gt=0, le=1)]
Depth = Annotated[int, Field(ge=1, le=64)]
Trees = Annotated[int, Field(ge=1, le=5000)]
LeafSize = Annotated[int, Field(ge=1)]
Leaves = Annotated[int, Field(ge=2, le=4096)]
MaxFeatures = Annotated[int, Field(ge=1)] | Fraction | Literal["sqrt", "log2"]


class _Candidate(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    needs_scaling: ClassVar[bool] = False
    tasks: ClassVar[frozenset[Task]] = frozenset(Task)

    estimator: str
    name: Annotated[str, Field(min_length=1)] | None = None

    @property
    def label(self) -> str:
        """What the candidate is called in reports: its name, or its kind where it has none."""
        return self.name or self.estimator

    @property
    def hyper_parameters(self) -> dict[str, Any]:
        """The parameters that the library's estimator gets."""
        return self.model_dump(exclude={"estimator", "name"})


class _Weighted(_Candidate):
    """A candidate that may give every class the same weight, however rare it is; a number has no classes."""

    class_weight: Literal["balanced"] | None = None

    @model_validator(mode="after")
    def _weighs_classes(self, info: ValidationInfo) -> Self:
        contract = given_contract(info)
        if contract and self.class_weight and not outcome_of(contract).task.is_classification:
            raise ValueError(f"class_weight {self.class_weight!r} is for classes, and the contract asks for a number")
        return self

    @property
    def hyper_parameters(self) -> dict[str, Any]:
        """The parameters that the library's estimator gets."""
        return self.model_dump(exclude={"estimator", "name"} | (set() if self.class_weight else {"class_weight"}))


class LogisticRegression(_Weighted):
    """Logistic regression with an L2 penalty, on scaled features; multinomial for several classes."""

    estimator: Literal["logistic_regression"]
    C: Positive = 1.0
    max_iter: Annotated[int, Field(ge=1)] = 1000

    needs_scaling: ClassVar[bool] = True
    tasks: ClassVar[frozenset[Task]] = frozenset({Task.BINARY, Task.MULTICLASS})

    def build(self, task: Task, seed: int) -> Any:
        """An unfitted scikit-learn estimator for the task."""
        return SklearnLogisticRegression(**self.hyper_parameters, random_state=seed)


class Ridge(_Candidate):
    """Linear regression with an L2 penalty (Hoerl and Kennard, 1970), on scaled features."""

    estimator: Literal["ridge"]
    alpha: Positive = 1.0

    needs_scaling: ClassVar[bool] = True
    tasks: ClassVar[frozenset[Task]] = frozenset({Task.REGRESSION})

    def build(self, task: Task, seed: int) -> Any:
        """An unfitted scikit-learn estimator for the task."""
        return SklearnRidge(**self.hyper_parameters, random_state=seed)


class _Forest(_Weighted):
    n_estimators: Trees = 200
    max_depth: Depth | None = None
    min_samples_leaf: LeafSize = 10
    max_features: MaxFeatures = "sqrt"


class RandomForest(_Forest):
    """A random forest (Breiman, 2001)."""

    estimator: Literal["random_forest"]

    def build(self, task: Task, seed: int) -> Any:
        """An unfitted scikit-learn estimator for the task."""
        kind = RandomForestClassifier if task.is_classification else RandomForestRegressor
        return kind(**self.hyper_parameters, random_state=seed)


class ExtraTrees(_Forest):
    """Extremely randomised trees (Geurts and others, 2006): a forest whose thresholds are drawn, not searched."""

    estimator: Literal["extra_trees"]

    def build(self, task: Task, seed: int) -> Any:
        """An unfitted scikit-learn estimator for the task."""
        kind = ExtraTreesClassifier if task.is_classification else ExtraTreesRegressor
        return kind(**self.hyper_parameters, random_state=seed)


class HistogramGradientBoosting(_Weighted):
    """Gradient boosting of trees over binned features (Ke and others, 2017), without early stopping."""

    estimator: Literal["histogram_gradient_boosting"]
    max_iter: Trees = 200
    max_depth: Depth | None = 3
    max_leaf_nodes: Leaves | None = 31
    learning_rate: Positive = 0.05
    min_samples_leaf: LeafSize = 20
    l2_regularization: NotNegative = 0.0
    max_features: Fraction = 1.0

    def build(self, task: Task, seed: int) -> Any:
        """An unfitted scikit-learn estimator for the task."""
        kind = HistGradientBoostingClassifier if task.is_classification else HistGradientBoostingRegressor
        return kind(**self.hyper_parameters, early_stopping=False, random_state=seed)


class GradientBoosting(_Candidate):
    """Gradient boosting of trees over exact thresholds (Friedman, 2001); for thousands of rows, not for millions."""

    estimator: Literal["gradient_boosting"]
    n_estimators: Trees = 200
    max_depth: Depth = 3
    learning_rate: Positive = 0.05
    min_samples_leaf: LeafSize = 10
    subsample: Fraction = 1.0
    max_features: MaxFeatures | None = None

    def build(self, task: Task, seed: int) -> Any:
        """An unfitted scikit-learn estimator for the task."""
        kind = GradientBoostingClassifier if task.is_classification else GradientBoostingRegressor
        return kind(**self.hyper_parameters, random_state=seed)


class LightGBM(_Weighted):
    """LightGBM's gradient boosting (Ke and others, 2017), on one thread; needs the extra `lightgbm`."""

    estimator: Literal["lightgbm"]
    n_estimators: Trees = 200
    num_leaves: Leaves = 15
    max_depth: Annotated[int, Field(ge=-1, le=64)] = -1
    learning_rate: Positive = 0.05
    min_child_samples: LeafSize = 20
    reg_lambda: NotNegative = 0.0
    colsample_bytree: Fraction = 1.0

    @model_validator(mode="after")
    def _is_installed(self) -> Self:
        if find_spec("lightgbm") is None:
            raise ValueError("lightgbm is not installed; install edustream-ml[lightgbm], or leave the candidate out")
        return self

    def build(self, task: Task, seed: int) -> Any:
        """An unfitted estimator of lightgbm's scikit-learn interface."""
        # An optional dependency, which takes seconds to import.
        import lightgbm

        kind = lightgbm.LGBMClassifier if task.is_classification else lightgbm.LGBMRegressor
        fixed: dict[str, Any] = {"deterministic": True, "force_row_wise": True, "n_jobs": 1, "verbose": -1}
        return kind(**self.hyper_parameters, **fixed, random_state=seed)


Candidate = Annotated[
    LogisticRegression | Ridge | RandomForest | ExtraTrees | HistogramGradientBoosting | GradientBoosting | LightGBM,
    Field(discriminator="estimator"),
]
