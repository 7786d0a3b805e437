"""One training run's results: everything that the documents, the plots and the release are made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from sklearn.pipeline import Pipeline

from edustream_ml.calibration import rounded
from edustream_ml.configuration import TrainingPlan
from edustream_ml.data_summary import summarise
from edustream_ml.dataset import Dataset
from edustream_ml.evaluation import Evaluation
from edustream_ml.gates.report import GateReport
from edustream_ml.inspection.inspection import Inspection
from edustream_ml.leakage.check import LeakageReport
from edustream_ml.parity import TOLERANCE, Parity
from edustream_ml.scores import Scores
from edustream_ml.search.tuning import Searched
from edustream_ml.selection import CandidateScore, Split
from edustream_ml.tasks import CROSS_VALIDATION, Task

METRICS_FORMAT: Final = 2


@dataclass(frozen=True)
class Training:
    """A chosen, fitted, evaluated and exported model.

    `held_out_scores` are the trained pipeline's answers to the held-out rows.
    """

    plan: TrainingPlan
    dataset: Dataset
    split: Split
    candidates: tuple[CandidateScore, ...]
    chosen: CandidateScore
    pipeline: Pipeline
    evaluation: Evaluation
    held_out_scores: Scores
    inspection: Inspection
    onnx: bytes
    parity: Parity
    gates: GateReport
    leakage: LeakageReport
    searched: Searched | None

    @property
    def metrics(self) -> dict[str, float]:
        """The figures that thresholds may be set for, and that the manifest carries."""
        return measured(self.chosen, self.evaluation)

    def report(self) -> dict[str, Any]:
        """The content of `metrics.json`: no time, no version, the same for the same inputs."""
        plan, evaluation = self.plan, self.evaluation
        return {
            "metrics_format": METRICS_FORMAT,
            "model": plan.configuration.model,
            "task": plan.task.value,
            **_outcome(plan),
            "chosen": self.chosen.candidate.label,
            "selection_metric": self.chosen.metric,
            "search": self.searched.document() if self.searched else None,
            "leakage": self.leakage.document(),
            "candidates": [_candidate(score) for score in self.candidates],
            "metrics": self.metrics,
            "thresholds": dict(plan.configuration.thresholds),
            "training_rows": len(self.split.training),
            "held_out": {
                "rows": evaluation.rows,
                "class_shares": dict(evaluation.class_shares),
                "confusion_matrix": asdict(evaluation.confusion) if evaluation.confusion else None,
                "calibration": [asdict(calibration) for calibration in evaluation.calibration],
            },
            "inspection": asdict(self.inspection),
            "gates": self.gates.document(),
            "slices": self.gates.slice_documents(),
            "data": asdict(summarise(self.dataset)),
            "onnx_parity": {"rows": self.parity.rows, "tolerance": TOLERANCE},
        }


def measured(chosen: CandidateScore, evaluation: Evaluation) -> dict[str, float]:
    """Every metric of the chosen candidate by its name: means over the folds, then those of the held-out rows."""
    means = {f"{CROSS_VALIDATION}{name}": rounded(chosen.mean_of(name)) for name in chosen.folds[0]}
    return {**means, **evaluation.scores}


def _outcome(plan: TrainingPlan) -> Mapping[str, Any]:
    """What is predicted: the classes, and which of two is looked for; or the unit of the number, and R2's scale."""
    if plan.task is Task.REGRESSION:
        return {"unit": plan.outcome.field.unit, "scale": plan.configuration.target.scale}
    positive = {"positive": plan.positive} if plan.task is Task.BINARY else {}
    return {"classes": list(plan.classes), **positive}


def _candidate(score: CandidateScore) -> Mapping[str, Any]:
    return {
        "name": score.candidate.label,
        "estimator": score.candidate.estimator,
        "hyper_parameters": score.candidate.hyper_parameters,
        "mean": rounded(score.mean),
        "std": rounded(score.std),
        "folds": [{name: rounded(value) for name, value in fold.items()} for fold in score.folds],
    }
