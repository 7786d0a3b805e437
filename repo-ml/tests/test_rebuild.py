"""A release is made again in a git repository like the real one: the producer's folder, beside it nothing."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import REPOSITORY, write_project
from rich.console import Console

from edustream_contracts.canonical import sha256_hex
from edustream_ml.configuration import load_plan
from edustream_ml.progress import ProgressReport
from edustream_ml.provenance import PYTHON, code_version
from edustream_ml.rebuild import command
from edustream_ml.release import write_release
from edustream_ml.training import Training
from edustream_ml.workflow import train
from edustream_registry.manifest import CodeVersion, DataSource, ReleaseContent
from edustream_registry.testing.simulator import RegistrySimulator

SECRETS = {
    "AWS_ACCESS_KEY_ID": "key",
    "AWS_SECRET_ACCESS_KEY": "s3cret",
    "MLFLOW_TRACKING_URI": "sqlite://",
    "EDUSTREAM_SIGNING_KEY_FILE": "key",
}
ENVIRON = {"REGISTRY_URL": "s3://models", "PATH": "/usr/bin:/bin", **SECRETS}
LOCK = "# nothing is pinned here\n"

Changed = Callable[[ReleaseContent], dict[str, Any]]


def git(folder: Path, *arguments: str) -> None:
    who = ("-c", "user.name=tester", "-c", "user.email=tester@example.org")
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def producer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The producer's folder in a repository with one commit."""
    top = tmp_path_factory.mktemp("clone")
    folder = top / "repo-ml"
    folder.mkdir()
    write_project(folder)
    shutil.copy(REPOSITORY / "train_publish.py", folder)
    (folder / "requirements.lock").write_text(LOCK)
    (folder / ".gitignore").write_text("releases/\n")
    git(top, "init", "--quiet")
    git(top, "add", "--all")
    git(top, "commit", "--quiet", "--message", "the first")
    return folder


@pytest.fixture(scope="module")
def released(
    producer: Path, small_training: Training, tmp_path_factory: pytest.TempPathFactory
) -> tuple[ReleaseContent, Path]:
    """What the producer states of a release from that commit, and the folder of its files."""
    files = tmp_path_factory.mktemp("released")
    return write_release(small_training, files, producer), files


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> RegistrySimulator:
    simulator = RegistrySimulator()
    monkeypatch.setattr(command, "open_reader", lambda settings: simulator.reader)
    return simulator


def rebuild(
    registry: RegistrySimulator,
    producer: Path,
    released: tuple[ReleaseContent, Path],
    *arguments: str,
    **changed: Any,
) -> int:
    content, files = released
    registry.publish(content.model_copy(update=changed), files, "1.2.0")
    return command.main(["churn@1.2.0", "--environment", "current", *arguments], ENVIRON, producer)


def test_the_same_model_comes_out(
    registry: RegistrySimulator,
    producer: Path,
    released: tuple[ReleaseContent, Path],
    capfd: pytest.CaptureFixture[str],
) -> None:
    """The work tree has gone on since: what is in the commit alone counts."""
    config = producer / "configs" / "churn.yaml"
    kept = config.read_bytes()
    config.write_text("nonsense")
    try:
        assert rebuild(registry, producer, released) == 0
    finally:
        config.write_bytes(kept)
    said = capfd.readouterr().out
    content, _ = released
    assert "REBUILT: the same model, byte for byte: churn@1.2.0" in said
    assert f"same    model.onnx  {content.file('model.onnx').sha256}" in said
    assert said.count("same    ") == len(content.files)
    assert "DIFFERS" not in said


def test_another_model_exits_with_4(
    registry: RegistrySimulator,
    producer: Path,
    released: tuple[ReleaseContent, Path],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, files = released

    def train_otherwise(recipe: object, folder: Path, environment: object, made: Path) -> None:
        shutil.copytree(files, made)
        (made / "model.onnx").write_bytes(b"another model")
        (made / "model_card.md").unlink()

    monkeypatch.setattr(command, "_train", train_otherwise)
    assert rebuild(registry, producer, released) == 4
    said = capsys.readouterr()
    assert "DIFFERS model.onnx  released " in said.out
    assert "DIFFERS model_card.md  released" in said.out
    assert "now not made" in said.out
    assert "same    metrics.json" in said.out
    assert "model.onnx of churn@1.2.0 has the SHA-256" in said.err


def test_a_training_that_fails_is_told_from_another_model_and_is_given_no_keys(
    registry: RegistrySimulator,
    tmp_path: Path,
    released: tuple[ReleaseContent, Path],
    producer: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    top = tmp_path / "clone"
    shutil.copytree(producer.parent, top)
    seen = {"REGISTRY_URL", *SECRETS}
    program = f"import os; raise SystemExit(4 if {seen!r} & os.environ.keys() else 3)\n"
    (top / "repo-ml" / "train_publish.py").write_text(program)
    git(top, "commit", "--quiet", "--all", "--message", "broken")
    code = code_version(top / "repo-ml")
    assert rebuild(registry, top / "repo-ml", released, code=code) == 2
    assert "The training of churn@1.2.0 ended with exit code 3, and made no model." in capfd.readouterr().err


def stated(**changed: Any) -> Changed:
    return lambda content: {"rebuild": content.rebuild.model_copy(update=changed)}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (lambda content: {"code": CodeVersion(commit="0" * 40, dirty=False)}, "The commit 0000000000"),
        (
            lambda content: {"code": content.code.model_copy(update={"dirty": True})},
            "changes that are not in the commit",
        ),
        (lambda content: {"code": CodeVersion(commit="unknown", dirty=False)}, "it was trained outside git"),
        (lambda content: {"code": CodeVersion(commit="main", dirty=False)}, "'main' is no commit"),
        (stated(command="python train_publish.py --config configs/churn.yaml; rm x"), "its command is not understood"),
        (stated(command="python train_publish.py --config ../../etc/x.yaml"), "its command is not understood"),
        (stated(lock_sha256="a" * 64), "requirements.lock of the commit "),
        (stated(config_sha256="a" * 64), "churn.yaml of the commit "),
        (lambda content: {"libraries": {**content.libraries, "numpy": "1.0"}}, "numpy: is "),
        (lambda content: {"libraries": {**content.libraries, PYTHON: "3.99.1"}}, "was made with Python 3.99.1;"),
        (
            lambda content: {"data": DataSource(name="telco_churn.csv", sha256="b" * 64, rows=600)},
            "are not in ",
        ),
    ],
)
def test_what_cannot_be_tried_is_said_before_any_training(
    registry: RegistrySimulator,
    producer: Path,
    released: tuple[ReleaseContent, Path],
    capsys: pytest.CaptureFixture[str],
    changed: Changed,
    said: str,
) -> None:
    assert rebuild(registry, producer, released, **changed(released[0])) == 2
    error = capsys.readouterr().err
    assert said in " ".join(error.split())
    assert "Next: " in error


def test_a_repository_outside_git_is_refused(
    registry: RegistrySimulator,
    tmp_path: Path,
    released: tuple[ReleaseContent, Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert rebuild(registry, tmp_path, released) == 2
    assert f"{tmp_path} is in no git repository." in " ".join(capsys.readouterr().err.split())


def test_a_release_that_was_made_with_changed_contracts_says_so(producer: Path, tmp_path: Path) -> None:
    top = tmp_path / "clone"
    shutil.copytree(producer.parent, top)
    assert not code_version(top / "repo-ml").dirty
    (top / "repo-ml" / "dvc.lock").write_text("what ran")
    (top / "elsewhere").write_text("no part of it")
    assert not code_version(top / "repo-ml").dirty
    (top / "contracts").mkdir()
    (top / "contracts" / "contract.json").write_text("{}")
    assert code_version(top / "repo-ml").dirty


def test_a_configuration_that_names_no_data_is_refused(
    registry: RegistrySimulator,
    tmp_path: Path,
    released: tuple[ReleaseContent, Path],
    producer: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    top = tmp_path / "clone"
    shutil.copytree(producer.parent, top)
    config = top / "repo-ml" / "configs" / "churn.yaml"
    config.write_text("model: churn\n")
    git(top, "commit", "--quiet", "--all", "--message", "another format")
    content, _ = released
    changed = {
        "code": code_version(top / "repo-ml"),
        "rebuild": content.rebuild.model_copy(update={"config_sha256": sha256_hex(config.read_bytes())}),
    }
    assert rebuild(registry, top / "repo-ml", released, **changed) == 2
    assert "churn.yaml of the release's commit names no data" in capsys.readouterr().err


def test_a_folder_without_the_producer_is_refused(
    registry: RegistrySimulator,
    producer: Path,
    released: tuple[ReleaseContent, Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert rebuild(registry, producer / "configs", released) == 2
    assert "has no train_publish.py in repo-ml/configs" in capsys.readouterr().err


def test_data_that_are_not_in_git_are_taken_from_where_they_are_said_to_be(
    registry: RegistrySimulator,
    tmp_path: Path,
    released: tuple[ReleaseContent, Path],
    producer: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Their place in the checkout, and the option that names them, are the release's own."""
    seen: list[tuple[bytes, list[str]]] = []

    def look(recipe: Any, folder: Path, environment: object, made: Path) -> None:
        seen.append(((folder / "data" / "new.csv").read_bytes(), recipe.options))
        shutil.copytree(released[1], made)

    monkeypatch.setattr(command, "_train", look)
    content, _ = released
    rows = (producer / "data" / "telco_churn.csv").read_bytes()
    kept = tmp_path / "kept.csv"
    kept.write_bytes(rows)
    changed = {
        "rebuild": content.rebuild.model_copy(
            update={"command": "python train_publish.py --config configs/churn.yaml --data data/new.csv --trials 7"}
        ),
        "data": content.data.model_copy(update={"name": "new.csv"}),
    }
    assert rebuild(registry, producer, released, **changed) == 2
    assert "name it with --data" in " ".join(capsys.readouterr().err.split())
    assert command.main(["churn@1.2.0", "--environment", "current", "--data", str(kept)], ENVIRON, producer) == 0
    ((placed, options),) = seen
    assert placed == rows
    assert options == [
        *("--config", "configs/churn.yaml", "--data", "data/new.csv", "--trials", "7"),
        *("--dry-run", "--publish-refused"),
    ]


def test_a_release_that_is_not_there_exits_with_3(
    registry: RegistrySimulator, producer: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["churn@9.9.9"], ENVIRON, producer) == 3
    assert "Next: " in capsys.readouterr().err


def test_a_fresh_environment_needs_what_the_producer_is_built_on(
    registry: RegistrySimulator,
    producer: Path,
    released: tuple[ReleaseContent, Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert rebuild(registry, producer, released, "--environment", "fresh") == 2
    assert "holds no contracts, on which the producer is built" in capsys.readouterr().err


def test_another_interpreter_is_asked_for_its_version(
    registry: RegistrySimulator,
    producer: Path,
    released: tuple[ReleaseContent, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    other = interpreter(tmp_path, "echo 3.9.1")
    assert rebuild(registry, producer, released, "--environment", "fresh", "--python", str(other)) == 2
    error = " ".join(capsys.readouterr().err.split())
    assert f"was made with Python {platform.python_version()}; {other} is Python 3.9.1" in error
    missing = [*("churn@1.2.0", "--environment", "fresh"), *("--python", str(tmp_path / "none"))]
    assert command.main(missing, ENVIRON, producer) == 2
    assert "cannot be run as Python" in capsys.readouterr().err


def test_an_environment_that_cannot_be_made_says_why(
    registry: RegistrySimulator,
    tmp_path: Path,
    released: tuple[ReleaseContent, Path],
    producer: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    top = tmp_path / "clone"
    shutil.copytree(producer.parent, top)
    for name in ("contracts", "artifact-registry"):
        (top / name).mkdir()
        (top / name / "pyproject.toml").write_text("")
    git(top, "add", "--all")
    git(top, "commit", "--quiet", "--message", "with its neighbours")
    code = code_version(top / "repo-ml")
    full = interpreter(tmp_path, f'[ "$1" = -c ] && echo {platform.python_version()} || ! echo no space left >&2')
    arguments = ("--environment", "fresh", "--python", str(full))
    assert rebuild(registry, top / "repo-ml", released, *arguments, code=code) == 2
    error = " ".join(capsys.readouterr().err.split())
    assert f"The environment of {code.commit} cannot be made; -m venv " in error
    assert "said: no space left" in error


def interpreter(folder: Path, script: str) -> Path:
    path = folder / "python"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


@pytest.mark.prove
def test_a_release_of_this_commit_is_rebuilt_in_a_fresh_environment(
    registry: RegistrySimulator, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """With the repository's own lock, contracts and registry client; only the model is a small one."""
    top = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", "--local", str(REPOSITORY.parent), str(top))
    folder = top / REPOSITORY.name
    write_project(folder)
    git(top, "commit", "--quiet", "--all", "--message", "a small model")
    training = train(load_plan(folder / "configs" / "churn.yaml"), ProgressReport(Console(quiet=True), 8))
    files = tmp_path / "released"
    content = write_release(training, files, folder)
    assert not content.code.dirty
    registry.publish(content, files, "1.2.0")
    assert command.main(["churn@1.2.0"], {**os.environ, **ENVIRON}, folder) == 0
    said = capfd.readouterr().out
    assert "REBUILT: the same model, byte for byte: churn@1.2.0" in said
    assert "DIFFERS" not in said
