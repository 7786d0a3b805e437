"""Every gate on answers whose figures are worked out by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import small_document, write_project

from edustream_contracts.errors import GateRefused
from edustream_ml.configuration import TrainingPlan, load_plan
from edustream_ml.evaluation import evaluate
from edustream_ml.gates.comparison import Rival
from edustream_ml.gates.decision import MIB, Evidence, judge, named_columns
from edustream_ml.gates.report import GateKind, GateReport, GateRow
from edustream_ml.gates.slices import categories
from edustream_ml.scores import Scores

NOBODY = Rival("nobody", note="there is nothing to compare with")
GATES: dict[str, Any] = {
    "resamples": 200,
    "worst_slice": {"columns": ["contract"], "at_least": 0.7, "rows_at_least": 20},
    "disparate_impact": {"column": "female", "favourable": "Yes", "at_least": 0.8, "rows_at_least": 20},
    "business_value": {
        "unit": "USD",
        "payoffs": {"Yes": {"Yes": 80, "No": 0}, "No": {"Yes": -20, "No": 0}},
        "at_least": 12,
    },
    "latency": {"at_most_ms": 1000},
    "size": {"at_most_mib": 1},
}
ROWS = 400


def plan_with(folder: Path, thresholds: dict[str, float] | None = None, **gates: Any) -> TrainingPlan:
    floors = thresholds or {"roc_auc": 0.8, "f1": 0.5, "expected_calibration_error": 0.1}
    return load_plan(write_project(folder, small_document() | {"thresholds": floors, "gates": GATES | gates}))


def test_a_text_that_is_called_null_is_not_what_is_absent() -> None:
    assert categories(["null", None, '"null"', True, 3]).tolist() == [
        '"null"',
        "null",
        '""null""',
        "true",
        "3",
    ]


@pytest.fixture
def plan(tmp_path: Path) -> TrainingPlan:
    return plan_with(tmp_path)


def scores_of(probability: np.ndarray[Any, Any]) -> Scores:
    labels = np.where(probability > 0.5, "Yes", "No").astype(object)
    return Scores(labels, np.column_stack([1.0 - probability, probability]))


def a_good_model() -> tuple[np.ndarray[Any, Any], Scores]:
    """Truth of 400 rows, a quarter of them positive, and calibrated probabilities that tell them well apart."""
    generator = np.random.default_rng(3)
    probability = np.where(np.arange(ROWS) % 4 == 0, 0.9, 0.05)
    truth = np.where(generator.random(ROWS) < probability, "Yes", "No").astype(object)
    return truth, scores_of(np.clip(probability + generator.normal(0.0, 0.02, ROWS), 0.0, 1.0))


def evidence_of(plan: TrainingPlan, truth: np.ndarray[Any, Any], answered: Scores, **more: Any) -> Evidence:
    evidence = Evidence(
        truth=truth,
        answered=answered,
        columns={
            "contract": categories(["Two year", "One year"] * (ROWS // 2)),
            "female": categories([number // 8 % 2 for number in range(ROWS)]),
        },
        measured=evaluate(plan, truth, answered).scores,
        onnx_bytes=MIB // 2,
        answer_one_row=lambda: None,
        rival=NOBODY,
    )
    return replace(evidence, **more)


def row_of(report: GateReport, kind: GateKind) -> GateRow:
    [row] = [row for row in report.rows if row.kind is kind]
    return row


def test_a_good_model_keeps_every_gate(plan: TrainingPlan) -> None:
    report = judge(plan, evidence_of(plan, *a_good_model()))
    assert [row.line for row in report.refused] == []
    assert {row.kind for row in report.rows} == set(GateKind)
    report.require_kept()


@pytest.mark.parametrize("probability", [0.0, 0.25])
def test_an_all_negative_model_keeps_no_gate_that_asks_for_quality(plan: TrainingPlan, probability: float) -> None:
    """What it keeps, calibration, latency and size, is never enough: see test_gate_constant.py."""
    truth, _ = a_good_model()
    report = judge(plan, evidence_of(plan, truth, scores_of(np.full(ROWS, probability))))
    assert {row.kind for row in report.refused} >= {
        GateKind.FLOOR,
        GateKind.WORST_SLICE,
        GateKind.DISPARATE_IMPACT,
        GateKind.BUSINESS_VALUE,
    }
    assert all(not row.kept for row in report.rows if row.kind is GateKind.FLOOR)


def test_an_all_negative_model_is_worse_than_a_good_champion(plan: TrainingPlan) -> None:
    truth, good = a_good_model()
    evidence = evidence_of(plan, truth, scores_of(np.zeros(ROWS)), rival=Rival("churn@1.0.0 (production)", good))
    row = row_of(judge(plan, evidence), GateKind.CHAMPION)
    assert not row.kept
    assert row.value is not None
    assert row.value < -0.3
    assert "against churn@1.0.0 (production) on the same 400 held-out rows (95% interval -0.4" in row.sentence


def test_a_model_is_no_worse_than_its_equal(plan: TrainingPlan) -> None:
    truth, good = a_good_model()
    row = row_of(judge(plan, evidence_of(plan, truth, good, rival=Rival("its twin", good))), GateKind.CHAMPION)
    assert row.kept
    assert row.interval is not None
    assert (row.value, row.interval.low, row.interval.high) == (0.0, 0.0, 0.0)


def test_a_model_that_may_be_worse_by_more_than_the_margin_is_refused(tmp_path: Path) -> None:
    """Not shown to be worse is not shown to be no worse: few rows leave the lower end far below."""
    truth, good = a_good_model()
    noise = np.random.default_rng(5).normal(0.0, 0.3, ROWS)
    assert good.probabilities is not None
    other = Rival("another", scores_of(np.clip(good.probabilities[:, 1] + noise, 0.0, 1.0)))
    for margin, kept in ((0.001, False), (0.5, True)):
        plan = plan_with(tmp_path, champion={"margin": margin})
        one = evidence_of(plan, truth, other.answered or good, rival=Rival("the good one", good))
        assert row_of(judge(plan, one), GateKind.CHAMPION).kept is kept


def test_the_note_on_the_champion_is_shown(plan: TrainingPlan) -> None:
    truth, good = a_good_model()
    rival = Rival("churn@1.0.0", good, "it may have seen some of these rows")
    assert row_of(judge(plan, evidence_of(plan, truth, good, rival=rival)), GateKind.CHAMPION).sentence.endswith(
        "; it may have seen some of these rows"
    )


def test_the_worst_category_is_named_with_its_rows_and_interval(plan: TrainingPlan) -> None:
    truth, good = a_good_model()
    assert good.probabilities is not None
    probability = good.probabilities[:, 1].copy()
    # One year: what the model knew of every other row is thrown away.
    probability[1::2] = np.random.default_rng(8).random(ROWS // 2)
    report = judge(plan, evidence_of(plan, truth, scores_of(probability)))
    row = row_of(report, GateKind.WORST_SLICE)
    assert not row.kept
    assert "for contract = 'One year', 200 rows (95% interval" in row.sentence
    assert row.interval is not None
    assert row.value is not None
    assert row.interval.low < row.value < row.interval.high
    assert [(one.column, one.value, one.rows) for one in report.slices] == [
        ("contract", "One year", 200),
        ("contract", "Two year", 200),
        ("female", "0", 200),
        ("female", "1", 200),
    ]
    assert report.slices[0].metrics["roc_auc"] == row.value


def test_categories_of_few_rows_are_not_judged_and_nothing_judged_is_nothing_kept(tmp_path: Path) -> None:
    plan = plan_with(
        tmp_path,
        worst_slice={"columns": ["contract"], "at_least": 0.1, "rows_at_least": 201},
        disparate_impact={"column": "female", "favourable": "Yes", "rows_at_least": 201},
    )
    report = judge(plan, evidence_of(plan, *a_good_model()))
    worst, impact = row_of(report, GateKind.WORST_SLICE), row_of(report, GateKind.DISPARATE_IMPACT)
    assert not worst.kept
    assert worst.sentence == "no category of contract has 201 held-out rows with a roc_auc"
    assert not impact.kept
    assert impact.sentence == "fewer than two categories of female have 201 held-out rows"


def test_unequal_shares_of_the_favourable_answer_are_refused(plan: TrainingPlan) -> None:
    """Of 200 each, 100 are favoured among 0 and 50 among 1: half as many."""
    truth, _ = a_good_model()
    female = np.array([number // 8 % 2 for number in range(ROWS)])
    order = np.cumsum(female == 1) * (female == 1) + np.cumsum(female == 0) * (female == 0)
    favoured = order <= np.where(female == 1, 50, 100)
    row = row_of(judge(plan, evidence_of(plan, truth, scores_of(favoured.astype(float)))), GateKind.DISPARATE_IMPACT)
    assert not row.kept
    assert row.value == 0.5
    assert "'Yes' is answered to 0.2500 of female = '1' and to 0.5000 of female = '0'" in row.sentence
    assert row.interval is not None
    assert 0.3 < row.interval.low < 0.5 < row.interval.high < 0.8


def test_the_value_is_that_of_the_confusion_matrix(plan: TrainingPlan) -> None:
    """100 positives, of which 60 are called; 300 negatives, of which 30 are: 60 * 80 - 30 * 20 = 4200, by 400 rows."""
    truth = np.array(["Yes"] * 100 + ["No"] * 300, dtype=object)
    called = np.r_[np.ones(60), np.zeros(40), np.ones(30), np.zeros(270)]
    row = row_of(judge(plan, evidence_of(plan, truth, scores_of(called))), GateKind.BUSINESS_VALUE)
    assert row.value == 10.5
    assert not row.kept
    assert "always answering 'Yes' is worth 5.0000" in row.sentence


def test_a_slow_or_large_model_is_refused(tmp_path: Path) -> None:
    plan = plan_with(tmp_path, latency={"at_most_ms": 1e-9}, size={"at_most_mib": 0.4})
    report = judge(plan, evidence_of(plan, *a_good_model(), answer_one_row=lambda: sum(range(100))))
    assert [row.kind for row in report.refused] == [GateKind.LATENCY, GateKind.SIZE]


def test_a_limit_that_is_met_exactly_is_kept(tmp_path: Path) -> None:
    plan = plan_with(tmp_path, size={"at_most_mib": 0.5}, business_value=GATES["business_value"] | {"at_least": 10.5})
    truth = np.array(["Yes"] * 100 + ["No"] * 300, dtype=object)
    called = np.r_[np.ones(60), np.zeros(40), np.ones(30), np.zeros(270)]
    report = judge(plan, evidence_of(plan, truth, scores_of(called)))
    assert row_of(report, GateKind.SIZE).kept
    assert row_of(report, GateKind.BUSINESS_VALUE).kept


def test_a_refusal_names_every_gate_that_said_no(tmp_path: Path) -> None:
    plan = plan_with(tmp_path, {"roc_auc": 0.999, "brier_score": 0.001}, size={"at_most_mib": 0.1})
    with pytest.raises(GateRefused, match="3 of 8 gates say no") as refused:
        judge(plan, evidence_of(plan, *a_good_model())).require_kept()
    assert refused.value.kind == "threshold"
    assert [problem.pointer for problem in refused.value.problems] == ["roc_auc", "brier_score", "size_mib"]
    assert "; the threshold is at least 0.999" in str(refused.value)


@pytest.mark.parametrize("answer", [lambda: None, lambda: sum(range(2000))], ids=["fast", "slow"])
def test_what_files_hold_does_not_depend_on_the_champion_or_the_clock(
    plan: TrainingPlan, answer: Callable[[], object]
) -> None:
    truth, good = a_good_model()
    one = judge(plan, evidence_of(plan, truth, good)).document()
    other = evidence_of(plan, truth, good, rival=Rival("churn@1.0.0", scores_of(np.zeros(ROWS))), answer_one_row=answer)
    assert judge(plan, other).document() == one
    rows = {row["kind"]: row for row in one}
    assert rows["champion"]["kept"] is rows["champion"]["value"] is rows["champion"]["interval"] is None
    assert rows["champion"]["explanation"] == (
        "at most 0.01 worse than churn@production: decided when it was published, and recorded in the manifest"
    )
    assert rows["latency"]["kept"] is True
    assert rows["latency"]["explanation"] == "the median of 200 answers to one row was within 1000 ms"


def test_the_manifest_records_the_champion_and_no_measured_time(plan: TrainingPlan) -> None:
    truth, good = a_good_model()
    report = judge(plan, evidence_of(plan, truth, good, rival=Rival("its twin", good)))
    rows = {row["kind"]: row for row in report.record()}
    assert (rows["champion"]["value"], rows["champion"]["interval"]) == (0.0, {"low": 0.0, "high": 0.0})
    assert rows["latency"]["value"] is None
    assert report.thresholds() == {
        "roc_auc": 0.8,
        "f1": 0.5,
        "expected_calibration_error": 0.1,
        "champion_roc_auc_difference": -0.01,
        "worst_slice_roc_auc": 0.7,
        "disparate_impact": 0.8,
        "business_value": 12,
    }
    assert report.metrics().keys() == report.thresholds().keys()


def test_nothing_that_was_not_measured_is_stated_as_a_metric(plan: TrainingPlan) -> None:
    report = judge(plan, evidence_of(plan, *a_good_model()))
    assert "champion_roc_auc_difference" not in report.metrics()
    assert "champion_roc_auc_difference" not in report.thresholds()


def test_the_columns_that_gates_name_are_each_named_once(plan: TrainingPlan, tmp_path: Path) -> None:
    assert named_columns(plan) == ("contract", "female")
    both = plan_with(tmp_path, worst_slice={"columns": ["female"], "at_least": 0.7})
    assert named_columns(both) == ("female",)
    none = plan_with(tmp_path, worst_slice=None, disparate_impact=None)
    assert named_columns(none) == ()
