"""What a model answers to many rows, whoever computes it: the trained pipeline, or its export."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.pipeline import Pipeline

Labels = npt.NDArray[Any]
Probabilities = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Scores:
    """The answers of a model.

    `labels`: str (n,) as objects, the classes; or float (n,) in the contract's unit, for a regression.
    `probabilities`: float (n, classes) in the sorted order of the classes; None for a regression.
    """

    labels: Labels
    probabilities: Probabilities | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def part(self, index: npt.NDArray[np.intp]) -> Scores:
        """The answers to the rows with the given numbers (from 0), in that order."""
        return Scores(self.labels[index], None if self.probabilities is None else self.probabilities[index])

    def of_class(self, name: str, classes: tuple[str, ...]) -> Probabilities:
        """The probability (n,) of one class; `classes` in sorted order."""
        if self.probabilities is None:
            raise ValueError("a regression has no probabilities")
        return self.probabilities[:, classes.index(name)]


def answers(pipeline: Pipeline, frame: pd.DataFrame) -> Scores:
    """What a fitted scikit-learn pipeline answers to the rows of a `Tensors.frame()`."""
    if not hasattr(pipeline, "predict_proba"):
        return Scores(np.asarray(pipeline.predict(frame)))
    probabilities = pipeline.predict_proba(frame)
    return Scores(np.asarray(pipeline.classes_, dtype=object)[probabilities.argmax(axis=1)], probabilities)
