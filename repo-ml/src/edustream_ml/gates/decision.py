"""Holds the evaluated model against every gate that its configuration sets, so that all that say no are named."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from edustream_contracts.errors import InvalidInput, Problem
from edustream_contracts.metrics import is_error, reaches, relation
from edustream_ml.calibration import rounded
from edustream_ml.configuration import TrainingPlan
from edustream_ml.dataset import Dataset
from edustream_ml.gates import business_value, disparate_impact, figures, slices
from edustream_ml.gates.bootstrap import Interval, Resampling, Statistic, everything, interval
from edustream_ml.gates.comparison import Rival, compare, drawing_groups, selection_statistic
from edustream_ml.gates.constant import CALIBRATION
from edustream_ml.gates.disparate_impact import FAVOURABLE_SHARE
from edustream_ml.gates.latency import CALLS, one_row_ms
from edustream_ml.gates.report import GateKind, GateReport, GateRow
from edustream_ml.gates.settings import (
    BusinessValueGate,
    ChampionGate,
    DisparateImpactGate,
    LatencyGate,
    SizeGate,
    WorstSliceGate,
)
from edustream_ml.gates.slices import Categories, Slice
from edustream_ml.scores import Labels, Scores
from edustream_ml.tasks import CROSS_VALIDATION

MIB: Final = 1024 * 1024


@dataclass(frozen=True)
class Evidence:
    """What the gates look at.

    `truth` and `answered` are those of the held-out rows (n,), `columns` the categories of the columns that a gate
    names, `measured` every metric by name, `answer_one_row` lets the exported model answer one row.
    """

    truth: Labels
    answered: Scores
    columns: Mapping[str, Categories]
    measured: Mapping[str, float]
    onnx_bytes: int
    answer_one_row: Callable[[], object]
    rival: Rival


def judge(plan: TrainingPlan, evidence: Evidence) -> GateReport:
    """The verdict of every gate of the plan."""
    found = _slices(plan, evidence)
    return GateReport(tuple(_rows(plan, evidence, found)), found)


def _rows(plan: TrainingPlan, evidence: Evidence, found: tuple[Slice, ...]) -> Iterator[GateRow]:
    gates = plan.configuration.gates
    yield from (_floor(name, evidence.measured[name], limit) for name, limit in plan.configuration.thresholds.items())
    yield _champion(plan, evidence, gates.champion)
    if gates.worst_slice:
        yield _worst_slice(plan, evidence, gates.worst_slice, found)
    if gates.disparate_impact:
        yield _disparate_impact(plan, evidence, gates.disparate_impact, found)
    if gates.business_value:
        yield _business_value(plan, evidence, gates.business_value)
    if gates.latency:
        yield _latency(evidence, gates.latency)
    if gates.size:
        yield _size(evidence, gates.size)


def require_judged(plan: TrainingPlan, held_out: Dataset) -> None:
    """Raise `InvalidInput` (kind `configuration`) for a gate over categories of which none can have enough rows."""
    gates = plan.configuration.gates
    problems: list[Problem] = []
    if gates.worst_slice:
        problems += _too_few("worst_slice", gates.worst_slice.columns, gates.worst_slice.rows_at_least, held_out, 1)
    if gates.disparate_impact:
        column, rows = gates.disparate_impact.column, gates.disparate_impact.rows_at_least
        problems += _too_few("disparate_impact", (column,), rows, held_out, 2)
    if problems:
        raise InvalidInput(
            "configuration",
            f"{plan.path.name} asks for more rows of a category than are held out.",
            remedy="ask for fewer, or raise held_out_fraction; nothing was trained.",
            problems=problems,
        )


def _too_few(gate: str, columns: Sequence[str], rows: int, held_out: Dataset, needed: int) -> Iterator[Problem]:
    """A problem where no column has so many `needed` categories of enough rows."""
    sizes = [sorted(held_out.columns[name].value_counts(dropna=False), reverse=True) for name in columns]
    most = max(int(of_column[needed - 1]) if len(of_column) >= needed else 0 for of_column in sizes)
    if most < rows:
        which = "largest" if needed == 1 else "second largest"
        found = f"the {which} category of {', '.join(columns)} has {most} of the {len(held_out)} held-out rows"
        yield Problem(f"gates.{gate}.rows_at_least", f"asks for {rows} rows, and {found}")


def named_columns(plan: TrainingPlan) -> tuple[str, ...]:
    """The columns by whose categories a gate looks at the model."""
    gates = plan.configuration.gates
    of_slices = gates.worst_slice.columns if gates.worst_slice else ()
    of_impact = (gates.disparate_impact.column,) if gates.disparate_impact else ()
    return tuple(dict.fromkeys((*of_slices, *of_impact)))


def _slices(plan: TrainingPlan, evidence: Evidence) -> tuple[Slice, ...]:
    statistics: dict[str, Statistic] = {
        plan.task.selection_metric: selection_statistic(plan, evidence.truth, evidence.answered)
    }
    gate = plan.configuration.gates.disparate_impact
    if gate:
        statistics[FAVOURABLE_SHARE] = disparate_impact.favourable_share(evidence.answered.labels, gate.favourable)
    return slices.slices(evidence.columns, statistics)


def _floor(name: str, value: float, limit: float) -> GateRow:
    return GateRow(
        kind=GateKind.CALIBRATION if name.removeprefix(CROSS_VALIDATION) == CALIBRATION else GateKind.FLOOR,
        name=name,
        value=value,
        limit=limit,
        relation="at most" if is_error(name) else "at least",
        kept=reaches(name, value, limit),
        sentence=f"is {value:.4f}; the threshold is {relation(name)} {limit:g}",
    )


def _champion(plan: TrainingPlan, evidence: Evidence, gate: ChampionGate) -> GateRow:
    name = f"champion_{plan.task.selection_metric}_difference"
    lasting = (
        f"at most {gate.margin:g} worse than {plan.configuration.model}@{gate.channel}: decided when it was published, "
        "and recorded in the manifest"
    )
    rival = evidence.rival
    if rival.answered is None:
        return GateRow(GateKind.CHAMPION, name, None, -gate.margin, "at least", True, rival.note, lasting=lasting)
    truth, answered = evidence.truth, evidence.answered
    if rival.rows is not None:
        truth, answered = truth[rival.rows], answered.part(rival.rows)
    found = compare(plan, truth, answered, rival.answered, _resampling(plan))
    low = rounded(found.interval.low) if found.interval else None
    caution = f"; {rival.note}" if rival.note else ""
    return GateRow(
        kind=GateKind.CHAMPION,
        name=name,
        value=found.value,
        limit=-gate.margin,
        relation="at least",
        kept=low is not None and low >= -gate.margin,
        sentence=f"{found.metric} is {found.value:+.4f} against {rival.title} on the same {len(truth)} "
        f"held-out rows ({_shown(plan, found.interval, '+.4f')}); its lower end must be at least "
        f"{-gate.margin:g}{caution}",
        interval=found.interval,
        lasting=lasting,
    )


def _worst_slice(plan: TrainingPlan, evidence: Evidence, gate: WorstSliceGate, found: tuple[Slice, ...]) -> GateRow:
    metric = plan.task.selection_metric
    name = f"worst_slice_{metric}"
    worst = slices.worst([one for one in found if one.column in gate.columns], metric, gate.rows_at_least)
    if worst is None:
        said = f"no category of {', '.join(gate.columns)} has {gate.rows_at_least} held-out rows with a {metric}"
        return GateRow(GateKind.WORST_SLICE, name, None, gate.at_least, "at least", False, said)
    rows = slices.rows_of(worst, evidence.columns)
    statistic = selection_statistic(plan, evidence.truth, evidence.answered)
    ends = interval(statistic, drawing_groups(plan, evidence.truth, rows), len(evidence.truth), _resampling(plan))
    value = worst.metrics[metric]
    return GateRow(
        kind=GateKind.WORST_SLICE,
        name=name,
        value=value,
        limit=gate.at_least,
        relation="at least",
        kept=rounded(value) >= gate.at_least,
        sentence=f"is {value:.4f} for {worst.title}, {worst.rows} rows ({_shown(plan, ends)}); at least "
        f"{gate.at_least:g} is asked of every category of {', '.join(gate.columns)} with {gate.rows_at_least} rows",
        interval=ends,
    )


def _disparate_impact(
    plan: TrainingPlan, evidence: Evidence, gate: DisparateImpactGate, found: tuple[Slice, ...]
) -> GateRow:
    # Without the column, whose name could end as an error's does, which would turn the relation round.
    name = GateKind.DISPARATE_IMPACT.value
    seen = disparate_impact.impact(found, gate.column, gate.rows_at_least)
    if seen is None or seen.ratio is None:
        said = (
            f"fewer than two categories of {gate.column} have {gate.rows_at_least} held-out rows"
            if seen is None
            else f"{gate.favourable!r} is answered to nobody, which shows nothing"
        )
        return GateRow(GateKind.DISPARATE_IMPACT, name, None, gate.at_least, "at least", False, said)
    share = disparate_impact.favourable_share(evidence.answered.labels, gate.favourable)
    statistic = disparate_impact.ratio_of(seen, share, evidence.columns)
    groups = disparate_impact.groups(seen, evidence.columns)
    ends = interval(statistic, groups, len(evidence.truth), _resampling(plan))
    low, high = (f"{one.metrics[FAVOURABLE_SHARE]:.4f} of {one.title}" for one in (seen.lowest, seen.highest))
    return GateRow(
        kind=GateKind.DISPARATE_IMPACT,
        name=name,
        value=seen.ratio,
        limit=gate.at_least,
        relation="at least",
        kept=rounded(seen.ratio) >= gate.at_least,
        sentence=f"is {seen.ratio:.4f} ({_shown(plan, ends)}): {gate.favourable!r} is answered to {low} and to {high}; "
        f"at least {gate.at_least:g} is asked",
        interval=ends,
    )


def _business_value(plan: TrainingPlan, evidence: Evidence, gate: BusinessValueGate) -> GateRow:
    statistic = figures.mean(business_value.values(gate.payoffs, evidence.truth, evidence.answered.labels))
    rows = len(evidence.truth)
    value = statistic(everything(rows))
    ends = interval(statistic, drawing_groups(plan, evidence.truth, np.arange(rows)), rows, _resampling(plan))
    said, worth = business_value.best_constant(gate.payoffs, evidence.truth, plan.classes)
    return GateRow(
        kind=GateKind.BUSINESS_VALUE,
        name="business_value",
        value=value,
        limit=gate.at_least,
        relation="at least",
        kept=rounded(value) >= gate.at_least,
        sentence=f"is {value:.4f} {gate.unit} a row ({_shown(plan, ends)}); at least {gate.at_least:g} is asked, and "
        f"always answering {said!r} is worth {worth:.4f}",
        interval=ends,
    )


def _latency(evidence: Evidence, gate: LatencyGate) -> GateRow:
    value = one_row_ms(evidence.answer_one_row)
    kept = value <= gate.at_most_ms
    return GateRow(
        kind=GateKind.LATENCY,
        name="latency_ms",
        value=value,
        limit=gate.at_most_ms,
        relation="at most",
        kept=kept,
        sentence=f"is {value:.3f}, the median of {CALLS} answers to one row; at most {gate.at_most_ms:g} is asked",
        lasting=f"the median of {CALLS} answers to one row was {'' if kept else 'not '}within {gate.at_most_ms:g} ms",
    )


def _size(evidence: Evidence, gate: SizeGate) -> GateRow:
    value = evidence.onnx_bytes / MIB
    return GateRow(
        kind=GateKind.SIZE,
        name="size_mib",
        value=value,
        limit=gate.at_most_mib,
        relation="at most",
        kept=value <= gate.at_most_mib,
        sentence=f"is {value:.3f} ({evidence.onnx_bytes} bytes); at most {gate.at_most_mib:g} is asked",
    )


def _resampling(plan: TrainingPlan) -> Resampling:
    gates = plan.configuration.gates
    return Resampling(gates.resamples, gates.confidence, plan.configuration.seed)


def _shown(plan: TrainingPlan, ends: Interval | None, form: str = ".4f") -> str:
    if ends is None:
        return "without an interval: it is undefined for some draws"
    return f"{100 * plan.configuration.gates.confidence:g}% interval {ends.low:{form}} to {ends.high:{form}}"
