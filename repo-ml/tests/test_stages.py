from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from conftest import small_document, write_project

from edustream_ml import cli
from edustream_ml.configuration import load_plan
from edustream_ml.dataset import Dataset
from edustream_ml.gates.comparison import Rival
from edustream_ml.scores import Scores
from edustream_ml.stages import command
from edustream_ml.stages.files import StageFiles
from edustream_ml.training import Training
from edustream_ml.workflow import Prepared
from edustream_registry.testing.simulator import RegistrySimulator

ENVIRON = {"REGISTRY_URL": "s3://models"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A producer's folder in which the first three stages have run."""
    folder = tmp_path_factory.mktemp("stages") / "repo-ml"
    write_project(folder)
    for name in ("prepare", "train", "evaluate"):
        assert stage(folder, name) == 0
    return folder


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> RegistrySimulator:
    simulator = RegistrySimulator()
    monkeypatch.setattr(cli, "open_author", lambda settings, who: simulator.author)
    return simulator


def stage(folder: Path, name: str, *arguments: str) -> int:
    return command.main([name, "--config", str(folder / "configs" / "churn.yaml"), *arguments], ENVIRON, folder)


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_stages_make_the_model_that_one_run_makes(folder: Path, small_training: Training) -> None:
    made = folder / "pipeline" / "churn"
    assert (made / "evaluated" / "model.onnx").read_bytes() == small_training.onnx
    assert json.loads((made / "evaluated" / "metrics.json").read_text(encoding="utf-8")) == json.loads(
        json.dumps(small_training.report())
    )
    assert json.loads((made / "metrics.json").read_text())["metrics"] == small_training.metrics
    candidates = json.loads((made / "candidates.json").read_text())
    assert list(candidates) == [score.candidate.label for score in small_training.candidates]
    assert (made / "folds.csv").read_text().splitlines()[0] == "fold,candidate,score"
    assert len((made / "importance.csv").read_text().splitlines()) == len(small_training.plan.contract.inputs) + 1


def test_the_training_stage_never_sees_the_held_out_rows(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def learn(plan: object, training: Dataset, *arguments: object) -> None:
        seen.append(len(training))
        raise KeyboardInterrupt

    monkeypatch.setattr("edustream_ml.stages.stages.learn", learn)
    assert stage(folder, "train") == 130
    assert seen == [480]


def test_publishing_publishes_the_evaluated_files(folder: Path, registry: RegistrySimulator) -> None:
    before = files_of(folder / "pipeline" / "churn" / "evaluated")
    assert stage(folder, "publish") == 0
    published = json.loads((folder / "pipeline" / "churn" / "published.json").read_text())
    manifest = registry.reader.manifest("churn", "1.0.0")
    assert published["release"] == "churn@1.0.0"
    assert published["manifest_sha256"] == manifest.digest
    entry = registry.reader.last_entry("churn", "production")
    assert entry is not None
    assert entry.statement.version == "1.0.0"
    gates = manifest.statement.content.gates
    assert gates is not None
    assert "champion" in {gate.kind for gate in gates}
    assert files_of(folder / "pipeline" / "churn" / "release") == before
    assert files_of(folder / "pipeline" / "churn" / "evaluated") == before


def test_a_model_that_is_worse_than_the_live_one_replaces_nothing(
    folder: Path, registry: RegistrySimulator, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It kept every gate of its own, and was published by the test above when nothing was live."""
    made = folder / "pipeline" / "churn"
    (made / "release" / "model.onnx").write_bytes(b"the last good model")
    good = files_of(made / "release")
    plan = load_plan(folder / "configs" / "churn.yaml")
    truth = StageFiles.of(plan, folder).take("prepared", Prepared, "prepare").split.held_out.labels
    known = np.column_stack([truth == name for name in plan.classes]).astype(np.float32)
    rival = Rival("churn@9.9.9 (production)", Scores(truth, known))
    monkeypatch.setattr("edustream_ml.stages.stages.read_champion", lambda *arguments: rival)

    assert stage(folder, "publish") == 8

    assert "churn@9.9.9 (production)" in " ".join(capsys.readouterr().err.split())
    assert registry.reader.models() == []
    assert files_of(made / "release") == good


def test_parameters_that_name_other_files_are_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parameters = folder / "params.yaml"
    parameters.write_text("model: plans\nconfig: configs/churn.yaml\ndata: data/other.csv\n")
    try:
        assert stage(folder, "prepare") == 2
    finally:
        parameters.unlink()
    error = capsys.readouterr().err
    assert "model: is 'plans'; the configuration trains 'churn'" in error
    assert "data: is 'data/other.csv'" in error


def test_a_folder_that_was_being_replaced_is_put_back(folder: Path) -> None:
    made = folder / "pipeline" / "churn"
    before = files_of(made / "evaluated")
    (made / "evaluated").rename(made / "evaluated.old")
    StageFiles.of(load_plan(folder / "configs" / "churn.yaml"), folder)
    assert files_of(made / "evaluated") == before


def test_a_model_that_was_not_evaluated_is_not_published(
    folder: Path, registry: RegistrySimulator, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edustream_ml.stages.stages.sha256_hex", lambda data: "0" * 64)
    assert stage(folder, "publish") == 2
    assert "is not the one that was evaluated" in " ".join(capsys.readouterr().err.split())
    assert registry.reader.models() == []


def test_files_that_are_not_those_of_the_model_are_not_published(
    folder: Path, registry: RegistrySimulator, capsys: pytest.CaptureFixture[str]
) -> None:
    card = folder / "pipeline" / "churn" / "evaluated" / "model_card.md"
    kept = card.read_bytes()
    card.write_text("the best model ever")
    try:
        assert stage(folder, "publish") == 2
    finally:
        card.write_bytes(kept)
    error = capsys.readouterr().err
    assert "does not hold what was evaluated" in " ".join(error.split())
    assert "model_card.md: was changed" in error
    assert registry.reader.models() == []


def test_a_stage_before_its_time_says_what_to_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_project(tmp_path)
    assert stage(tmp_path, "train") == 2
    error = " ".join(capsys.readouterr().err.split())
    assert (
        "prepared.joblib is not there. Next: run dvc repro, which runs what is missing, or the stage prepare" in error
    )


def test_what_another_configuration_left_is_not_taken(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = folder / "configs" / "churn.yaml"
    kept = config.read_bytes()
    config.write_bytes(kept + b"\n# changed\n")
    try:
        assert stage(folder, "evaluate") == 2
    finally:
        config.write_bytes(kept)
    assert "was made from another configuration or contract" in " ".join(capsys.readouterr().err.split())


def test_a_refused_model_replaces_nothing(
    folder: Path, registry: RegistrySimulator, capsys: pytest.CaptureFixture[str]
) -> None:
    made = folder / "pipeline" / "churn"
    before, figures = files_of(made / "evaluated"), (made / "metrics.json").read_bytes()
    config = folder / "configs" / "churn.yaml"
    kept = config.read_bytes()
    document = small_document()
    document["data"] = yaml.safe_load(kept)["data"]
    document["thresholds"] = {"roc_auc": 0.999}
    config.write_text(yaml.safe_dump(document), encoding="utf-8")
    try:
        assert [stage(folder, name) for name in ("prepare", "train", "evaluate", "publish")] == [0, 0, 8, 2]
    finally:
        config.write_bytes(kept)
    said = " ".join(capsys.readouterr().err.split())
    assert "the last good release stays; this one's report is in " in said
    assert files_of(made / "evaluated") == before
    assert (made / "metrics.json").read_bytes() == figures
    assert (made / "refused" / "report.html").is_file()
    assert registry.reader.models() == []
