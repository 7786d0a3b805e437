"""How sure every metric is: the bootstrap that the gates are judged by, over all metrics at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from edustream_ml.calibration import rounded
from edustream_ml.configuration import TrainingPlan
from edustream_ml.gates.bootstrap import Interval, Statistic, intervals
from edustream_ml.gates.comparison import drawing_groups, resampling
from edustream_ml.scores import Labels

LEAST_RESAMPLES: Final = 200
DRAWN_ROWS: Final = 20_000_000
"""Rows that all resamples may draw together: a metric of many rows varies little, and needs fewer resamples."""


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """Where `percent` % of the values of each metric lie over the resamples.

    It says how much a metric varies with the rows that it is measured on, not with those that the model was fitted on.
    """

    percent: float
    resamples: int
    intervals: Mapping[str, Interval]


def bootstrap(plan: TrainingPlan, statistics: Mapping[str, Statistic], truth: Labels) -> Bootstrap:
    """The intervals of all statistics of rows with this truth (n,).

    A statistic that is undefined on one of the resamples has none.
    """
    rows = len(truth)
    how = resampling(plan)
    how = replace(how, resamples=min(how.resamples, max(DRAWN_ROWS // rows, LEAST_RESAMPLES)))
    groups = drawing_groups(plan, truth, np.arange(rows))
    found = zip(statistics, intervals(list(statistics.values()), groups, rows, how), strict=True)
    told = {name: Interval(rounded(ends.low), rounded(ends.high)) for name, ends in found if ends}
    return Bootstrap(rounded(100.0 * how.confidence), how.resamples, told)
