from __future__ import annotations

import json
import re
import shutil
import socket
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import small_csv, small_document, write_project

from edustream_contracts.contract import contract_from, load_contract
from edustream_ml import cli, release, workflow
from edustream_ml.golden import golden_vectors
from edustream_ml.training import Training
from edustream_registry.manifest import ReleaseContent
from edustream_registry.needs import Needs
from edustream_registry.store import WriteCondition
from edustream_registry.testing.simulator import RegistrySimulator, write_release
from edustream_registry.writing import Author


@pytest.fixture
def environ() -> dict[str, str]:
    return {"REGISTRY_URL": "s3://models", "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9"}


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch, registry: RegistrySimulator) -> RegistrySimulator:
    monkeypatch.setattr(cli, "open_author", lambda settings, who: registry.author)
    return registry


@pytest.fixture
def trained(
    monkeypatch: pytest.MonkeyPatch,
    connected: RegistrySimulator,
    small_training: Training,
    small_release: tuple[ReleaseContent, Path],
) -> RegistrySimulator:
    """A registry, and a training of the repository's configuration that is done already, with its files."""
    content, folder = small_release

    def copied(training: Training, directory: Path, *arguments: object) -> ReleaseContent:
        shutil.copytree(folder, directory)
        return content

    monkeypatch.setattr(cli, "train", lambda *arguments, **options: small_training)
    monkeypatch.setattr(cli, "document", copied)
    return connected


def test_help_explains_every_option(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main(["--help"], {}, tmp_path)
    assert stopped.value.code == 0
    text = capsys.readouterr().out
    for option in (
        "--config",
        "--version",
        "--promote",
        "--no-promote",
        "--env-file",
        "--out",
        "--dry-run",
        "--publish-refused",
        "--data",
        "--track",
    ):
        assert option in text
    assert "exit codes" in text


def test_a_run_publishes_and_a_second_one_has_nothing_to_do(
    connected: RegistrySimulator, repository: Path, environ: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([], environ, repository) == 0
    assert "DEPLOY SUCCESSFUL" in capsys.readouterr().out
    assert cli.main([], environ, repository) == 0
    assert "NOTHING NEW TO PUBLISH" in capsys.readouterr().out
    assert connected.reader.versions("churn") == ["1.0.0"]
    assert (repository / "releases" / "churn" / "model.onnx").is_file()


def test_a_gate_that_says_no_exits_with_8_and_publishes_nothing(
    connected: RegistrySimulator, tmp_path: Path, environ: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    document = small_document()
    document["thresholds"] = {"roc_auc": 0.999}
    write_project(tmp_path, document)
    assert cli.main([], environ, tmp_path) == 8
    assert "roc_auc: is 0." in capsys.readouterr().err
    assert connected.reader.versions("churn") == []


def test_golden_vectors_that_disagree_exit_with_8_and_publish_nothing(
    trained: RegistrySimulator,
    repository: Path,
    environ: dict[str, str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def shifted(*arguments: Any) -> dict[str, Any]:
        document = golden_vectors(*arguments)
        document["rows"][2]["output"]["probability"] += 1e-3
        return document

    monkeypatch.setattr(cli, "document", workflow.document)
    monkeypatch.setattr(release, "golden_vectors", shifted)
    before = dict(trained.memory.objects)
    assert cli.main([], environ, repository) == 8
    said = capsys.readouterr().err
    assert "A clean process, without the training code, refuses the release" in said
    assert re.search(
        r"1 of 100 golden rows; the largest difference is 0\.001\.\n"
        r"  - /rows/2/output/probability: is 0\.\d+ and was recorded as 0\.\d+: 0\.001 apart, 1e-05 allowed\n"
        r"Next: nothing was published",
        said,
    )
    assert trained.memory.objects == before


def test_without_settings_nothing_is_trained(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([], {}, repository) == 2
    captured = capsys.readouterr()
    assert "REGISTRY_URL" in captured.err
    assert "[1/" not in captured.out


def test_a_registry_that_does_not_answer_exits_with_6_before_any_training(
    repository: Path, environ: dict[str, str], capsys: pytest.CaptureFixture[str], registry: RegistrySimulator
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}"
    (repository / "key.pem").write_bytes(registry.signer.pem)
    (repository / "trust.json").write_bytes(registry.trust.to_json())
    values = {
        "REGISTRY_URL": "s3://models",
        "AWS_ENDPOINT_URL_S3": address,
        "AWS_ACCESS_KEY_ID": "producer",
        "AWS_SECRET_ACCESS_KEY": "producer-secret",
        "EDUSTREAM_TRUST_FILE": "trust.json",
        "EDUSTREAM_SIGNING_KEY_FILE": "key.pem",
    }
    (repository / ".env").write_text("".join(f"{name}={value}\n" for name, value in values.items()), encoding="utf-8")
    assert cli.main([], {}, repository) == 6
    captured = capsys.readouterr()
    assert "make registry" in captured.err
    assert "[1/" not in captured.out


def test_a_wrong_version_or_channel_is_refused_at_once(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version", "two"], {}, repository) == 2
    assert cli.main(["--promote", "Not A Channel"], {}, repository) == 2
    assert "'two' is no semantic version" in capsys.readouterr().err


def release_with_longer_tenures(registry: RegistrySimulator, folder: Path) -> None:
    """Publish and promote churn 1.0.0 with a contract that admits a tenure of 240 months; today's ends at 120."""
    document = json.loads(json.dumps(load_contract("churn").document))
    document["input"]["properties"]["tenure"]["maximum"] = 240
    registry.publish(write_release(folder, contract_from(document)), folder)
    registry.promote("churn", "1.0.0")


def test_a_version_that_says_less_than_the_contract_does_is_refused_before_any_training(
    connected: RegistrySimulator,
    repository: Path,
    environ: dict[str, str],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    release_with_longer_tenures(connected, tmp_path / "other")

    assert cli.main(["--version", "1.1.0"], environ, repository) == 8

    captured = capsys.readouterr()
    assert "[1/" not in captured.out
    assert "1.1.0 breaks the contract of 1.0.0, which only a new major version may" in captured.err
    assert "/input/properties/tenure/maximum: tenure" in captured.err
    assert "counterexample of /input/properties/tenure/maximum: {" in captured.err
    assert "Next: publish it as 2.0.0, which is what --version auto takes." in captured.err
    assert connected.reader.versions("churn") == ["1.0.0"]


def test_a_computed_version_is_explained(
    trained: RegistrySimulator,
    repository: Path,
    environ: dict[str, str],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    release_with_longer_tenures(trained, tmp_path / "other")

    assert cli.main([], environ, repository) == 0

    out = capsys.readouterr().out
    assert "breaks the contract of 1.0.0 (production): /input/properties/tenure/maximum: tenure" in out
    assert "churn@2.0.0 is released" in out


def test_an_env_file_that_is_not_there_is_refused(
    connected: RegistrySimulator, repository: Path, environ: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Passed over, it would leave the run to whatever registry the environment names."""
    assert cli.main(["--env-file", "production.env"], environ, repository) == 2
    assert "There is no env file production.env" in capsys.readouterr().err
    assert cli.main(["--env-file", "/"], environ, repository) == 2
    assert "The env file / cannot be read: it is a folder" in capsys.readouterr().err
    assert connected.reader.versions("churn") == []


def test_bad_data_is_refused_before_any_training(
    connected: RegistrySimulator, tmp_path: Path, environ: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    write_project(tmp_path, csv=small_csv().replace(",DSL,", ",Carrier pigeon,", 1))
    assert cli.main([], environ, tmp_path) == 2
    captured = capsys.readouterr()
    assert "row 1 (line 2), internet_service" in captured.err
    assert "[2/" not in captured.out


def test_a_mistaken_configuration_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(yaml.safe_dump({"model": "churn"}), encoding="utf-8")
    assert cli.main(["--config", str(path), "--dry-run"], {}, tmp_path) == 2
    assert "target: is missing" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("train", "Nothing was published."),
        ("deploy", "Whether the release was published is not known"),
        ("print_summary", "Published: "),
    ],
)
def test_an_interrupted_run_says_what_was_published(
    trained: RegistrySimulator,
    repository: Path,
    environ: dict[str, str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    where: str,
    said: str,
) -> None:
    def interrupt(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, where, interrupt)
    assert cli.main([], environ, repository) == 130
    assert f"Interrupted. {said}" in capsys.readouterr().err


def test_a_promotion_that_fails_does_not_hide_that_the_release_is_out(
    trained: RegistrySimulator,
    repository: Path,
    environ: dict[str, str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put = trained.store.put

    def without_log(key: str, data: bytes, condition: WriteCondition) -> None:
        trained.store.cut_off = "/log/" in key
        put(key, data, condition)

    monkeypatch.setattr(trained.store, "put", without_log)
    assert cli.main([], environ, repository) == 6
    trained.store.cut_off = False
    assert trained.reader.versions("churn") == ["1.0.0"]
    assert "churn@1.0.0 is released" in capsys.readouterr().out


def test_a_promotion_that_would_break_a_consumer_leaves_the_release_published(
    trained: RegistrySimulator, repository: Path, environ: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    needs = Needs("churn", (), (), major=7, follows="production")
    trained.consumer.state(needs, trained.clock() + timedelta(hours=1))

    assert cli.main([], environ, repository) == 8

    said = capsys.readouterr()
    assert "churn@1.0.0 is released" in said.out
    assert "churn@1.0.0 may not be promoted to production: it would break api. The release stays published" in said.err
    assert "api: pins the major version 7" in said.err
    assert trained.reader.versions("churn") == ["1.0.0"]
    assert trained.reader.last_entry("churn", "production") is None


def test_releases_carry_the_name_that_the_environment_gives(
    connected: RegistrySimulator, repository: Path, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def opened(settings: object, who: str) -> Author:
        seen.append(who)
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "open_author", opened)
    assert cli.main([], {**environ, "EDUSTREAM_WHO": "the release job"}, repository) == 130
    assert seen == ["the release job"]
