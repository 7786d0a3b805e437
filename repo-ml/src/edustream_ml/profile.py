"""The reference profile: how the training rows are distributed, as bins and counts; the baseline for drift."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from edustream_contracts.contract import Field, ModelContract
from edustream_ml.dataset import Row

PROFILE_FORMAT: Final = 1
# From the smallest value to the largest, so that what lies beyond the training data falls into bins of its own.
QUANTILES: Final = tuple(tenth / 10 for tenth in range(11))
PROBABILITY_EDGES: Final = tuple(tenth / 10 for tenth in range(11))

Numbers = npt.NDArray[np.floating[Any]]


def reference_profile(rows: Sequence[Row], contract: ModelContract, probability: Numbers) -> dict[str, Any]:
    """The content of `profile.json`: every input field and the probability (n,) over the training rows."""
    return {
        "profile_format": PROFILE_FORMAT,
        "rows": len(rows),
        "features": {field.name: _feature([row.get(field.name) for row in rows], field) for field in contract.inputs},
        "prediction": _numeric(probability.astype(np.float64), PROBABILITY_EDGES, missing=0),
    }


def _feature(values: list[Any], field: Field) -> dict[str, Any]:
    present = [value for value in values if value is not None]
    missing = len(values) - len(present)
    categories = [False, True] if field.kind == "boolean" else list(field.categories or ())
    if categories or field.kind == "string":
        counts = [sum(value == category for value in present) for category in categories]
        return {"kind": "categorical", "categories": categories, "counts": counts, "missing": missing}
    numbers = np.array(present, dtype=np.float64)
    edges = np.unique(np.quantile(numbers, QUANTILES)).tolist() if present else [0.0]
    return _numeric(numbers, edges, missing)


def _numeric(numbers: Numbers, edges: Sequence[float], missing: int) -> dict[str, Any]:
    """Counts below the first edge, between neighbours (lower edge included), and at or above the last."""
    bins = np.searchsorted(np.array(edges), numbers, side="right")
    counts = np.bincount(bins, minlength=len(edges) + 1).tolist()
    return {"kind": "numeric", "edges": list(edges), "counts": counts, "missing": missing}
