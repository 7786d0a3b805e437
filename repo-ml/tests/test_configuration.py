from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conftest import REPOSITORY, small_csv, small_document, write_project

from edustream_contracts.errors import InvalidInput
from edustream_ml.configuration import load_plan


def mistakes(tmp_path: Path, document: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(InvalidInput) as refused:
        load_plan(write_project(tmp_path, document, small_csv()))
    assert refused.value.kind == "configuration"
    return {problem.pointer: problem.message for problem in refused.value.problems}


def test_the_shipped_configuration_is_valid() -> None:
    plan = load_plan(REPOSITORY / "configs" / "churn.yaml")
    assert plan.classes == ("No", "Yes")
    assert plan.data_path.is_file()
    assert plan.configuration.thresholds["cross_validation_roc_auc"] == 0.847


def test_three_mistakes_are_reported_at_once_with_their_paths(tmp_path: Path) -> None:
    document = small_document()
    document["cross_validation"]["folds"] = 1
    document["features"]["ratios"][0]["numerator"] = "turnover"
    document["epochs"] = 3
    found = mistakes(tmp_path, document)
    assert set(found) == {"cross_validation.folds", "features.ratios.0.numerator", "epochs"}
    assert "(given: 1)" in found["cross_validation.folds"]
    assert "'turnover'" in found["features.ratios.0.numerator"]


def test_a_key_that_occurs_twice_is_a_mistake(tmp_path: Path) -> None:
    path = write_project(tmp_path, small_document(), small_csv())
    path.write_text(path.read_text() + "seed: 43\n")
    with pytest.raises(InvalidInput) as refused:
        load_plan(path)
    assert "the key 'seed' occurs twice" in refused.value.problems[0].message


@pytest.mark.parametrize("day", ["2019-13-01", "2019-02-30"])
def test_a_day_that_no_calendar_has_is_named_with_its_line(tmp_path: Path, day: str) -> None:
    path = write_project(tmp_path, small_document(), small_csv())
    lines = path.read_text().count("\n")
    path.write_text(f"{path.read_text()}since: {day}\n")
    with pytest.raises(InvalidInput) as refused:
        load_plan(path)
    (problem,) = refused.value.problems
    assert f"{day} is no day" in problem.message
    assert f"line {lines + 1}" in problem.message


@pytest.mark.parametrize(
    ("path", "value", "pointer"),
    [
        (("model",), "sales", "model"),
        (("target", "column"), "tenure", "target.column"),
        (("target", "positive"), "No", "target.positive"),
        (("dropped_columns",), {"tenure": "too hard"}, "dropped_columns"),
        (("features", "missing_values"), {"contract": 0}, "features.missing_values.contract"),
        (("features", "counts", 0, "of"), {"tenure": [1]}, "features.counts.0.of"),
        (("features", "counts", 0, "of"), {"contract": ["Weekly"]}, "features.counts.0.of"),
        (("features", "counts", 0, "of"), {"colour": ["red"]}, "features.counts.0.of.colour"),
        (("features", "counts", 0, "name"), "charges_per_month_of_tenure", "features"),
        (("candidates",), [{"estimator": "random_forest"}] * 2, "candidates"),
        (("candidates",), [{"estimator": "oracle"}], "candidates.0"),
        (("candidates",), [], "candidates"),
        (("thresholds",), {"accuracy": 0.9}, "thresholds.accuracy"),
        (("thresholds",), {"roc_auc": 84.7}, "thresholds"),
        (("thresholds",), {"roc_auc": 0.8, "brier_score": -1}, "thresholds"),
        (("thresholds",), {"roc_auc": float("nan")}, "thresholds.roc_auc"),
        (("features", "ratios", 0, "denominator_at_least"), 1e-38, "features.ratios.0"),
        (("data", "sha256"), "abc", "data.sha256"),
    ],
)
def test_a_mistake_is_named_by_its_path(tmp_path: Path, path: tuple[Any, ...], value: Any, pointer: str) -> None:
    document = small_document()
    part = document
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    assert list(mistakes(tmp_path, document)) == [pointer]


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "model: [", "\tx: 1"])
def test_what_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InvalidInput, match=r"broken\.yaml has 1 mistake"):
        load_plan(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"nowhere\.yaml cannot be read"):
        load_plan(tmp_path / "nowhere.yaml")
