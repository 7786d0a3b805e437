from __future__ import annotations

from pathlib import Path

import pytest
from conftest import REPOSITORY, small_document, write_project
from rich.console import Console

from edustream_contracts.errors import Conflict, GateRefused, Unreachable
from edustream_ml.configuration import load_plan
from edustream_ml.progress import ProgressReport
from edustream_ml.summary import print_summary
from edustream_ml.training import Training
from edustream_ml.workflow import Deployment, deploy, prove, train
from edustream_registry.manifest import ReleaseContent
from edustream_registry.names import Reference
from edustream_registry.publishing import PublicationStatus
from edustream_registry.testing.simulator import RegistrySimulator


class Deployer:
    """Deploys one release again and again."""

    def __init__(self, registry: RegistrySimulator, content: ReleaseContent, folder: Path, training: Training) -> None:
        self._registry = registry
        self._content = content
        self._folder = folder
        self._training = training

    def __call__(self, version: str = "auto", channel: str | None = "production") -> Deployment:
        report = ProgressReport(Console(quiet=True), 8)
        return deploy(self._registry.author, self._content, self._folder, version, channel, report)

    def summary(self, deployment: Deployment | None, channel: str | None = "production", terminal: bool = False) -> str:
        console = Console(record=True, width=300, force_terminal=terminal, quiet=False)
        print_summary(console, self._training, self._content, deployment, channel)
        return console.export_text()


@pytest.fixture
def deployer(
    registry: RegistrySimulator, content: ReleaseContent, tmp_path: Path, small_training: Training
) -> Deployer:
    return Deployer(registry, content, tmp_path / "release", small_training)


def test_the_first_run_publishes_and_promotes(registry: RegistrySimulator, deployer: Deployer) -> None:
    deployment = deployer()
    resolved = registry.reader.resolve(Reference.parse("churn@production"))
    assert resolved.version == deployment.publication.manifest.version == "1.0.0"
    summary = deployer.summary(deployment)
    assert summary.rstrip().endswith("DEPLOY SUCCESSFUL")
    assert deployment.publication.release.digest in summary
    assert deployment.publication.location in summary
    assert "production now points at churn@1.0.0 (entry 1)" in summary


def test_the_second_run_publishes_nothing_and_says_so(registry: RegistrySimulator, deployer: Deployer) -> None:
    deployer()
    before = dict(registry.memory.objects)
    deployment = deployer()
    assert deployment.publication.status is PublicationStatus.IDENTICAL
    assert registry.memory.objects == before
    summary = deployer.summary(deployment)
    assert "NOTHING NEW TO PUBLISH" in summary
    assert "production points already at churn@1.0.0" in summary


def test_a_release_that_was_rolled_back_is_not_promoted_again(registry: RegistrySimulator, deployer: Deployer) -> None:
    deployer(version="1.0.0")
    deployer(version="1.0.1")
    registry.promote("churn", "1.0.0")
    deployment = deployer()
    assert deployment.promotion is None
    assert registry.reader.resolve(Reference.parse("churn@production")).version == "1.0.0"
    assert "edustream-registry promote churn@1.0.1 --to production" in deployer.summary(deployment)


def test_a_release_that_was_never_promoted_is_promoted_by_the_second_run(deployer: Deployer) -> None:
    first = deployer(channel=None)
    assert first.promotion is None
    assert "not promoted; to promote: edustream-registry promote churn@1.0.0" in deployer.summary(first, None)
    second = deployer()
    assert second.promotion is not None
    assert second.promotion.moved


def test_a_prerelease_moves_the_channel_candidate_alone(registry: RegistrySimulator, deployer: Deployer) -> None:
    deployment = deployer(version="candidate")
    assert deployment.publication.manifest.version == "1.0.0-candidate.1"
    assert registry.reader.last_entry("churn", "production") is None
    assert registry.reader.last_entry("churn", "candidate") is not None


def test_a_missing_file_is_put_back(registry: RegistrySimulator, deployer: Deployer) -> None:
    deployer()
    key = next(key for key in registry.memory.objects if key.endswith("model.onnx"))
    del registry.memory.objects[key]
    deployment = deployer()
    assert deployment.publication.status is PublicationStatus.RESTORED
    assert "its missing files were put back" in deployer.summary(deployment, terminal=True)


def test_a_version_that_holds_something_else_is_a_conflict(
    registry: RegistrySimulator, deployer: Deployer, content: ReleaseContent, tmp_path: Path
) -> None:
    fewer = content.model_copy(update={"files": (content.file("contract.json"),)})
    registry.publish(fewer, tmp_path / "release", "1.0.0")
    with pytest.raises(Conflict):
        deployer(version="1.0.0")


def test_an_outage_while_publishing_leaves_no_release(registry: RegistrySimulator, deployer: Deployer) -> None:
    registry.store.cut_off = True
    with pytest.raises(Unreachable):
        deployer()
    registry.store.cut_off = False
    assert registry.reader.versions("churn") == []


def test_a_dry_run_says_that_nothing_was_published(deployer: Deployer) -> None:
    summary = deployer.summary(None)
    assert "DRY RUN COMPLETE: nothing was published" in summary
    assert "version " not in summary


def test_what_was_written_is_proved_where_no_training_code_is(
    content: ReleaseContent, tmp_path: Path, report: ProgressReport
) -> None:
    prove(content, tmp_path / "release", report)
    model = tmp_path / "release" / "model.onnx"
    model.write_bytes(model.read_bytes() + b"\0")
    with pytest.raises(GateRefused, match=r"model\.onnx .* the manifest states") as refused:
        prove(content, tmp_path / "release", report)
    assert refused.value.kind == "golden"


def test_a_model_below_its_thresholds_is_refused(tmp_path: Path, report: ProgressReport) -> None:
    document = small_document()
    document["thresholds"] = {"roc_auc": 0.999, "brier_score": 0.001}
    with pytest.raises(GateRefused, match="2 of 3 gates say no"):
        train(load_plan(write_project(tmp_path, document)), report)


@pytest.mark.prove
def test_the_configured_run_reaches_its_quality_and_parity_on_every_row(report: ProgressReport) -> None:
    full_training = train(load_plan(REPOSITORY / "configs" / "churn.yaml"), report)
    assert full_training.chosen.mean >= 0.847
    assert len(full_training.chosen.folds) == 15
    assert full_training.parity.rows == 7043
    assert full_training.parity.largest_difference <= 1e-5
    assert {score.candidate.estimator for score in full_training.candidates} == {
        "logistic_regression",
        "random_forest",
        "histogram_gradient_boosting",
    }
    training, held_out = full_training.split.training, full_training.split.held_out
    assert len(training) + len(held_out) == 7043
