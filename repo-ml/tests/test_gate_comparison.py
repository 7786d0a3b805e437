"""The model against another one, for each kind of question."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import REPOSITORY
from sklearn.metrics import f1_score, r2_score

from edustream_ml.configuration import TrainingPlan, load_plan
from edustream_ml.gates.bootstrap import Resampling, everything
from edustream_ml.gates.comparison import compare, drawing_groups, selection_statistic
from edustream_ml.scores import Scores

HOW = Resampling(resamples=200, confidence=0.95, seed=1)
ROWS = 300


def plan_of(name: str) -> TrainingPlan:
    return load_plan(Path(REPOSITORY / "configs" / f"{name}.yaml"))


def test_several_classes_are_compared_by_macro_f1() -> None:
    plan = plan_of("plans")
    generator = np.random.default_rng(1)
    truth = generator.choice(np.array(plan.classes, dtype=object), ROWS)
    good = Scores(np.where(generator.random(ROWS) < 0.9, truth, plan.classes[0]).astype(object))
    poor = Scores(np.full(ROWS, plan.classes[0], dtype=object))
    found = compare(plan, truth, good, poor, HOW)
    expected = [f1_score(truth.astype(str), one.labels.astype(str), average="macro") for one in (good, poor)]
    assert found.metric == "macro_f1"
    assert found.value == pytest.approx(expected[0] - expected[1])
    assert found.interval is not None
    assert 0.4 < found.interval.low < found.value < found.interval.high < 1.0
    assert {len(group) for group in drawing_groups(plan, truth, np.arange(ROWS))} == {
        int((truth == name).sum()) for name in plan.classes
    }


def test_numbers_are_compared_by_r2_on_the_scale_that_is_learned() -> None:
    plan = plan_of("housing")
    generator = np.random.default_rng(2)
    truth = np.exp(generator.normal(12.0, 0.4, ROWS))
    good, poor = (Scores(truth * np.exp(generator.normal(0.0, noise, ROWS))) for noise in (0.1, 0.2))
    found = compare(plan, truth, good, poor, HOW)
    expected = [r2_score(np.log(truth), np.log(one.labels)) for one in (good, poor)]
    assert found.value == pytest.approx(expected[0] - expected[1])
    assert found.interval is not None
    assert 0.0 < found.interval.low < found.value < found.interval.high
    [group] = drawing_groups(plan, truth, np.arange(ROWS))
    assert len(group) == ROWS


def test_a_rival_of_another_scale_that_answers_no_price_is_worse_than_any() -> None:
    plan = plan_of("housing")
    truth = np.array([100_000.0, 200_000.0, 300_000.0])
    statistic = selection_statistic(plan, truth, Scores(np.array([-5.0, 200_000.0, 300_000.0])))
    assert statistic(everything(3)) < -1e5
