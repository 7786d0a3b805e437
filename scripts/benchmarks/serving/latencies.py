"""What a load at a constant rate tells: percentiles of latencies, of all requests or of those due in some windows."""

from __future__ import annotations

import json
import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

Window = tuple[float, float]
"""Begin and end, in seconds of the machine's monotonic clock."""


def percentile(values: Iterable[float], share: float) -> float:
    """The smallest value that at least `share` (0 to 1) of all values do not exceed (nearest rank).

    Raises `ValueError` where there are no values.
    """
    ranked = sorted(values)
    if not ranked:
        raise ValueError("There is no percentile of no values.")
    return ranked[max(0, math.ceil(share * len(ranked)) - 1)]


@dataclass(frozen=True, slots=True)
class Load:
    """The requests of one load, in the order in which they were due; one entry a request in each sequence.

    `due_s` is the moment at which a request was to be sent, in seconds of the machine's monotonic clock; `latency_s`
    the seconds from then to its answer; `lateness_s` the part of them that the generator itself is to blame for;
    `answers` the version of the model that answered.
    """

    due_s: Sequence[float]
    latency_s: Sequence[float]
    lateness_s: Sequence[float]
    answers: Sequence[str]

    @staticmethod
    def read(path: Path) -> Load:
        """The load that `open_loop.py` wrote."""
        rows = sorted(json.loads(path.read_text()))
        due, latency, lateness, answers = zip(*rows, strict=True)
        return Load(due, latency, lateness, answers)

    def within(self, windows: Iterable[Window]) -> Load:
        """The requests that were due in one of `windows`, which do not overlap."""
        indices = [
            index
            for begin, end in sorted(windows)
            for index in range(bisect_left(self.due_s, begin), bisect_right(self.due_s, end))
        ]
        return Load(
            [self.due_s[index] for index in indices],
            [self.latency_s[index] for index in indices],
            [self.lateness_s[index] for index in indices],
            [self.answers[index] for index in indices],
        )

    def parts(self, length_s: float) -> list[Load]:
        """The requests of each `length_s` from the first one on, but for those of an end that is shorter."""
        begin, count = self.due_s[0], int((self.due_s[-1] - self.due_s[0]) / length_s)
        edges = [bisect_left(self.due_s, begin + number * length_s) for number in range(count + 1)]
        return [self._between(first, last) for first, last in pairwise(edges)]

    def _between(self, first: int, last: int) -> Load:
        here = slice(first, last)
        return Load(self.due_s[here], self.latency_s[here], self.lateness_s[here], self.answers[here])

    def windows_of_change(self, asked: Iterable[tuple[float, str]]) -> list[Window]:
        """From each moment at which another version was asked for to the last answer of the one before.

        `asked` are moments and versions. A version that answers nothing before the next one is asked for is changed to
        until then. Raises `ValueError` where the last one never answered.
        """
        moments = sorted(asked)
        ends = [moment for moment, _ in moments[1:]] + [math.inf]
        return [
            (moment, self._settled(moment, end, version)) for (moment, version), end in zip(moments, ends, strict=True)
        ]

    def milliseconds(self) -> dict[str, float]:
        """The usual percentiles of the latencies."""
        shares = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999}
        return {name: round(percentile(self.latency_s, share) * 1000, 3) for name, share in shares.items()}

    def changes_seen(self, asked: Iterable[tuple[float, str]]) -> int:
        """How many of the versions that were asked for took over from another one before the next one was asked for."""
        moments = sorted(asked)
        ends = [moment for moment, _ in moments[1:]] + [math.inf]
        return sum(
            self._took_over(version, self._due_between(moment, end))
            for (moment, version), end in zip(moments, ends, strict=True)
        )

    def _took_over(self, version: str, indices: range) -> bool:
        before = self.answers[max(0, indices.start - 1)]
        return before != version and any(self.answers[index] == version for index in indices)

    def _due_between(self, begin: float, end: float) -> range:
        return range(bisect_left(self.due_s, begin), bisect_left(self.due_s, end))

    def _settled(self, moment: float, end: float, version: str) -> float:
        indices = self._due_between(moment, end)
        if not any(self.answers[index] == version for index in indices):
            if end == math.inf:
                raise ValueError(f"{version} was asked for at {moment:.3f} s and never answered.")
            return end
        return max(
            (self.due_s[index] + self.latency_s[index] for index in indices if self.answers[index] != version),
            default=moment,
        )
