"""The reference profile: how the training rows are distributed, as bins and counts; the baseline for drift."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from edustream_contracts.contract import Field, ModelContract
from edustream_ml.scores import Scores
from edustream_ml.tasks import Outcome, outcome_of

PROFILE_FORMAT: Final = 1
# From the smallest value to the largest, so that what lies beyond the training data falls into bins of its own.
QUANTILES: Final = tuple(tenth / 10 for tenth in range(11))
PROBABILITY_EDGES: Final = tuple(tenth / 10 for tenth in range(11))

Numbers = npt.NDArray[np.floating[Any]]


def reference_profile(columns: pd.DataFrame, contract: ModelContract, scores: Scores) -> dict[str, Any]:
    """The content of `profile.json`: every input field, and the model's answers, over the training rows.

    `columns` are those of the training rows, as in `Dataset.columns`.
    """
    return {
        "profile_format": PROFILE_FORMAT,
        "rows": len(columns),
        "features": {field.name: _feature(columns[field.name], field) for field in contract.inputs},
        "prediction": _prediction(scores, outcome_of(contract)),
    }


def _prediction(scores: Scores, outcome: Outcome) -> dict[str, Any]:
    """The probability that the contract promises; where it promises none, or several, the class or the number."""
    if outcome.promised is not None:
        probability = scores.of_class(outcome.promised, outcome.classes)
        return _numeric(probability.astype(np.float64), PROBABILITY_EDGES, missing=0)
    return _feature(pd.Series(scores.labels), outcome.field)


def _feature(values: pd.Series[Any], field: Field) -> dict[str, Any]:
    present = values.dropna()
    missing = len(values) - len(present)
    categories = [False, True] if field.kind == "boolean" else list(field.categories or ())
    if categories or field.kind == "string":
        held = present.value_counts().to_dict()
        counts = [int(held.get(category, 0)) for category in categories]
        return {"kind": "categorical", "categories": categories, "counts": counts, "missing": missing}
    numbers = present.to_numpy(dtype=np.float64)
    edges = np.unique(np.quantile(numbers, QUANTILES)).tolist() if len(numbers) else [0.0]
    return _numeric(numbers, edges, missing)


def _numeric(numbers: Numbers, edges: Sequence[float], missing: int) -> dict[str, Any]:
    """Counts below the first edge, between neighbours (lower edge included), and at or above the last."""
    bins = np.searchsorted(np.array(edges), numbers, side="right")
    counts = np.bincount(bins, minlength=len(edges) + 1).tolist()
    return {"kind": "numeric", "edges": list(edges), "counts": counts, "missing": missing}
