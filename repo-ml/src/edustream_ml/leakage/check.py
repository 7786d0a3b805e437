"""Refuses to train where a column gives the target away, or where columns repeat one another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from edustream_contracts.errors import InvalidInput, Problem
from edustream_ml.calibration import rounded
from edustream_ml.configuration import TrainingPlan
from edustream_ml.dataset import Dataset
from edustream_ml.leakage.repeated_columns import RepeatedColumn, repeated_columns
from edustream_ml.leakage.single_columns import SingleColumn, single_columns
from edustream_ml.tasks import Task
from edustream_ml.tensors import Tensors

LIMITS: Final = {Task.BINARY: 0.95, Task.MULTICLASS: 0.99, Task.REGRESSION: 0.95}
"""What no honest column reaches alone: ROC AUC, ROC AUC between two of several classes, R2."""
SHOWN: Final = 5
ROWS: Final = 20_000
"""How many rows are looked at: what gives the target away does so in any sample."""


@dataclass(frozen=True)
class LeakageReport:
    """What the check saw: how telling each column is alone, the most telling first, and columns that repeat others."""

    task: Task
    columns: tuple[SingleColumn, ...]
    repeated: tuple[RepeatedColumn, ...]

    @property
    def metric(self) -> str:
        """What the scores of the columns are."""
        return "roc_auc" if self.task.is_classification else "r2"

    @property
    def limit(self) -> float:
        """The score from which a column is suspected."""
        return LIMITS[self.task]

    @property
    def line(self) -> str:
        """What was seen, in one sentence."""
        first = self.columns[0]
        return (
            f"the most telling column alone is {first.column}: {self.metric} {first.score:.4f}; from {self.limit:g} on "
            "a column is suspected of giving the target away"
        )

    def document(self) -> dict[str, Any]:
        """What `metrics.json` says of it: the most telling columns alone."""
        strongest = [{"column": single.column, "score": rounded(single.score)} for single in self.columns[:SHOWN]]
        return {"metric": self.metric, "limit": self.limit, "strongest_columns": strongest}


def check_leakage(training: Dataset, plan: TrainingPlan) -> LeakageReport:
    """Look at training rows, never at those that are set aside; of many, at `ROWS` that the seed draws.

    Raises `InvalidInput` (kind `data`) that names every suspect which the plan does not accept.
    """
    seed = plan.configuration.seed
    seen = training
    if len(training) > ROWS:
        seen = training.part(np.sort(np.random.default_rng(seed).choice(len(training), ROWS, replace=False)))
    tensors = Tensors.of_columns(seen.columns, plan.contract)
    dates = {given.column for given in plan.configuration.features.dates}
    columns = single_columns(tensors.frame(), seen.labels, plan.task.is_classification, seed, dates)
    repeated = repeated_columns(tensors.numeric.astype(np.float64), plan.contract.numeric)
    report = LeakageReport(plan.task, tuple(columns), tuple(repeated))
    accepted = plan.configuration.leakage.accepted
    problems = [
        *(_telling(single, report) for single in report.columns if single.score >= report.limit),
        *(
            Problem(
                f"column {pair.column}", f"repeats another one: in every row looked at it is {pair}, but for rounding"
            )
            for pair in report.repeated
            if pair.of not in accepted
        ),
    ]
    problems = [problem for problem in problems if problem.pointer.removeprefix("column ") not in accepted]
    if problems:
        raise InvalidInput(
            "data",
            f"The data set leaks: {len(problems)} finding{'s' if len(problems) > 1 else ''} in the training rows.",
            remedy="take the column out of the contract and name it in dropped_columns; or, if it is known when a "
            "prediction is asked for, say why in leakage.accepted.",
            problems=problems,
        )
    return report


def _telling(single: SingleColumn, report: LeakageReport) -> Problem:
    what = f"tells {single.between[0]!r} from {single.between[1]!r}" if single.between else "tells the target"
    measured = f"{report.metric} {single.score:.4f} in cross-validation, and {report.limit:g} is suspect"
    return Problem(f"column {single.column}", f"alone {what}: {measured}")
