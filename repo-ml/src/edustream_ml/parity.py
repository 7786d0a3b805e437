"""Proves that the exported model and the trained pipeline give the same answers, row by row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from edustream_contracts.errors import GateRefused, Problem
from edustream_ml.scores import Scores

TOLERANCE: Final = 1e-5
SHOWN: Final = 20


@dataclass(frozen=True, slots=True)
class Parity:
    """The largest difference of two answers over all rows; see `differences`."""

    rows: int
    largest_difference: float


def prove_parity(trained: Scores, exported: Scores) -> Parity:
    """Compare two sets of answers to the same rows.

    Raises `GateRefused` (kind `onnx_parity`) when a class differs, or a probability or number by more than `TOLERANCE`.
    """
    apart = differences(trained, exported)
    wrong = ~(apart <= TOLERANCE)
    if trained.probabilities is not None:
        wrong |= trained.labels != exported.labels
    if wrong.any():
        raise _refused(np.flatnonzero(wrong).tolist(), trained, exported)
    return Parity(len(apart), float(apart.max()))


def differences(trained: Scores, exported: Scores) -> npt.NDArray[np.float64]:
    """How far each row's answers are apart, (n,): of probabilities the largest absolute difference.

    Of numbers the difference relative to the trained one, where that is larger than 1 in its unit, since a float32 has
    the same number of digits whatever its size; the absolute one where it is smaller.
    """
    if trained.probabilities is None or exported.probabilities is None:
        numbers = trained.labels.astype(np.float64)
        return np.asarray(np.abs(numbers - exported.labels.astype(np.float64)) / np.maximum(np.abs(numbers), 1.0))
    apart = np.abs(trained.probabilities.astype(np.float64) - exported.probabilities)
    return np.asarray(apart.max(axis=1))


def _refused(wrong: Sequence[int], trained: Scores, exported: Scores) -> GateRefused:
    problems = [
        Problem(f"row {row + 1}", f"scikit-learn says {_shown(trained, row)}, ONNX {_shown(exported, row)}")
        for row in wrong[:SHOWN]
    ]
    shown = f", the first {SHOWN} shown" if len(wrong) > SHOWN else ""
    what = "numbers must be" if trained.probabilities is None else "labels must be equal and probabilities"
    unit = " of their size" if trained.probabilities is None else ""
    return GateRefused(
        "onnx_parity",
        f"The exported model disagrees with the trained one on {len(wrong)} of {len(trained)} rows{shown}; "
        f"{what} within {TOLERANCE}{unit}.",
        remedy="nothing was published; look at the features of these rows, which leave float32 somewhere.",
        problems=problems,
    )


def _shown(scores: Scores, row: int) -> str:
    label: Any = scores.labels[row]
    if scores.probabilities is None:
        return f"{label:.9g}"
    return f"{label} {', '.join(f'{probability:.7f}' for probability in scores.probabilities[row])}"
