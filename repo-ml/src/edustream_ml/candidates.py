"""The kinds of model that compete, with the hyper-parameters that a configuration may set.

Parameters carry scikit-learn's own names. Everything is deterministic for a given seed.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression as SklearnLogisticRegression

from edustream_ml.tasks import Task

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(gt=0, le=1)]
Depth = Annotated[int, Field(ge=1, le=64)]
Trees = Annotated[int, Field(ge=1, le=5000)]
LeafSize = Annotated[int, Field(ge=1)]


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
        """The parameters that scikit-learn's estimator gets."""
        return self.model_dump(exclude={"estimator", "name"})


class LogisticRegression(_Candidate):
    """Logistic regression with an L2 penalty; the only candidate that needs scaled features."""

    estimator: Literal["logistic_regression"]
    C: Positive = 1.0
    max_iter: Annotated[int, Field(ge=1)] = 1000

    needs_scaling: ClassVar[bool] = True
    tasks: ClassVar[frozenset[Task]] = frozenset({Task.BINARY, Task.MULTICLASS})

    def build(self, task: Task, seed: int) -> Any:
        """An unfitted scikit-learn estimator for the task."""
        return SklearnLogisticRegression(**self.hyper_parameters, random_state=seed)


class RandomForest(_Candidate):
    """A random forest (Breiman, 2001)."""

    estimator: Literal["random_forest"]
    n_estimators: Trees = 200
    max_depth: Depth | None = None
    min_samples_leaf: LeafSize = 10
    max_features: Annotated[int, Field(ge=1)] | Fraction | Literal["sqrt", "log2"] = "sqrt"

    def build(self, task: Task, seed: int) -> Any:
        """An unfitted scikit-learn estimator for the task."""
        kind = RandomForestClassifier if task.is_classification else RandomForestRegressor
        return kind(**self.hyper_parameters, random_state=seed)


class HistogramGradientBoosting(_Candidate):
    """Gradient boosting of trees over binned features (Ke and others, 2017), without early stopping."""

    estimator: Literal["histogram_gradient_boosting"]
    max_iter: Trees = 200
    max_depth: Depth | None = 3
    learning_rate: Positive = 0.05
    min_samples_leaf: LeafSize = 20
    l2_regularization: NotNegative = 0.0
    max_features: Fraction = 1.0

    def build(self, task: Task, seed: int) -> Any:
        """An unfitted scikit-learn estimator for the task."""
        kind = HistGradientBoostingClassifier if task.is_classification else HistGradientBoostingRegressor
        return kind(**self.hyper_parameters, early_stopping=False, random_state=seed)


Candidate = Annotated[
    LogisticRegression | RandomForest | HistogramGradientBoosting,
    Field(discriminator="estimator"),
]
