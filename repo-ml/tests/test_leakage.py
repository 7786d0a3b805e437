from __future__ import annotations

import json
import shutil
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import REPOSITORY, small_csv, small_document, write_project

from edustream_contracts import resources
from edustream_contracts.canonical import sha256_hex
from edustream_contracts.contract import load_contract
from edustream_contracts.errors import InvalidInput
from edustream_contracts.exit_codes import USAGE
from edustream_ml import cli
from edustream_ml.configuration import TrainingPlan, load_plan
from edustream_ml.dataset import load_dataset
from edustream_ml.leakage.check import LIMITS, LeakageReport, check_leakage
from edustream_ml.leakage.repeated_columns import repeated_columns
from edustream_ml.leakage.single_columns import single_columns
from edustream_ml.selection import split
from edustream_ml.tasks import Task

MOBILE = pd.read_csv(REPOSITORY / "data" / "mobile_plans.csv")


def looked_at(plan: TrainingPlan) -> LeakageReport:
    return check_leakage(split(load_dataset(plan), plan).training, plan)


def mobile_plan(folder: Path, monkeypatch: pytest.MonkeyPatch, accepted: dict[str, str] | None = None) -> TrainingPlan:
    """The shipped configuration, with a contract of its own that takes every numeric column of the file."""
    document = yaml.safe_load((REPOSITORY / "configs" / "mobile-plans.yaml").read_text(encoding="utf-8"))
    document["leakage"] = {"accepted": accepted or {}}
    contract = dict(load_contract("mobile-plans").document)
    fields = dict(contract["input"]["properties"])
    example = dict(contract["input"]["examples"][0])
    for name in [name for name in document["dropped_columns"] if MOBILE[name].dtype.kind in "fi"]:
        del document["dropped_columns"][name]
        fields[name] = {"type": "number", "minimum": 0, "maximum": 1000, "title": name, "description": name}
        example[name] = 1
    contract["input"] = {**contract["input"], "properties": fields, "examples": [example]}
    path = resources_of(folder, monkeypatch) / "models" / "mobile-plans" / "contract.json"
    path.write_text(json.dumps(contract), encoding="utf-8")
    configuration = folder / "configs" / "mobile-plans.yaml"
    configuration.parent.mkdir()
    document["data"]["path"] = str(REPOSITORY / "data" / "mobile_plans.csv")
    configuration.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    return load_plan(configuration)


def resources_of(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Another copy of the contracts, which this process reads from now on."""
    documents = folder / "documents"
    shutil.copytree(Path(str(resources.documents())), documents)
    monkeypatch.setattr(resources, "PACKAGED", documents)
    return documents


def scores(column: Any, labels: Any, classifies: bool = True) -> float:
    return single_columns(pd.DataFrame({"planted": column}), labels, classifies, seed=1)[0].score


@pytest.mark.parametrize("name", ["churn", "plans", "housing"])
def test_no_false_alarm_on_real_data(name: str) -> None:
    report = looked_at(load_plan(REPOSITORY / "configs" / f"{name}.yaml"))
    assert report.columns[0].score < report.limit
    assert report.repeated == ()


@pytest.fixture
def labels() -> Any:
    return np.where(np.random.default_rng(3).random(3000) < 0.3, "Yes", "No").astype(object)


def test_a_planted_copy_of_the_target_is_found_with_noise_too(labels: Any) -> None:
    generator = np.random.default_rng(4)
    noise = generator.random(3000) < 0.02
    column = np.where(noise, generator.random(3000) < 0.3, labels == "Yes").astype(np.float32)
    assert scores(column, labels) > LIMITS[Task.BINARY]


def test_a_planted_absence_is_found(labels: Any) -> None:
    column = np.random.default_rng(4).random(3000).astype(np.float32)
    column[labels == "Yes"] = np.nan
    assert scores(column, labels) > LIMITS[Task.BINARY]


def test_a_planted_category_is_found(labels: Any) -> None:
    column = np.where(labels == "Yes", "closed", np.random.default_rng(4).choice(["open", "new"], 3000)).astype(object)
    assert scores(column, labels) > LIMITS[Task.BINARY]


def test_a_date_of_leaving_is_found_though_every_day_is_another(labels: Any) -> None:
    generator = np.random.default_rng(4)
    days = np.where(labels == "Yes", generator.permutation(3000) + 737_000, generator.permutation(3000) + 730_000)
    texts = np.array([date.fromordinal(int(day)).isoformat() for day in days], dtype=object)
    frame = pd.DataFrame({"left": texts})
    assert single_columns(frame, labels, True, seed=1, dates={"left"})[0].score > LIMITS[Task.BINARY]
    frame["left"] = ""
    assert single_columns(frame, labels, True, seed=1, dates={"left"})[0].score < 0.6


def test_a_column_that_is_different_in_every_row_tells_nothing(labels: Any) -> None:
    column = np.array([f"customer {number}" for number in range(3000)], dtype=object)
    assert scores(column, labels) < 0.6


def test_a_price_in_another_currency_is_found() -> None:
    price = np.exp(np.random.default_rng(5).normal(12, 0.4, 2000))
    assert scores((price * 0.92).astype(np.float32), price, classifies=False) > LIMITS[Task.REGRESSION]


def test_a_column_that_separates_two_of_three_classes_is_found_with_their_names() -> None:
    generator = np.random.default_rng(6)
    classes = generator.choice(["a", "b", "c"], 3000).astype(object)
    column = generator.random(3000).astype(np.float32) + (classes == "b")
    single = single_columns(pd.DataFrame({"planted": column}), classes, True, seed=1)[0]
    assert single.score > LIMITS[Task.MULTICLASS]
    assert "b" in single.between


def test_charges_that_are_a_fixed_multiple_of_their_minutes_are_found() -> None:
    numbers = MOBILE.select_dtypes("number")
    found = repeated_columns(numbers.to_numpy(dtype=np.float64), list(numbers.columns))
    assert {(pair.of, pair.column, round(pair.slope, 3)) for pair in found} == {
        ("total_day_minutes", "total_day_charge", 0.17),
        ("total_eve_minutes", "total_eve_charge", 0.085),
        ("total_night_minutes", "total_night_charge", 0.045),
        ("total_intl_minutes", "total_intl_charge", 0.27),
    }


def test_a_repetition_is_found_where_values_are_absent_and_an_offset_is_named() -> None:
    numbers = np.arange(100.0)
    matrix = np.stack([numbers, 3 * numbers + 7, np.where(numbers > 50, np.nan, -numbers)], axis=1)
    found = [(pair.of, pair.column, str(pair)) for pair in repeated_columns(matrix, ["a", "b", "c"])]
    assert found[:2] == [("a", "b", "3 times a +7"), ("a", "c", "-1 times a")]


def test_the_leaks_of_the_mobile_plans_are_named_where_they_are_left_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = refused(mobile_plan(tmp_path, monkeypatch))
    assert set(found) == {
        "column number_vmail_messages",
        *(f"column total_{part}_charge" for part in ("day", "eve", "night", "intl")),
    }
    assert "alone tells 'no' from 'yes': roc_auc" in found["column number_vmail_messages"]
    assert "0.17 times total_day_minutes" in found["column total_day_charge"]


def test_an_accepted_column_is_no_suspect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    accepted = {"number_vmail_messages": "is known before", "total_day_minutes": "both are kept"}
    found = refused(mobile_plan(tmp_path, monkeypatch, accepted))
    assert set(found) == {f"column total_{part}_charge" for part in ("eve", "night", "intl")}


def test_a_leak_ends_the_run_before_any_training(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = small_document()
    lines = small_csv().splitlines()
    header = lines[0].split(",")
    target, leaking = header.index("churn"), header.index("paperless_billing")
    rows = [line.split(",") for line in lines[1:]]
    for row in rows:
        row[leaking] = "1" if row[target] == "Yes" else "0"
    csv = "\n".join([lines[0], *(",".join(row) for row in rows)]) + "\n"
    document["data"]["sha256"] = sha256_hex(csv.encode())
    path = write_project(repository, document, csv)
    assert cli.main(["--dry-run", "--config", str(path)], {}, repository) == USAGE
    said = capsys.readouterr()
    assert "column paperless_billing: alone tells 'No' from 'Yes': roc_auc 1.0000" in said.err
    assert "Comparing the candidates" not in said.out
    assert not (repository / "releases").exists()


def refused(plan: TrainingPlan) -> dict[str, str]:
    with pytest.raises(InvalidInput, match="leaks") as error:
        looked_at(plan)
    assert error.value.kind == "data"
    return {problem.pointer: problem.message for problem in error.value.problems}
