"""A gate that says no: exit code 8, nothing is promoted, and the reasons; published, if asked for, to `candidate`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import REPOSITORY, Document, small_document, write_project
from rich.console import Console

from edustream_contracts.errors import GateRefused, NothingToServe
from edustream_ml import cli
from edustream_ml.gates.report import GateKind, GateReport, GateRow
from edustream_ml.progress import ProgressReport
from edustream_ml.training import Training
from edustream_ml.workflow import Deployment, deploy
from edustream_registry.deployment import check
from edustream_registry.manifest import GateRecord, ReleaseContent
from edustream_registry.names import Reference
from edustream_registry.testing.simulator import RegistrySimulator

ENVIRON = {"REGISTRY_URL": "s3://models", "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9"}
MISSED = GateRow(GateKind.FLOOR, "roc_auc", 0.8, 0.999, "at least", False, "is 0.8000; the threshold is at least 0.999")


@pytest.fixture(autouse=True)
def connected(monkeypatch: pytest.MonkeyPatch, registry: RegistrySimulator) -> RegistrySimulator:
    monkeypatch.setattr(cli, "open_author", lambda settings, who: registry.author)
    return registry


@pytest.fixture
def refused(small_training: Training) -> Training:
    """A model that misses a floor, and keeps all other gates."""
    rows = (MISSED, *(row for row in small_training.gates.rows if row.name != MISSED.name))
    return replace(small_training, gates=GateReport(rows))


@pytest.fixture
def live(registry: RegistrySimulator, content: ReleaseContent, tmp_path: Path) -> RegistrySimulator:
    registry.publish(content, tmp_path / "release")
    registry.promote("churn", "1.0.0")
    return registry


def quick(**more: Any) -> Document:
    """A configuration with one candidate that is fitted in a moment."""
    return small_document() | {"candidates": [{"estimator": "logistic_regression"}]} | more


def run(folder: Path, document: Document, *arguments: str) -> int:
    write_project(folder, document)
    return cli.main(arguments, ENVIRON, folder)


def last_entry(registry: RegistrySimulator, channel: str) -> str | None:
    entry = registry.reader.last_entry("churn", channel)
    return entry.statement.version if entry else None


def test_nothing_is_published_and_no_file_is_written(
    registry: RegistrySimulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = dict(registry.memory.objects)

    assert run(tmp_path, quick(thresholds={"roc_auc": 0.999})) == 8

    said = capsys.readouterr()
    assert "NO    roc_auc: is 0." in said.out
    assert "1 of 2 gates say no." in said.err
    assert "  - roc_auc: is 0." in said.err
    assert "Next: nothing was published; improve" in said.err
    assert registry.memory.objects == before
    assert not (tmp_path / "releases").exists()


def test_a_refused_model_may_be_published_to_candidate_alone(
    registry: RegistrySimulator,
    refused: Training,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(cli, "train", lambda *arguments, refused_too, **options: refused_too and refused)

    assert run(tmp_path, quick(), "--publish-refused") == 8

    said = capsys.readouterr()
    assert "DEPLOY SUCCESSFUL" not in said.out
    assert "  - roc_auc: is 0.8000; the threshold is at least 0.999" in said.err
    assert "Next: it was published as churn@1.0.0-candidate.1 and promoted to candidate, and nothing else" in said.err
    assert registry.reader.versions("churn") == ["1.0.0-candidate.1"]
    assert last_entry(registry, "candidate") == "1.0.0-candidate.1"
    assert last_entry(registry, "production") is None
    with pytest.raises(NothingToServe):
        registry.reader.resolve(Reference.parse("churn@^1"))
    with pytest.raises(GateRefused, match="misses 1 of its 2 thresholds"):
        check(registry.reader, Reference.parse("churn@candidate"), registry.clock())
    gates = registry.reader.manifest("churn", "1.0.0-candidate.1").statement.content.gates
    assert gates is not None
    assert [gate.name for gate in gates if not gate.kept] == ["roc_auc"]


def test_a_dry_run_writes_the_files_of_a_refused_model_beside_those_of_a_good_one(
    registry: RegistrySimulator,
    refused: Training,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(cli, "train", lambda *arguments, **options: refused)

    assert run(tmp_path, quick(), "--dry-run", "--publish-refused") == 8

    folder = tmp_path / "releases" / "churn-refused"
    assert f"nothing was published; its files and its report are in {folder}" in capsys.readouterr().err
    assert '"kept": false' in (folder / "metrics.json").read_text(encoding="utf-8")
    assert not (tmp_path / "releases" / "churn").exists()
    assert registry.reader.models() == []


class Refusals:
    """Deploys releases that a gate refused."""

    def __init__(self, registry: RegistrySimulator, content: ReleaseContent, folder: Path) -> None:
        gate = GateRecord.model_validate(GateReport((MISSED,)).record()[0])
        self._registry = registry
        self._content = content.model_copy(update={"gates": (gate,)})
        self._folder = folder

    def __call__(self, channel: str | None = "production", files: slice | None = None) -> Deployment:
        report = ProgressReport(Console(quiet=True), 9)
        kept = self._content.files[files or slice(None)]
        content = self._content.model_copy(update={"files": kept})
        return deploy(self._registry.author, content, self._folder, "1.4.0", channel, report)


@pytest.fixture
def deploy_refused(registry: RegistrySimulator, content: ReleaseContent, tmp_path: Path) -> Refusals:
    return Refusals(registry, content, tmp_path / "release")


def test_the_same_refused_model_is_published_once(registry: RegistrySimulator, deploy_refused: Refusals) -> None:
    versions = [deploy_refused().publication.manifest.version for _ in range(2)]
    assert versions == ["1.0.0-candidate.1", "1.0.0-candidate.1"]
    assert deploy_refused(files=slice(0, -1)).publication.manifest.version == "1.0.0-candidate.2"
    assert last_entry(registry, "candidate") == "1.0.0-candidate.2"
    assert registry.reader.channels("churn") == ["candidate"]


def test_a_yanked_candidate_is_not_published_again(registry: RegistrySimulator, deploy_refused: Refusals) -> None:
    deploy_refused()
    registry.yank("churn", "1.0.0-candidate.1")
    deploy_refused()
    assert last_entry(registry, "candidate") == "1.0.0-candidate.2"


def test_without_promotion_no_channel_moves(registry: RegistrySimulator, deploy_refused: Refusals) -> None:
    assert deploy_refused(channel=None).promotion is None
    assert registry.reader.versions("churn") == ["1.0.0-candidate.1"]
    assert registry.reader.channels("churn") == []


def test_a_refused_model_takes_no_number_from_the_next_good_one(
    live: RegistrySimulator, deploy_refused: Refusals
) -> None:
    deploy_refused(files=slice(0, -1))
    assert live.reader.versions("churn") == ["1.0.0", "1.0.1-candidate.1"]
    assert (last_entry(live, "production"), last_entry(live, "candidate")) == ("1.0.0", "1.0.1-candidate.1")


def test_a_model_that_is_worse_than_the_live_one_is_refused_with_the_interval(
    live: RegistrySimulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = dict(live.memory.objects)
    stump = [{"estimator": "random_forest", "n_estimators": 1, "max_depth": 1}]

    assert run(tmp_path, quick(candidates=stump, thresholds={"roc_auc": 0.51})) == 8

    said = capsys.readouterr().err
    assert "1 of 2 gates say no." in said
    assert "champion_roc_auc_difference: roc_auc is -0." in said
    assert "against churn@1.0.0 (production) on the same 120 held-out rows (95% interval -0." in said
    assert live.memory.objects == before


def test_a_model_that_is_no_worse_takes_the_place_of_the_live_one_and_its_manifest_says_so(
    live: RegistrySimulator, tmp_path: Path
) -> None:
    generous = {"resamples": 100, "champion": {"margin": 0.2}}

    assert run(tmp_path, quick(gates=generous)) == 0

    assert last_entry(live, "production") == "1.0.1"
    first, second = (live.reader.manifest("churn", version).statement.content for version in ("1.0.0", "1.0.1"))
    assert "champion_roc_auc_difference" not in first.metrics
    assert second.metrics["champion_roc_auc_difference"] >= second.thresholds["champion_roc_auc_difference"] == -0.2
    assert second.gates is not None
    [champion] = [gate for gate in second.gates if gate.kind == "champion"]
    assert champion.interval is not None
    assert champion.value is not None
    assert champion.interval.low <= champion.value <= champion.interval.high
    assert "against churn@1.0.0 (production) on the same 120 held-out rows" in champion.explanation
    assert b"1.0.0 (production)" not in (tmp_path / "releases" / "churn" / "metrics.json").read_bytes()


def test_a_floor_that_an_all_negative_model_keeps_ends_the_run_before_any_training(
    registry: RegistrySimulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, quick(thresholds={"roc_auc": 0.6, "brier_score": 0.25})) == 2
    said = capsys.readouterr()
    assert "thresholds.brier_score: at most 0.25 is kept by always answering" in said.err
    assert "[2/" not in said.out
    assert registry.reader.models() == []


@pytest.mark.parametrize(
    ("gate", "said"),
    [
        ({"worst_slice": {"columns": ["female"], "at_least": 0.6}}, "worst_slice.rows_at_least: asks for 2000 rows"),
        (
            {"disparate_impact": {"column": "female", "favourable": "Yes"}},
            "disparate_impact.rows_at_least: asks for 2000 rows, and the second largest category of female has",
        ),
    ],
)
def test_a_gate_that_no_category_has_enough_rows_for_ends_the_run_before_any_training(
    registry: RegistrySimulator, tmp_path: Path, capsys: pytest.CaptureFixture[str], gate: Any, said: str
) -> None:
    ((name, settings),) = gate.items()
    assert run(tmp_path, quick(gates={name: {**settings, "rows_at_least": 2000}})) == 2
    heard = capsys.readouterr()
    assert said in heard.err
    assert "of the 120 held-out rows" in heard.err
    assert "[2/" not in heard.out


def test_a_channel_that_moved_during_the_training_is_left_where_it_is(
    registry: RegistrySimulator,
    small_training: Training,
    content: ReleaseContent,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def overtaken(*arguments: Any, **options: Any) -> Training:
        other = content.model_copy(update={"files": content.files[:-1]})
        registry.publish(other, tmp_path / "release", "1.0.0")
        registry.promote("churn", "1.0.0")
        return small_training

    monkeypatch.setattr(cli, "train", overtaken)
    assert run(tmp_path, quick()) == 8
    said = capsys.readouterr().err
    assert "churn@production moved to 1.0.0 while churn@1.0.1 was trained" in said
    assert "Next: run the same command again" in said
    assert last_entry(registry, "production") == "1.0.0"
    assert registry.reader.versions("churn") == ["1.0.0", "1.0.1"]


def test_a_question_that_the_data_cannot_answer_is_refused_by_its_floors(
    registry: RegistrySimulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The configuration is the one that is in use, with one candidate instead of its own."""
    source = REPOSITORY / "configs" / "mobile-plans.yaml"
    document = yaml.safe_load(source.read_text(encoding="utf-8"))
    document["data"]["path"] = str((source.parent / document["data"]["path"]).resolve())
    document["candidates"] = [{"estimator": "logistic_regression"}]
    document["cross_validation"] = {"folds": 2, "repeats": 1}
    path = tmp_path / "mobile-plans.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")

    assert cli.main(["--config", str(path)], ENVIRON, tmp_path) == 8

    said = capsys.readouterr().err
    assert "cross_validation_roc_auc: is 0.4" in said or "cross_validation_roc_auc: is 0.5" in said
    assert "\n  - roc_auc: is 0." in said
    assert registry.reader.models() == []
