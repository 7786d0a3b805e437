"""One training run's results: everything that the documents, the plots and the release are made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from sklearn.pipeline import Pipeline

from edustream_ml.configuration import TrainingPlan
from edustream_ml.dataset import Dataset
from edustream_ml.evaluation import Evaluation, rounded
from edustream_ml.importance import Importance
from edustream_ml.onnx_scorer import Scores
from edustream_ml.parity import TOLERANCE, Parity
from edustream_ml.selection import CandidateScore, Split
from edustream_ml.tensors import Tensors

METRICS_FORMAT: Final = 1


@dataclass(frozen=True)
class Training:
    """A chosen, fitted, evaluated and exported model.

    `held_out_probability` float (n,) is that of the positive class on the held-out rows.
    """

    plan: TrainingPlan
    dataset: Dataset
    split: Split
    candidates: tuple[CandidateScore, ...]
    chosen: CandidateScore
    pipeline: Pipeline
    evaluation: Evaluation
    held_out_probability: npt.NDArray[np.floating[Any]]
    importance: tuple[Importance, ...]
    onnx: bytes
    parity: Parity

    @property
    def metrics(self) -> dict[str, float]:
        """The figures that thresholds may be set for, and that the manifest carries."""
        return measured(self.chosen, self.evaluation)

    def report(self) -> dict[str, Any]:
        """The content of `metrics.json`: no time, no version, the same for the same inputs."""
        configuration = self.plan.configuration
        return {
            "metrics_format": METRICS_FORMAT,
            "model": configuration.model,
            "task": "binary",
            "positive": configuration.target.positive,
            "chosen": self.chosen.candidate.label,
            "candidates": [_candidate(score) for score in self.candidates],
            "metrics": self.metrics,
            "thresholds": dict(configuration.thresholds),
            "training_rows": len(self.split.training),
            "held_out": {
                "rows": self.evaluation.rows,
                "positive_share": self.evaluation.positive_share,
                "confusion_matrix": asdict(self.evaluation.confusion),
                "calibration": [asdict(calibration) for calibration in self.evaluation.calibration],
                "permutation_importance": [asdict(importance) for importance in self.importance],
            },
            "onnx_parity": {"rows": self.parity.rows, "tolerance": TOLERANCE},
        }


def measured(chosen: CandidateScore, evaluation: Evaluation) -> dict[str, float]:
    """Every metric of the chosen candidate by its name."""
    return {"cross_validation_roc_auc": rounded(chosen.mean), **evaluation.scores}


def answers(pipeline: Pipeline, tensors: Tensors) -> Scores:
    """What the fitted scikit-learn pipeline answers: labels str (n,), probabilities float (n, classes)."""
    frame = tensors.frame()
    probabilities = pipeline.predict_proba(frame)
    return Scores(np.asarray(pipeline.classes_, dtype=object)[probabilities.argmax(axis=1)], probabilities)


def positive_probability(scores: Scores, plan: TrainingPlan) -> npt.NDArray[np.floating[Any]]:
    """The column of the positive class (n,); columns are in sorted order of the classes."""
    return scores.probabilities[:, sorted(plan.classes).index(plan.classes[1])]


def _candidate(score: CandidateScore) -> Mapping[str, Any]:
    return {
        "name": score.candidate.label,
        "estimator": score.candidate.estimator,
        "hyper_parameters": score.candidate.hyper_parameters,
        "roc_auc_mean": rounded(score.mean),
        "roc_auc_std": rounded(score.std),
        "roc_auc": [rounded(value) for value in score.roc_auc],
    }
