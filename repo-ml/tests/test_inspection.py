from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from conftest import REPOSITORY

from edustream_contracts.contract import ModelContract, contract_from
from edustream_ml.configuration import TrainingPlan, load_plan
from edustream_ml.evaluation import evaluate, regression_scores
from edustream_ml.gates.bootstrap import interval
from edustream_ml.gates.comparison import drawing_groups, resampling
from edustream_ml.inspection.curves import POINTS, class_curves, thinned
from edustream_ml.inspection.importance import column_importance
from edustream_ml.inspection.intervals import LEAST_RESAMPLES, bootstrap
from edustream_ml.inspection.partial_dependence import MOST_ROWS, MOST_VALUES, partial_dependence
from edustream_ml.inspection.residuals import residuals
from edustream_ml.inspection.statistics import average_precision, median, statistics
from edustream_ml.scores import Labels, Scores
from edustream_ml.tasks import METRICS
from edustream_ml.tensors import Tensors
from edustream_ml.training import Training

ROWS = 200


def plan_of(model: str) -> TrainingPlan:
    return load_plan(REPOSITORY / "configs" / f"{model}.yaml")


def answers_of(plan: TrainingPlan, seed: int = 3) -> tuple[Labels, Scores]:
    """A truth, and answers that are better than chance, with ties among their probabilities."""
    generator = np.random.default_rng(seed)
    if not plan.task.is_classification:
        truth = np.exp(generator.normal(12.0, 0.4, ROWS))
        return truth, Scores(truth * np.exp(generator.normal(0.0, 0.2, ROWS)))
    classes = np.array(plan.classes, dtype=object)
    codes = generator.integers(len(classes), size=ROWS)
    weights = np.round(generator.random((ROWS, len(classes))), 1) + 0.8 * np.eye(len(classes))[codes] + 0.05
    probabilities = weights / weights.sum(axis=1, keepdims=True)
    return classes[codes], Scores(classes[probabilities.argmax(axis=1)], probabilities)


@pytest.mark.parametrize("model", ["churn", "plans", "housing"])
def test_a_statistic_of_counted_rows_is_the_metric_of_a_table_that_repeats_them(model: str) -> None:
    plan = plan_of(model)
    truth, answered = answers_of(plan)
    found = statistics(plan, truth, answered)
    assert found.keys() == set(METRICS[plan.task])
    generator = np.random.default_rng(5)
    for counts in (np.ones(ROWS, dtype=np.int64), np.bincount(generator.integers(ROWS, size=ROWS), minlength=ROWS)):
        index = np.repeat(np.arange(ROWS), counts)
        probabilities = None if answered.probabilities is None else answered.probabilities[index]
        expected = evaluate(plan, truth[index], Scores(answered.labels[index], probabilities)).scores
        for name, statistic in found.items():
            assert statistic(counts) == pytest.approx(expected[name], rel=1e-6, abs=2e-6), name


def test_the_interval_of_a_metric_is_the_one_that_a_gate_would_be_judged_by() -> None:
    plan = plan_of("churn")
    truth, answered = answers_of(plan)
    found = statistics(plan, truth, answered)
    told = bootstrap(plan, found, truth)
    assert (told.percent, told.resamples) == (95.0, plan.configuration.gates.resamples)
    for name in ("roc_auc", "expected_calibration_error"):
        judged = interval(found[name], drawing_groups(plan, truth, np.arange(ROWS)), ROWS, resampling(plan))
        assert judged is not None
        assert told.intervals[name].low == pytest.approx(judged.low, abs=1e-6)
        assert told.intervals[name].high == pytest.approx(judged.high, abs=1e-6)


def test_an_interval_of_a_mean_is_that_of_the_normal_distribution() -> None:
    values = np.random.default_rng(1).normal(5.0, 2.0, 2000)
    found = bootstrap(plan_of("housing"), {"mean": lambda counts: float(counts @ values / counts.sum())}, values)
    expected = 1.96 * values.std() / len(values) ** 0.5
    assert values.mean() - found.intervals["mean"].low == pytest.approx(expected, rel=0.1)
    assert found.intervals["mean"].high - values.mean() == pytest.approx(expected, rel=0.1)


def test_many_rows_need_fewer_resamples() -> None:
    found = bootstrap(plan_of("housing"), {"rows": lambda counts: float(counts.sum())}, np.zeros(200_000))
    assert found.resamples == LEAST_RESAMPLES


def test_a_metric_that_some_resample_leaves_undefined_has_no_interval() -> None:
    found = {"mostly": lambda counts: 1.0 if counts[0] != 2 else float("nan")}
    assert bootstrap(plan_of("housing"), found, np.zeros(10)).intervals == {}


def test_a_truth_of_0_has_the_same_percentage_error_in_the_metric_and_in_its_interval() -> None:
    plan = plan_of("housing")
    target = plan.configuration.target.model_copy(update={"scale": "linear"})
    plan = replace(plan, configuration=plan.configuration.model_copy(update={"target": target}))
    truth, answered = np.zeros(9), Scores(np.full(9, 1e-3))
    found = statistics(plan, truth, answered)["median_absolute_percentage_error"](np.ones(9, dtype=np.int64))
    assert found == regression_scores(truth, answered.labels, log=False)["median_absolute_percentage_error"]


def test_without_a_positive_there_is_no_average_precision() -> None:
    statistic = average_precision(np.zeros(3, dtype=np.bool_), np.array([0.1, 0.2, 0.3]))
    assert np.isnan(statistic(np.ones(3, dtype=np.int64)))


def test_the_median_of_an_even_number_of_rows_is_between_the_two_in_the_middle() -> None:
    assert median(np.array([4.0, 1.0, 3.0, 2.0]))(np.ones(4, dtype=np.int64)) == 2.5
    assert median(np.array([4.0, 1.0, 3.0, 2.0]))(np.array([0, 1, 0, 2])) == 2.0


def test_a_thinned_line_keeps_its_ends_and_its_area() -> None:
    x = np.linspace(0.0, 1.0, 5000)
    line = thinned(x, np.sqrt(x))
    assert len(line.x) == len(line.y) <= POINTS
    assert (line.x[0], line.y[0], line.x[-1], line.y[-1]) == (0.0, 0.0, 1.0, 1.0)
    assert np.trapezoid(line.y, line.x) == pytest.approx(2 / 3, abs=1e-3)
    assert thinned(np.array([0.0, 1.0]), np.array([1.0, 1.0])).x == (0.0, 1.0)


def test_curves_are_those_of_each_class_that_some_but_not_all_rows_have() -> None:
    plan = plan_of("plans")
    truth, answered = answers_of(plan)
    assert answered.probabilities is not None
    found = class_curves(truth, answered.probabilities, plan.classes, bins=10)
    assert [curve.name for curve in found] == list(plan.classes)
    assert sum(curve.rows for curve in found) == ROWS
    for curve in found:
        area = np.trapezoid(curve.roc.y, curve.roc.x)
        assert area == pytest.approx(curve.roc_auc, abs=0.01)
        assert sum(bin_.rows for bin_ in curve.calibration) == ROWS
    only = np.full(ROWS, plan.classes[0], dtype=object)
    assert class_curves(only, answered.probabilities, plan.classes, bins=10) == ()


def test_residuals_are_told_by_prediction_and_lose_no_row() -> None:
    predicted = np.arange(100.0)
    found = residuals(predicted + np.where(predicted < 50, 1.0, -3.0), predicted)
    assert [band.rows for band in found.bands] == [10] * 10
    assert (found.bands[0].q50, found.bands[-1].q50) == (1.0, -3.0)
    assert found.bands[0].mean_predicted == 4.5
    assert found.bands[0].mean_observed == 5.5
    assert found.mean == -1.0
    assert sum(found.counts) + found.below + found.above == 100
    assert len(found.edges) == len(found.counts) + 1


def test_residuals_of_a_perfect_model_are_nothing() -> None:
    found = residuals(np.arange(3.0), np.arange(3.0))
    assert sum(found.counts) == 3
    assert [band.rows for band in found.bands] == [1, 1, 1]


@pytest.fixture
def contract(small_plan: TrainingPlan) -> ModelContract:
    document = {**small_plan.contract.document}
    document["input"] = {
        **document["input"],
        "properties": {
            "size": {"type": ["number", "null"], "title": "Size", "description": "How large"},
            "colour": {"type": "string", "title": "Colour", "description": "Which", "enum": ["red", "green", "blue"]},
        },
        "required": ["size", "colour"],
        "examples": [{"size": 1.0, "colour": "red"}],
    }
    return contract_from(document)


@pytest.fixture
def rows(contract: ModelContract) -> Tensors:
    size = np.arange(500, dtype=np.float32)[:, np.newaxis].copy()
    size[7] = np.nan
    colour = np.array(["green", "red"] * 250, dtype=object)[:, np.newaxis]
    return Tensors(contract, size, colour)


def linear(asked: Tensors) -> Any:
    """2 x size, where a null counts as 0, and 10 for green."""
    return (2.0 * np.nan_to_num(asked.numeric) + 10.0 * (asked.categorical == "green"))[:, :1]


def test_partial_dependence_on_a_number_is_the_slope_of_a_linear_model(contract: ModelContract, rows: Tensors) -> None:
    found = partial_dependence(rows, contract.inputs[0], linear, ["answer"])
    assert found is not None
    assert len(found.values) == MOST_VALUES
    (effect,) = found.effects
    assert np.diff(effect.mean) == pytest.approx(2.0 * np.diff(np.array(found.values, dtype=float)), rel=1e-4)
    assert [high - low for high, low in zip(effect.high, effect.low, strict=True)] == pytest.approx(
        [10.0] * MOST_VALUES
    )


def test_partial_dependence_asks_for_numbers_that_occur(contract: ModelContract, rows: Tensors) -> None:
    rows.numeric[:, 0] = np.repeat(np.arange(100, dtype=np.float32) * 3, 5)
    found = partial_dependence(rows, contract.inputs[0], linear, ["answer"])
    assert found is not None
    assert len(found.values) == MOST_VALUES
    assert all(float(value) % 3 == 0 for value in found.values)


def test_partial_dependence_on_a_category_asks_for_those_that_occur(contract: ModelContract, rows: Tensors) -> None:
    asked: list[int] = []

    def counted(tensors: Tensors) -> Any:
        asked.append(len(tensors.numeric))
        return linear(tensors)

    found = partial_dependence(rows, contract.inputs[1], counted, ["answer"])
    assert found is not None
    assert found.values == ("red", "green")
    assert found.effects[0].mean[1] - found.effects[0].mean[0] == pytest.approx(10.0)
    assert asked == [2 * MOST_ROWS]


def test_a_column_with_one_value_or_none_has_no_partial_dependence(contract: ModelContract) -> None:
    for value in (3.0, np.nan):
        rows = Tensors(contract, np.full((5, 1), value, np.float32), np.full((5, 1), "red", dtype=object))
        assert [partial_dependence(rows, field, linear, ["answer"]) for field in contract.inputs] == [None, None]


def test_shuffling_hurts_by_the_column_that_the_answers_depend_on(small_training: Training) -> None:
    plan = small_training.plan
    held_out = Tensors.of_columns(small_training.split.held_out.columns, plan.contract)
    tenure = plan.contract.numeric.index("tenure")
    truth = np.where(held_out.numeric[:, tenure] < 12, "Yes", "No").astype(object)

    def by_tenure(asked: Tensors) -> Scores:
        positive = 1.0 / (1.0 + asked.numeric[:, tenure])
        return Scores(np.full(len(positive), "No", dtype=object), np.column_stack([1 - positive, positive]))

    found = column_importance(plan, by_tenure, held_out, truth)
    assert {one.column for one in found} == {field.name for field in plan.contract.inputs}
    assert found[0].column == "tenure"
    assert found[0].mean == pytest.approx(0.5, abs=0.1)
    assert found[0].std > 0
    assert all((one.mean, one.std) == (0.0, 0.0) for one in found[1:])


def test_an_inspection_has_an_interval_for_every_metric_around_its_value(small_training: Training) -> None:
    intervals = small_training.inspection.bootstrap.intervals
    assert intervals.keys() == small_training.evaluation.scores.keys()
    for name, ends in intervals.items():
        assert ends.low <= small_training.evaluation.scores[name] <= ends.high, name
