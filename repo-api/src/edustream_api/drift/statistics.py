"""How far two samples lie apart, each given as counts in the same bins: pure functions of two vectors."""

from __future__ import annotations

from math import sqrt
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

Counts: TypeAlias = npt.NDArray[np.int64]
Shares: TypeAlias = npt.NDArray[np.floating[Any]]

PRIOR_ROWS: Final = 20.0
"""How many rows, spread as both samples together are, smoothing adds to either.

With fewer, a rare bin that happens to be empty in a window of 500 rows alone exceeds what chance allows.
"""
CHANCE: Final = 1e-4
CHANCE_QUANTILE: Final = 3.7190
"""The standard normal quantile of 1 - `CHANCE`."""


def population_stability_index(reference: Counts, observed: Counts) -> float:
    """The population stability index, sum((q - p) ln(q / p)) over the bins, of two samples counted in them.

    It is the divergence of Jeffreys (1946), under the name that credit scoring gave it: N. Siddiqi, Credit Risk
    Scorecards (2006), with 0.1 and 0.25 as the values from which a shift is minor and major.

    A bin that is empty on one side would make it infinite, however few rows the other side has there. So both are
    smoothed: a Dirichlet prior worth `PRIOR_ROWS` rows, centred on both samples together. Unlike a constant for every
    bin, it leaves equal shares equal whatever the sizes, and adds nothing for bins that are empty on both sides.

    Args:
        reference: int64 (b,), with a sum above 0.
        observed: int64 (b,), with a sum above 0.

    Returns:
        0 if and only if the shares are equal, and above 0 otherwise.
    """
    occupied = (reference + observed) > 0
    r, o = reference[occupied], observed[occupied]
    pooled = PRIOR_ROWS * (r + o) / (r + o).sum()
    p = (r + pooled) / (r.sum() + PRIOR_ROWS)
    q = (o + pooled) / (o.sum() + PRIOR_ROWS)
    # Equal shares may differ in the last place.
    return max(float(np.sum((q - p) * np.log(q / p))), 0.0)


def jensen_shannon_distance(reference: Counts, observed: Counts) -> float:
    """The square root of the Jensen-Shannon divergence to the base 2 of two samples counted in the same bins.

    J. Lin, Divergence Measures Based on the Shannon Entropy, IEEE Transactions on Information Theory 37(1), 1991. That
    its square root is a metric is due to D. M. Endres and J. E. Schindelin, ibid. 49(7), 2003. Empty bins need no
    smoothing.

    Args:
        reference: int64 (b,), with a sum above 0.
        observed: int64 (b,), with a sum above 0.

    Returns:
        0 for equal shares, 1 for samples that have no bin in common.
    """
    p, q = reference / reference.sum(), observed / observed.sum()
    middle = (p + q) / 2
    divergence = (_relative_entropy(p, middle) + _relative_entropy(q, middle)) / 2
    return sqrt(min(max(divergence, 0.0), 1.0))


def stability_index_by_chance(reference: Counts, observed: Counts) -> float:
    """The population stability index that two samples of one distribution exceed with a probability of `CHANCE`.

    Without a shift the index is about chi-squared with (occupied bins - 1) degrees of freedom, times (1/m + 1/n): B.
    Yurdakul and J. Naranjo, Statistical properties of the population stability index, Journal of Risk Model Validation
    14(4), 2020. Bins in which less than a row is expected stretch the tail, to a few windows in 1000. The quantile is
    that of E. B. Wilson and M. M. Hilferty, The distribution of chi-square, PNAS 17(12), 1931.

    Args:
        reference: int64 (b,), with a sum above 0.
        observed: int64 (b,), with a sum above 0.
    """
    freedom = int(np.count_nonzero(reference + observed)) - 1
    if freedom == 0:
        return 0.0
    ninth = 2 / (9 * freedom)
    quantile = freedom * (1 - ninth + CHANCE_QUANTILE * sqrt(ninth)) ** 3
    return quantile * float(1 / reference.sum() + 1 / observed.sum())


def _relative_entropy(p: Shares, q: Shares) -> float:
    some = p > 0
    return float(np.sum(p[some] * np.log2(p[some] / q[some])))
