"""What kind of question a contract asks, which its outputs alone decide: two classes, several classes, or a number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from edustream_contracts.contract import Field, ModelContract
from edustream_contracts.errors import InvalidInput

CROSS_VALIDATION: Final = "cross_validation_"
"""What the name of a metric begins with where it is the mean over the folds, not the figure of the held-out rows."""


class Task(StrEnum):
    """The kinds of question, by the names that the manifest has for them."""

    BINARY = "binary"
    MULTICLASS = "multiclass"
    REGRESSION = "regression"

    @property
    def is_classification(self) -> bool:
        """Whether an answer is a class with its probability, and not a number."""
        return self is not Task.REGRESSION

    @property
    def selection_metric(self) -> str:
        """The metric whose mean over the folds chooses among the candidates; a large value is the good one."""
        return METRICS[self][0]


# The first of each decides among the candidates. Names tell which way a metric is good: edustream_contracts.metrics.
METRICS: Final[Mapping[Task, tuple[str, ...]]] = {
    Task.BINARY: (
        "roc_auc",
        "average_precision",
        "f1",
        "accuracy",
        "brier_score",
        "log_loss",
        "expected_calibration_error",
    ),
    Task.MULTICLASS: (
        "macro_f1",
        "macro_roc_auc",
        "balanced_accuracy",
        "accuracy",
        "log_loss",
        "expected_calibration_error",
    ),
    Task.REGRESSION: (
        "r2",
        "mean_absolute_error",
        "root_mean_squared_error",
        "median_absolute_percentage_error",
    ),
}

# What each fold measures besides, and so what is known as a mean over the folds too.
FOLD_METRICS: Final[Mapping[Task, tuple[str, ...]]] = {
    Task.BINARY: ("roc_auc",),
    Task.MULTICLASS: ("macro_f1",),
    Task.REGRESSION: ("r2", "median_absolute_percentage_error"),
}


def measured_metrics(task: Task) -> tuple[str, ...]:
    """The name of every metric that a model of this kind gets: of the folds, then of the held-out rows."""
    return (*(f"{CROSS_VALIDATION}{name}" for name in FOLD_METRICS[task]), *METRICS[task])


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a contract promises to answer.

    `field` is the output field that holds the class or the number; `classes` are sorted, as scikit-learn and the ONNX
    model have their columns, and empty for a number; `probabilities` maps output fields to their class.
    """

    task: Task
    field: Field
    classes: tuple[str, ...]
    probabilities: Mapping[str, str]

    @property
    def promised(self) -> str | None:
        """The one class whose probability the contract promises; None where it promises none or several."""
        classes = tuple(self.probabilities.values())
        return classes[0] if len(classes) == 1 else None


def outcome_of(contract: ModelContract) -> Outcome:
    """The outcome that a contract asks for.

    Raises `InvalidInput` (kind `contract`) for one that is neither a number nor one of at least two texts.
    """
    field = next(field for field in contract.outputs if field.for_class is None)
    probabilities = {field.name: field.for_class for field in contract.outputs if field.for_class is not None}
    if field.kind == "number" and field.categories is None and not field.nullable and not probabilities:
        return Outcome(Task.REGRESSION, field, (), {})
    categories = field.categories or ()
    if field.kind == "string" and len(categories) >= 2 and not field.nullable:
        task = Task.BINARY if len(categories) == 2 else Task.MULTICLASS
        return Outcome(task, field, tuple(sorted(map(str, categories))), probabilities)
    raise InvalidInput(
        "contract",
        f"The contract of {contract.model} asks for {field.name!r}, which is neither a number nor one of several texts "
        f"(kind {field.kind}, {len(categories)} listed values).",
        remedy="let its output be a text with an enum of at least two classes, or a number without one; never null.",
    )
