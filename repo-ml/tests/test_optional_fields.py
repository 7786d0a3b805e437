"""Optional fields of a contract: absent from a cell, a row, or the whole file, and answered all the same."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path

import pytest
from conftest import REPOSITORY, small_csv, small_document, write_project
from rich.console import Console

from edustream_contracts import resources
from edustream_contracts.canonical import sha256_hex
from edustream_contracts.errors import InvalidInput
from edustream_ml.configuration import TrainingPlan, load_plan
from edustream_ml.dataset import load_dataset
from edustream_ml.progress import ProgressReport
from edustream_ml.release import write_release
from edustream_ml.scores import answers
from edustream_ml.tensors import Tensors
from edustream_ml.workflow import train
from edustream_registry.inference.session import Inference

OPTIONAL = {
    "bonus": {"type": "number", "minimum": 0, "maximum": 10, "description": "a bonus"},
    "region": {"type": "string", "enum": ["North", "South"], "description": "where"},
    "loyal": {"type": "boolean", "description": "whether loyal"},
    "joined": {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$", "description": "the day of joining"},
}


def optional_csv(*, bonus: str = "2.5") -> str:
    """The small data set with the columns `bonus` and `loyal`, empty in every other row, and without the two others."""
    header, *rows = list(csv.reader(io.StringIO(small_csv())))[:301]
    sink = io.StringIO()
    writer = csv.writer(sink, lineterminator="\n")
    writer.writerow([*header, "bonus", "loyal"])
    writer.writerows([*row, *((bonus, "true") if number % 2 else ("", ""))] for number, row in enumerate(rows))
    return sink.getvalue()


@pytest.fixture
def wider_contract(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The churn contract that this process reads, with four optional fields."""
    documents = tmp_path / "documents"
    shutil.copytree(Path(str(resources.documents())), documents)
    path = documents / "models" / "churn" / "contract.json"
    document = json.loads(path.read_bytes())
    document["input"]["properties"] |= OPTIONAL
    path.write_text(json.dumps(document), encoding="utf-8")
    monkeypatch.setattr(resources, "PACKAGED", documents)


def plan_on(folder: Path, text: str) -> TrainingPlan:
    document = small_document()
    document["candidates"] = [{"estimator": "logistic_regression"}]
    document["features"]["dates"] = [{"column": "joined", "parts": ["year"]}]
    document["data"]["sha256"] = sha256_hex(text.encode())
    return load_plan(write_project(folder, document, text))


@pytest.mark.usefixtures("wider_contract")
def test_what_is_absent_is_trained_on_and_answered_as_absent(tmp_path: Path) -> None:
    console = Console(record=True, width=200, file=io.StringIO())
    report = ProgressReport(console, 8)
    training = train(plan_on(tmp_path, optional_csv()), report)
    said = console.export_text()
    for name in ("region", "joined"):
        assert f"column {name} has no value in any row: nothing can be learned from it" in said
    assert training.parity.rows == len(training.dataset) == 300

    without, with_bonus = training.dataset.rows[:2]
    assert OPTIONAL.keys().isdisjoint(without)
    assert with_bonus["bonus"] == 2.5
    assert with_bonus["loyal"] is True

    content = write_release(training, tmp_path / "release", REPOSITORY)
    golden = json.loads((tmp_path / "release" / "golden.json").read_bytes())
    asked = [row["input"] for row in golden["rows"]]
    assert any("bonus" in row for row in asked)
    assert any("bonus" not in row for row in asked)
    profile = json.loads((tmp_path / "release" / "profile.json").read_bytes())
    assert profile["features"]["region"]["missing"] == profile["rows"]

    told = (tmp_path / "release" / "data_card.md").read_text(encoding="utf-8")
    assert "| true or false | true 150 | 150 |" in told
    told = (tmp_path / "release" / "model_card.md").read_text(encoding="utf-8")
    assert "- any other absent number counts as the median of the training rows" in told
    assert "- an absent text is none of the categories\n" in told
    assert "- of an absent date, each part is the median of the training rows" in told

    contract = training.plan.contract
    rows = [*training.dataset.rows[:10], {**with_bonus, "region": "South", "joined": "2024-02-29"}]
    assert all(contract.input_validator.is_valid(row) for row in rows)
    trained = answers(training.pipeline, Tensors.of(rows, contract).frame()).of_class("Yes", ("No", "Yes"))
    answered = Inference(training.onnx, content, contract).answers(rows)
    assert [answer["probability"] for answer in answered] == pytest.approx(trained.tolist(), abs=1e-5)


@pytest.mark.usefixtures("wider_contract")
def test_an_optional_field_that_has_a_value_keeps_to_the_contract(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as refused:
        load_dataset(plan_on(tmp_path, optional_csv(bonus="11")))
    said = {problem.pointer: problem.message for problem in refused.value.problems}
    assert said["column bonus"] == "breaks the contract 150 times"
    assert said["row 2 (line 3), bonus"].startswith("is 11; a number from 0 to 10 is allowed")
