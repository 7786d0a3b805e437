"""Answers that need no model: always the same. What they reach is no gate for a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from edustream_contracts.errors import InvalidInput, Problem
from edustream_contracts.metrics import is_error, reaches, relation
from edustream_ml.configuration import TrainingPlan
from edustream_ml.evaluation import evaluate
from edustream_ml.gates import business_value
from edustream_ml.scores import Labels, Scores
from edustream_ml.tasks import CROSS_VALIDATION

CALIBRATION: Final = "expected_calibration_error"
"""Who always states the share of the positives is perfectly calibrated, so this counts beside another floor alone."""


@dataclass(frozen=True, slots=True)
class Constant:
    """An answer that is given to every row, and the metrics that it reaches."""

    title: str
    metrics: dict[str, float]


def constants(plan: TrainingPlan, labels: Labels) -> tuple[Constant, ...]:
    """What the constant answers reach on rows with these labels (n,).

    Of classes: each one, with the shares of the classes as probabilities, which no other constant probabilities surpass
    in Brier score or log loss. Of a number: the mean, on the scale that is learned, and the median.
    """
    return tuple(
        Constant(title, {**evaluate(plan, labels, scores).scores}) for title, scores in _answers(plan, labels).items()
    )


def require_gates(plan: TrainingPlan, labels: Labels) -> None:
    """Raise `InvalidInput` (kind `configuration`) where what is demanded of the model is kept by a constant answer.

    Every floor but that of the calibration error, and that of the worst slice, must be above what each constant reaches
    on rows with these labels (n,), there must be one such floor, and the business value must be above that of the best
    constant decision.
    """
    reached = constants(plan, labels)
    problems = [*_floor_problems(plan, reached), *_slice_problems(plan, reached), *_business_problems(plan, labels)]
    if problems:
        raise InvalidInput(
            "configuration",
            f"{plan.path.name} sets {len(problems)} gates that are none: who always gives the same answer passes.",
            remedy="ask for more than that; nothing was trained.",
            problems=problems,
        )


def _answers(plan: TrainingPlan, labels: Labels) -> dict[str, Scores]:
    rows = len(labels)
    if not plan.task.is_classification:
        log = plan.configuration.target.scale == "log"
        mean = float(np.exp(np.log(labels).mean()) if log else labels.mean())
        return {f"{value:g}": Scores(np.full(rows, value)) for value in (mean, float(np.median(labels)))}
    shares = np.array([(labels == name).mean() for name in plan.classes])
    probabilities = np.tile(shares, (rows, 1))
    return {repr(name): Scores(np.full(rows, name, dtype=object), probabilities) for name in plan.classes}


def _floor_problems(plan: TrainingPlan, reached: tuple[Constant, ...]) -> list[Problem]:
    thresholds = plan.configuration.thresholds
    problems = []
    for name, limit in thresholds.items():
        metric = name.removeprefix(CROSS_VALIDATION)
        best = (min if is_error(metric) else max)(reached, key=lambda one: one.metrics[metric])
        if metric != CALIBRATION and reaches(metric, best.metrics[metric], limit):
            said = f"{relation(name)} {limit:g} is kept by always answering {best.title}: {best.metrics[metric]:.4f}"
            problems.append(Problem(f"thresholds.{name}", said))
    if set(thresholds) <= {CALIBRATION}:
        said = f"has {CALIBRATION} alone, which is 0 for who always states the shares of the classes"
        problems.append(Problem("thresholds", said))
    return problems


def _slice_problems(plan: TrainingPlan, reached: tuple[Constant, ...]) -> list[Problem]:
    gate, metric = plan.configuration.gates.worst_slice, plan.task.selection_metric
    if gate is None:
        return []
    best = max(reached, key=lambda one: one.metrics[metric])
    if gate.at_least > best.metrics[metric]:
        return []
    said = f"at least {gate.at_least:g} is kept by always answering {best.title}: {metric} {best.metrics[metric]:.4f}"
    return [Problem("gates.worst_slice.at_least", said)]


def _business_problems(plan: TrainingPlan, labels: Labels) -> list[Problem]:
    gate = plan.configuration.gates.business_value
    if gate is None:
        return []
    said, worth = business_value.best_constant(gate.payoffs, labels, plan.classes)
    if gate.at_least > worth:
        return []
    message = f"at least {gate.at_least:g} {gate.unit} is kept by always answering {said!r}: {worth:.4f}"
    return [Problem("gates.business_value.at_least", message)]
