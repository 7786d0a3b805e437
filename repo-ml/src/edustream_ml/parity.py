"""Proves that the exported model and the trained pipeline give the same answers, row by row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from edustream_contracts.errors import GateRefused, Problem
from edustream_ml.onnx_scorer import Scores

TOLERANCE: Final = 1e-5
SHOWN: Final = 20


@dataclass(frozen=True, slots=True)
class Parity:
    """The largest absolute difference of two probabilities over all rows."""

    rows: int
    largest_difference: float


def prove_parity(trained: Scores, exported: Scores) -> Parity:
    """Compare two sets of answers to the same rows.

    Raises `GateRefused` (kind `onnx_parity`) when a label differs, or a probability by more than `TOLERANCE`.
    """
    differences = np.abs(trained.probabilities.astype(np.float64) - exported.probabilities).max(axis=1)
    wrong = ~(differences <= TOLERANCE) | (trained.labels != exported.labels)
    if wrong.any():
        raise _refused(np.flatnonzero(wrong).tolist(), trained, exported)
    return Parity(len(differences), float(differences.max()))


def _refused(wrong: Sequence[int], trained: Scores, exported: Scores) -> GateRefused:
    problems = [
        Problem(
            f"row {row + 1}",
            f"scikit-learn says {trained.labels[row]} {_shown(trained, row)}, "
            f"ONNX {exported.labels[row]} {_shown(exported, row)}",
        )
        for row in wrong[:SHOWN]
    ]
    shown = f", the first {SHOWN} shown" if len(wrong) > SHOWN else ""
    return GateRefused(
        "onnx_parity",
        f"The exported model disagrees with the trained one on {len(wrong)} of {len(trained.labels)} rows{shown}; "
        f"labels must be equal and probabilities within {TOLERANCE}.",
        remedy="nothing was published; look at the features of these rows, which leave float32 somewhere.",
        problems=problems,
    )


def _shown(scores: Scores, row: int) -> str:
    return ", ".join(f"{probability:.7f}" for probability in scores.probabilities[row])
