"""Runs are recorded with MLflow itself, in SQLite."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import small_document, write_project
from mlflow import MlflowClient
from mlflow.entities import Run

from edustream_contracts.errors import Unreachable
from edustream_ml import cli
from edustream_ml.configuration import load_plan
from edustream_ml.progress import ProgressReport
from edustream_ml.training import Training
from edustream_ml.workflow import train
from edustream_registry.testing.simulator import RegistrySimulator

ENVIRON = {"REGISTRY_URL": "s3://models"}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all tests here: MLflow takes seconds to make a database."""
    folder = tmp_path_factory.mktemp("project")
    write_project(folder)
    return folder


@pytest.fixture(scope="module")
def client(project: Path) -> MlflowClient:
    (project / "tracking").mkdir()
    uri = f"sqlite:///{project / 'tracking' / 'mlflow.db'}"
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch, small_training: Training) -> RegistrySimulator:
    registry = RegistrySimulator()
    monkeypatch.setattr(cli, "open_author", lambda settings, who: registry.author)
    monkeypatch.setattr(cli, "train", lambda *arguments, **options: small_training)
    return registry


def interrupt(*arguments: Any, **options: Any) -> None:
    raise KeyboardInterrupt


def runs_of(client: MlflowClient, below: str | None = None) -> list[Run]:
    """The runs of the model, the last first; or those below one."""
    experiment = client.get_experiment_by_name("churn")
    assert experiment is not None
    wanted = f"tags.mlflow.parentRunId = '{below}'" if below else ""
    runs = client.search_runs([experiment.experiment_id], wanted, order_by=["attributes.start_time DESC"])
    return [run for run in runs if bool(run.data.tags.get("mlflow.parentRunId")) == bool(below)]


def test_a_run_is_recorded_with_every_candidate_and_linked_to_its_release(
    client: MlflowClient, project: Path, connected: RegistrySimulator, small_training: Training
) -> None:
    assert cli.main(["--track"], ENVIRON, project) == 0

    (run,) = runs_of(client)
    assert run.info.status == "FINISHED"
    assert run.data.params["seed"] == "42"
    assert run.data.params["data_sha256"] == small_training.dataset.sha256
    assert run.data.params["chosen"] == small_training.chosen.candidate.label
    assert {**run.data.metrics, **small_training.metrics} == run.data.metrics
    assert run.data.tags["gates"] == "kept"
    resolved = connected.reader.manifest("churn", "1.0.0")
    assert run.data.tags["release"] == "churn@1.0.0"
    assert run.data.tags["manifest_sha256"] == resolved.digest

    artifacts = {file.path for file in client.list_artifacts(run.info.run_id)}
    assert {"model_card.md", "data_card.md", "report.html", "metrics.json", "roc.png", "calibration.png"} <= artifacts
    assert "model.onnx" not in artifacts
    assert (project / "tracking" / "artifacts").is_dir()

    below = {run.data.tags["mlflow.runName"]: run for run in runs_of(client, run.info.run_id)}
    assert set(below) == {score.candidate.label for score in small_training.candidates}
    for score in small_training.candidates:
        recorded = below[score.candidate.label]
        assert recorded.data.params["estimator"] == score.candidate.estimator
        assert recorded.data.metrics["cross_validation_roc_auc"] == pytest.approx(score.mean)
        folds = client.get_metric_history(recorded.info.run_id, "roc_auc")
        assert [fold.value for fold in folds] == pytest.approx([fold["roc_auc"] for fold in score.folds])

    (version,) = client.search_model_versions("name = 'churn'")
    assert version.tags["release"] == "churn@1.0.0"
    assert version.source == run.data.tags["release_location"]
    assert version.run_id == run.info.run_id
    assert client.get_model_version_by_alias("churn", "production").version == version.version


def test_a_release_that_is_there_already_is_not_registered_twice(
    client: MlflowClient, project: Path, connected: RegistrySimulator
) -> None:
    before = len(runs_of(client))
    assert cli.main([], {**ENVIRON, "MLFLOW_TRACKING_URI": client.tracking_uri}, project) == 0
    assert len(runs_of(client)) == before + 1
    assert len(client.search_model_versions("name = 'churn'")) == 1


def test_a_refused_model_is_recorded_as_refused_and_registered_nowhere(
    client: MlflowClient, tmp_path: Path, report: ProgressReport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model is trained, once for both runs: what a gate says is not made up here."""
    registry = RegistrySimulator()
    monkeypatch.setattr(cli, "open_author", lambda settings, who: registry.author)
    document = small_document()
    document["thresholds"] = {"roc_auc": 0.999}
    refused = train(load_plan(write_project(tmp_path, document)), report, refused_too=True)
    monkeypatch.setattr(cli, "train", lambda *arguments, refused_too, **options: refused_too and refused)
    versions = client.search_model_versions("")
    environ = {**ENVIRON, "MLFLOW_TRACKING_URI": client.tracking_uri}

    assert cli.main([], environ, tmp_path) == 8
    assert cli.main(["--publish-refused"], environ, tmp_path) == 8

    published, held_back = runs_of(client)[:2]
    for run in (held_back, published):
        assert run.info.status == "FAILED"
        assert run.data.tags["gates"] == "refused by roc_auc"
        assert len(runs_of(client, run.info.run_id)) == 3
    assert "release" not in held_back.data.tags
    assert client.list_artifacts(held_back.info.run_id) == []
    assert "1 of 2 gates say no" in held_back.data.tags["mlflow.note.content"]
    assert published.data.tags["release"] == "churn@1.0.0-candidate.1"
    assert client.search_model_versions("") == versions
    assert registry.reader.versions("churn") == ["1.0.0-candidate.1"]


def test_a_run_that_fails_for_another_reason_says_so(
    client: MlflowClient, project: Path, connected: RegistrySimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "train", interrupt)
    assert cli.main(["--track", "--dry-run"], ENVIRON, project) == 130
    assert runs_of(client)[0].info.status == "KILLED"


def test_nothing_is_recorded_unless_somebody_asks(
    client: MlflowClient, project: Path, connected: RegistrySimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = len(runs_of(client))
    monkeypatch.setattr(cli, "train", interrupt)
    assert cli.main(["--dry-run"], ENVIRON, project) == 130
    assert len(runs_of(client)) == before


def test_mlflow_that_does_not_answer_exits_with_6_before_any_training(
    project: Path, connected: RegistrySimulator, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    environ = {**ENVIRON, "MLFLOW_TRACKING_URI": "http://user:s3cret@127.0.0.1:9"}
    assert cli.main([], environ, project) == 6
    captured = capsys.readouterr()
    assert "s3cret" not in captured.err
    assert "MLflow at http://127.0.0.1:9 does not take the run" in captured.err
    assert "[1/" not in captured.out
    assert connected.reader.versions("churn") == []


@pytest.mark.parametrize(
    ("uri", "shown", "said"),
    [
        ("http://[bad", "http://[bad", "Invalid IPv6 URL"),
        ("postgresql://user:s3cret@127.0.0.1:9/runs", "postgresql://127.0.0.1:9/runs", "No module named 'psycopg"),
    ],
)
def test_a_place_that_mlflow_cannot_record_in_exits_with_6_before_any_training(
    project: Path, connected: RegistrySimulator, capsys: pytest.CaptureFixture[str], uri: str, shown: str, said: str
) -> None:
    assert cli.main([], {**ENVIRON, "MLFLOW_TRACKING_URI": uri}, project) == 6
    captured = capsys.readouterr()
    assert f"MLflow at {shown} does not take the run" in captured.err
    assert said in captured.err
    assert "s3cret" not in captured.err
    assert "[1/" not in captured.out


def test_without_the_extra_a_wanted_record_is_refused(
    project: Path, connected: RegistrySimulator, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edustream_ml.tracking.tracker.find_spec", lambda name: None)
    assert cli.main(["--track"], ENVIRON, project) == 2
    assert "--track is given, and mlflow is not installed." in capsys.readouterr().err
    assert cli.main([], {**ENVIRON, "MLFLOW_TRACKING_URI": "sqlite://"}, project) == 2
    assert "install edustream-ml[tracking]" in capsys.readouterr().err


def test_nothing_is_reported_to_mlflows_makers(tmp_path: Path) -> None:
    """In a process of its own: MLflow decides when it is imported, and its makers hear nothing of tests anyway."""
    program = (
        "import edustream_ml.tracking.mlflow_tracker; from mlflow.telemetry.utils import is_telemetry_disabled; "
        "print(is_telemetry_disabled())"
    )
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "True"


def test_a_place_that_is_no_folder_is_refused(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (repository / "tracking").write_text("a file")
    assert cli.main(["--track", "--dry-run"], ENVIRON, repository) == 2
    assert "Runs cannot be recorded in" in capsys.readouterr().err


def test_a_registry_that_goes_away_ends_the_record_too(
    client: MlflowClient, project: Path, connected: RegistrySimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut_off(*arguments: Any) -> None:
        raise Unreachable("connection", "the registry is gone", remedy="wait")

    monkeypatch.setattr(cli, "document", cut_off)
    assert cli.main(["--track"], ENVIRON, project) == 6
    run = runs_of(client)[0]
    assert run.info.status == "FAILED"
    assert "the registry is gone" in run.data.tags["mlflow.note.content"]


def test_a_record_that_is_lost_decides_nothing(
    client: MlflowClient,
    project: Path,
    connected: RegistrySimulator,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def lose(*arguments: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(MlflowClient, "log_artifact", lose)
    assert cli.main(["--track"], ENVIRON, project) == 0
    captured = capsys.readouterr()
    assert captured.err.count("lost the run: OSError: the disk is full") == 1
    assert "DEPLOY SUCCESSFUL" in captured.out
    assert connected.reader.versions("churn") == ["1.0.0"]
