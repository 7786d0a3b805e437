"""What each gate said of a model: the rows of the gate table, for the release, the terminal and the refusal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final, Literal

from edustream_contracts.errors import GateRefused, Problem
from edustream_ml.calibration import rounded
from edustream_ml.gates.bootstrap import Interval
from edustream_ml.gates.slices import Slice

Relation = Literal["at least", "at most"]
KEPT: Final = "kept"
REFUSED: Final = "NO"


class GateKind(StrEnum):
    """The kinds of gate, in the order of the table."""

    FLOOR = "floor"
    CALIBRATION = "calibration"
    CHAMPION = "champion"
    WORST_SLICE = "worst_slice"
    DISPARATE_IMPACT = "disparate_impact"
    BUSINESS_VALUE = "business_value"
    LATENCY = "latency"
    SIZE = "size"


@dataclass(frozen=True, slots=True)
class GateRow:
    """One gate's verdict.

    `value` is what was measured, in the unit of `limit`; None where there was nothing to measure. What is held against
    the limit is the value, or for the champion the lower end of `interval`. `lasting` is what a file says instead of
    the sentence, where that holds what two runs on the same inputs do not share.
    """

    kind: GateKind
    name: str
    value: float | None
    limit: float
    relation: Relation
    kept: bool
    sentence: str
    interval: Interval | None = None
    lasting: str | None = None

    @property
    def held(self) -> float | None:
        """What is held against the limit."""
        return self.interval.low if self.kind is GateKind.CHAMPION and self.interval else self.value

    @property
    def line(self) -> str:
        """The row as one line of text."""
        return f"{KEPT if self.kept else REFUSED:<4}  {self.name}: {self.sentence}"


@dataclass(frozen=True, slots=True)
class GateReport:
    """The verdicts of all gates, and the figures of every slice that one of them looked at."""

    rows: tuple[GateRow, ...]
    slices: tuple[Slice, ...] = ()

    @property
    def kept(self) -> bool:
        """Whether every gate was kept."""
        return all(row.kept for row in self.rows)

    @property
    def refused(self) -> tuple[GateRow, ...]:
        """The gates that said no."""
        return tuple(row for row in self.rows if not row.kept)

    def refusal(self, what_became_of_it: str) -> GateRefused:
        """The error (kind `threshold`) that names every gate which said no."""
        return GateRefused(
            "threshold",
            f"{len(self.refused)} of {len(self.rows)} gates say no.",
            remedy=f"{what_became_of_it}; improve the data, the features or the candidates. "
            "Gates are set before the evaluation.",
            problems=[Problem(row.name, row.sentence) for row in self.refused],
        )

    def require_kept(self) -> None:
        """Raise `GateRefused` (kind `threshold`) unless every gate was kept."""
        if not self.kept:
            raise self.refusal("nothing was published")

    def document(self) -> list[dict[str, Any]]:
        """The rows as `metrics.json` has them: nothing that could differ between two runs on the same inputs."""
        return [_without_runs(row) if row.lasting else _written(row) for row in self.rows]

    def record(self) -> list[dict[str, Any]]:
        """The rows as the manifest has them: with the champion, which no file names, and without a measured time."""
        return [_without_runs(row) if row.kind is GateKind.LATENCY else _written(row) for row in self.rows]

    def metrics(self) -> dict[str, float]:
        """What the manifest states as metrics: the figure of every gate whose name tells which way it is good."""
        return {row.name: rounded(row.held) for row in self._of_the_model() if row.held is not None}

    def thresholds(self) -> dict[str, float]:
        """The limits of `metrics`, by the same names."""
        return {row.name: row.limit for row in self._of_the_model() if row.held is not None}

    def slice_documents(self) -> list[dict[str, Any]]:
        """The slices as `metrics.json` has them."""
        return [
            {**asdict(one), "metrics": {name: rounded(figure) for name, figure in one.metrics.items()}}
            for one in self.slices
        ]

    def _of_the_model(self) -> Iterator[GateRow]:
        return (row for row in self.rows if row.kind not in (GateKind.LATENCY, GateKind.SIZE))


def _without_runs(row: GateRow) -> dict[str, Any]:
    """What is left of a row that two runs on the same inputs share."""
    shared = {**_written(row), "value": None, "interval": None, "explanation": row.lasting}
    return shared if row.kind is GateKind.LATENCY else {**shared, "kept": None}


def _written(row: GateRow) -> dict[str, Any]:
    return {
        "name": row.name,
        "kind": row.kind.value,
        "value": _rounded(row.value),
        "interval": {name: _rounded(end) for name, end in asdict(row.interval).items()} if row.interval else None,
        "limit": row.limit,
        "relation": row.relation,
        "kept": row.kept,
        "explanation": row.sentence,
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else rounded(value)
