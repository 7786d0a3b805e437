"""How the answers of two releases to the same rows differ: counts in constant memory, and what follows from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import sqrt
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
from edustream_registry.inference.session import Answer

from edustream_api.challenger.distribution import Distribution
from edustream_api.loading import ServedModel

NORMAL_QUANTILE: Final = 1.959963984540054
"""97.5 % of the standard normal distribution: intervals hold with 95 % confidence."""
QUANTILES: Final = (0.5, 0.9, 0.99)


class Interval(NamedTuple):
    """Bounds of a share."""

    low: float
    high: float


def wilson(hits: int, trials: int) -> Interval:
    """The score interval of a share at 95 % confidence (Wilson, 1927, JASA 22, 209-212); `trials` is positive."""
    share, square = hits / trials, NORMAL_QUANTILE**2
    centre = share + square / (2 * trials)
    spread = NORMAL_QUANTILE * sqrt(share * (1 - share) / trials + square / (4 * trials**2))
    scale = 1 + square / trials
    # Rounding must not take a share of all or of nothing out of its own interval.
    return Interval(max(0.0, min(share, (centre - spread) / scale)), min(1.0, max(share, (centre + spread) / scale)))


@dataclass(frozen=True, slots=True)
class Failure:
    """Why the challenger has no answer to a row."""

    reason: str


Outcome: TypeAlias = Answer | Failure
"""What the challenger made of a row."""


class Comparison:
    """What was counted of one champion and one challenger; the fields are those that both answer with."""

    def __init__(self, champion: ServedModel, challenger: ServedModel) -> None:
        self.champion = champion.version
        self.challenger = challenger.version
        self.pair = pair_of(champion, challenger)
        kinds = {field.name: field.kind for field in challenger.contract.outputs}
        shared = [field for field in champion.contract.outputs if kinds.get(field.name) == field.kind]
        self._labels = [field.name for field in shared if field.kind != "number"]
        self.signed = {field.name: 0.0 for field in shared if field.kind == "number"}
        self.absolute = {name: Distribution() for name in self.signed}
        self.seconds = {"champion": Distribution(), "challenger": Distribution()}
        self.compared = self.agreed = self.failed = self.dropped = 0
        self.last_failure: str | None = None

    @property
    def has_labels(self) -> bool:
        """Whether there is a field whose values are equal or not, rather than near or far."""
        return bool(self._labels)

    def add(self, answers: Iterable[Mapping[str, Any]], outcomes: Iterable[Outcome]) -> None:
        """Count rows: the champion's answer to each, and what the challenger made of it, in one order."""
        outcomes = list(outcomes)
        self.fail(outcome for outcome in outcomes if isinstance(outcome, Failure))
        pairs = [
            (answer, outcome)
            for answer, outcome in zip(answers, outcomes, strict=True)
            if not isinstance(outcome, Failure)
        ]
        self.compared += len(pairs)
        self.agreed += sum(all(answer[name] == other[name] for name in self._labels) for answer, other in pairs)
        for name, distribution in self.absolute.items():
            differences = np.array([other[name] - answer[name] for answer, other in pairs], dtype=np.float64)
            self.signed[name] += float(differences.sum())
            distribution.add(np.abs(differences))

    def fail(self, failures: Iterable[Failure]) -> None:
        """Count rows that the challenger has no answer to."""
        for failure in failures:
            self.failed += 1
            self.last_failure = failure.reason

    def time(self, champion_s: float, challenger_s: float) -> None:
        """Count what one row took of each."""
        self.seconds["champion"].add(np.array([champion_s]))
        self.seconds["challenger"].add(np.array([challenger_s]))

    def counts(self) -> dict[str, Any]:
        """What another process needs in order to add this to its own."""
        return {
            "pair": self.pair,
            "rows": [self.compared, self.agreed, self.failed, self.dropped],
            "last_failure": self.last_failure,
            "signed": self.signed,
            "absolute": {name: one.counts() for name, one in self.absolute.items()},
            "seconds": {side: one.counts() for side, one in self.seconds.items()},
        }

    def include(self, counts: Mapping[str, Any]) -> None:
        """Add what another process counted of the same two releases."""
        compared, agreed, failed, dropped = counts["rows"]
        self.compared += compared
        self.agreed += agreed
        self.failed += failed
        self.dropped += dropped
        self.last_failure = self.last_failure or counts["last_failure"]
        for name, one in self.absolute.items():
            self.signed[name] += counts["signed"][name]
            one.include(counts["absolute"][name])
        for side, one in self.seconds.items():
            one.include(counts["seconds"][side])

    def agreement(self) -> dict[str, Any] | None:
        """The share of rows with equal labels and its 95 % interval; None without rows or without labels."""
        if not self.compared or not self.has_labels:
            return None
        low, high = wilson(self.agreed, self.compared)
        return {
            "agreed": self.agreed,
            "share": self.agreed / self.compared,
            "low": low,
            "high": high,
            "confidence": 0.95,
        }

    def differences(self) -> dict[str, dict[str, Any]]:
        """Of every field that is a number: challenger minus champion, its mean, and its size."""
        return {
            name: {
                "mean": self.signed[name] / one.count if one.count else None,
                "mean_absolute": one.mean,
                "max_absolute": one.largest if one.count else None,
                "quantiles_absolute": _quantiles(one),
            }
            for name, one in self.absolute.items()
        }

    def latency(self) -> dict[str, dict[str, Any]]:
        """Seconds of processor time that one row takes of each release, one row at a time, for the same rows."""
        return {
            side: {"rows": one.count, "mean": one.mean, "quantiles": _quantiles(one)}
            for side, one in self.seconds.items()
        }


def pair_of(champion: ServedModel, challenger: ServedModel) -> list[str]:
    """What tells two releases that are compared from any other two."""
    return [champion.release.manifest_digest, challenger.release.manifest_digest]


def _quantiles(distribution: Distribution) -> dict[str, float | None]:
    return {f"{share:g}": distribution.quantile(share) for share in QUANTILES}
