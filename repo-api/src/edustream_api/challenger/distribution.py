"""Non-negative numbers, added up in constant memory: how many, their sum, the largest, and their quantiles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

LEAST: Final = 1e-12
DECADES: Final = 24
BINS_A_DECADE: Final = 20
BINS: Final = DECADES * BINS_A_DECADE + 1
"""The first bin holds what is below `LEAST`, the last one also what is above its end."""


class Distribution:
    """Counts in logarithmic bins, 20 a decade from 1e-12 to 1e12: a quantile is right within 6 %, or below 1e-12."""

    def __init__(self) -> None:
        self.count = 0
        self.total = 0.0
        self.largest = 0.0
        self._bins = np.zeros(BINS, dtype=np.int64)

    @property
    def mean(self) -> float | None:
        """The mean; None where there is nothing."""
        return self.total / self.count if self.count else None

    def add(self, values: npt.NDArray[np.float64]) -> None:
        """Count `values`: float64 (n,), none of them negative or NaN."""
        places = np.floor((np.log10(np.maximum(values, LEAST / 10)) - np.log10(LEAST)) * BINS_A_DECADE) + 1
        self._bins += np.bincount(np.clip(places, 0, BINS - 1).astype(np.int64), minlength=BINS)
        self.count += len(values)
        self.total += float(values.sum())
        self.largest = max(self.largest, float(values.max(initial=0.0)))

    def quantile(self, share: float) -> float | None:
        """The middle of the bin that `share` of the numbers reach, never above the largest; None for nothing."""
        if not self.count:
            return None
        place = int(np.searchsorted(np.cumsum(self._bins), share * self.count))
        if place == 0:
            return 0.0
        return min(float(LEAST * 10 ** ((place - 0.5) / BINS_A_DECADE)), self.largest)

    def counts(self) -> dict[str, Any]:
        """What another process needs in order to add this to its own."""
        return {"count": self.count, "total": self.total, "largest": self.largest, "bins": self._bins.tolist()}

    def include(self, counts: Mapping[str, Any]) -> None:
        """Add what another process counted."""
        self.count += counts["count"]
        self.total += counts["total"]
        self.largest = max(self.largest, counts["largest"])
        self._bins += np.array(counts["bins"], dtype=np.int64)
