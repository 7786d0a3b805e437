"""A release is made again in a git repository like the real one: the producer's folder, beside it nothing."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from conftest import REPOSITORY, write_project
from rich.console import Console

from edustream_contracts.canonical import sha256_hex
from edustream_ml import release
from edustream_ml.configuration import load_plan
from edustream_ml.libraries import PYTHON, library_versions
from edustream_ml.progress import ProgressReport
from edustream_ml.provenance import NEIGHBOURS, code_version
from edustream_ml.rebuild import command
from edustream_ml.release import obstacles, write_release
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
RELEASE = "churn@1.2.0"
LOCK = "".join(f"{name}=={number}\n" for name, number in library_versions().items() if name != PYTHON)

BUILD_WHEELS = ("-m", "pip", "--disable-pip-version-check", "--quiet", "wheel", "--no-deps", "--no-build-isolation")

Changed = Callable[[ReleaseContent], dict[str, Any]]


def git(folder: Path, *arguments: str) -> None:
    who = ("-c", "user.name=tester", "-c", "user.email=tester@example.org")
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)


@dataclass(frozen=True)
class Released:
    """What the producer in `folder` states of a release from its commit, the release's files, and a registry."""

    folder: Path
    content: ReleaseContent
    files: Path
    registry: RegistrySimulator

    def rebuild(self, *arguments: str, environment: str = "current", **changed: Any) -> int:
        """Publish the release, changed, and rebuild it; returns the exit code."""
        self.registry.publish(self.content.model_copy(update=changed), self.files, "1.2.0")
        return self.again(*arguments, environment=environment)

    def again(self, *arguments: str, environment: str = "current") -> int:
        """Rebuild what is published already."""
        return command.main([RELEASE, "--environment", environment, *arguments], ENVIRON, self.folder)

    def of_another_clone(self, folder: Path, message: str = "another commit", **written: str) -> Released:
        """The same of a clone of its own below `folder`, with another commit of the files that are `written`."""
        top = folder / "clone"
        shutil.copytree(self.folder.parent, top)
        for name, text in written.items():
            path = top / self.folder.name / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        git(top, "add", "--all")
        git(top, "commit", "--quiet", "--allow-empty", "--message", message)
        code = code_version(top / self.folder.name)
        return replace(self, folder=top / self.folder.name, content=self.content.model_copy(update={"code": code}))


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
def written(
    producer: Path, small_training: Training, tmp_path_factory: pytest.TempPathFactory
) -> tuple[ReleaseContent, Path]:
    files = tmp_path_factory.mktemp("released")
    return write_release(small_training, files, producer), files


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> RegistrySimulator:
    simulator = RegistrySimulator()
    monkeypatch.setattr(command, "open_reader", lambda settings: simulator.reader)
    return simulator


@pytest.fixture
def released(producer: Path, written: tuple[ReleaseContent, Path], registry: RegistrySimulator) -> Released:
    return Released(producer, *written, registry)


def one_line(text: str) -> str:
    return " ".join(text.split())


def test_the_same_model_comes_out(released: Released, capfd: pytest.CaptureFixture[str]) -> None:
    """The work tree has gone on since: what is in the commit alone counts."""
    config = released.folder / "configs" / "churn.yaml"
    kept = config.read_bytes()
    config.write_text("nonsense")
    try:
        assert released.rebuild() == 0
    finally:
        config.write_bytes(kept)
    said = capfd.readouterr().out
    assert "REBUILT: the same model, byte for byte: churn@1.2.0" in said
    assert f"same    model.onnx  {released.content.file('model.onnx').sha256}" in said
    assert said.count("same    ") == len(released.content.files)
    assert "DIFFERS" not in said


def test_another_model_exits_with_4(
    released: Released, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def train_otherwise(recipe: object, folder: Path, environment: object, made: Path) -> None:
        shutil.copytree(released.files, made)
        (made / "model.onnx").write_bytes(b"another model")
        (made / "model_card.md").unlink()

    monkeypatch.setattr(command, "_train", train_otherwise)
    assert released.rebuild() == 4
    said = capsys.readouterr()
    assert "DIFFERS model.onnx  released " in said.out
    assert "DIFFERS model_card.md  released" in said.out
    assert "now not made" in said.out
    assert "same    metrics.json" in said.out
    assert "model.onnx of churn@1.2.0 has the SHA-256" in said.err


def test_a_training_that_fails_is_told_from_another_model_and_is_given_no_keys(
    released: Released, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    seen = {"REGISTRY_URL", *SECRETS}
    program = f"import os; raise SystemExit(4 if {seen!r} & os.environ.keys() else 3)\n"
    assert released.of_another_clone(tmp_path, **{"train_publish.py": program}).rebuild() == 2
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
        (lambda content: {"libraries": {**content.libraries, "pillow": "1.0"}}, "pillow: is "),
        (lambda content: {"libraries": {**content.libraries, "gone": "1.0"}}, "gone: is not installed here"),
        (lambda content: {"libraries": {**content.libraries, PYTHON: "3.99.1"}}, "was made with Python 3.99.1;"),
        (
            lambda content: {"data": DataSource(name="telco_churn.csv", sha256="b" * 64, rows=600)},
            "are not in ",
        ),
    ],
)
def test_what_cannot_be_tried_is_said_before_any_training(
    released: Released, capsys: pytest.CaptureFixture[str], changed: Changed, said: str
) -> None:
    assert released.rebuild(**changed(released.content)) == 2
    error = capsys.readouterr().err
    assert said in one_line(error)
    assert "Next: " in error


def test_a_release_that_was_not_made_with_its_lock_is_not_made_again_from_it(
    released: Released, capsys: pytest.CaptureFixture[str]
) -> None:
    numpy = released.content.libraries["numpy"]
    libraries = {**released.content.libraries, "numpy": "1.0"}
    assert obstacles(released.content.model_copy(update={"libraries": libraries}), released.folder) == [
        f"numpy is 1.0; requirements.lock pins {numpy}"
    ]
    assert released.rebuild(environment="fresh", libraries=libraries) == 2
    error = capsys.readouterr().err
    assert "churn@1.2.0 was not made with what requirements.lock of its commit pins." in error
    assert f"numpy: is 1.0; requirements.lock pins {numpy}" in error


def test_a_repository_outside_git_is_refused(
    released: Released, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert replace(released, folder=tmp_path).rebuild() == 2
    assert f"{tmp_path} is in no git repository." in one_line(capsys.readouterr().err)


def test_a_release_that_was_made_with_changed_contracts_says_so(released: Released, tmp_path: Path) -> None:
    folder = released.of_another_clone(tmp_path).folder
    assert not code_version(folder).dirty
    (folder / "dvc.lock").write_text("what ran")
    (folder.parent / "elsewhere").write_text("no part of it")
    assert not code_version(folder).dirty
    (folder.parent / "contracts").mkdir()
    (folder.parent / "contracts" / "contract.json").write_text("{}")
    assert code_version(folder).dirty


def test_a_release_of_another_configuration_or_contract_than_the_commits_says_so(
    released: Released, small_training: Training, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever the configuration lay, and wherever the contract was installed from: what was read counts."""
    contract = (released.files / "contract.json").read_bytes()
    monkeypatch.setattr(
        release, "release_files", lambda training: {"model.onnx": training.onnx, "contract.json": contract}
    )

    def made(training: Training, folder: Path) -> list[str]:
        return obstacles(write_release(training, tmp_path / "made", folder), folder)

    assert made(small_training, released.folder) == []
    changed = ["code, configuration or contract are not those of the commit "]
    elsewhere = replace(small_training, plan=replace(small_training.plan, sha256="0" * 64))
    assert [reason[:-12] for reason in made(elsewhere, released.folder)] == changed
    renamed = replace(small_training, plan=replace(small_training.plan, path=tmp_path / "mine.yaml"))
    assert [reason[:-12] for reason in made(renamed, released.folder)] == changed

    path = "../contracts/models/churn/contract.json"
    same = released.of_another_clone(tmp_path / "same", **{path: contract.decode()})
    assert made(small_training, same.folder) == []
    other = released.of_another_clone(tmp_path / "other", **{path: "{}"})
    assert [reason[:-12] for reason in made(small_training, other.folder)] == changed
    assert made(small_training, tmp_path)[0] == "it is made outside git"


def test_a_configuration_that_names_no_data_is_refused(
    released: Released, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = "model: churn\n"
    other = released.of_another_clone(tmp_path, **{"configs/churn.yaml": config})
    assert other.rebuild(**stated(config_sha256=sha256_hex(config.encode()))(released.content)) == 2
    assert "churn.yaml of the release's commit names no data" in capsys.readouterr().err


def test_a_folder_without_the_producer_is_refused(released: Released, capsys: pytest.CaptureFixture[str]) -> None:
    assert replace(released, folder=released.folder / "configs").rebuild() == 2
    assert "has no train_publish.py in repo-ml/configs" in capsys.readouterr().err


def test_data_that_are_not_in_git_are_taken_from_where_they_are_said_to_be(
    released: Released, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their place in the checkout, and the option that names them, are the release's own."""
    seen: list[tuple[bytes, list[str]]] = []

    def look(recipe: Any, folder: Path, environment: object, made: Path) -> None:
        seen.append(((folder / "data" / "new.csv").read_bytes(), recipe.options))
        shutil.copytree(released.files, made)

    monkeypatch.setattr(command, "_train", look)
    rows = (released.folder / "data" / "telco_churn.csv").read_bytes()
    kept = tmp_path / "kept.csv"
    kept.write_bytes(rows)
    given = "python train_publish.py --config configs/churn.yaml --data data/new.csv --trials 7"
    data = released.content.data.model_copy(update={"name": "new.csv"})
    assert released.rebuild(data=data, **stated(command=given)(released.content)) == 2
    assert "name it with --data" in one_line(capsys.readouterr().err)
    assert released.again("--data", str(kept)) == 0
    ((placed, options),) = seen
    assert placed == rows
    assert options == [
        *("--config", "configs/churn.yaml", "--data", "data/new.csv", "--trials", "7"),
        *("--dry-run", "--publish-refused"),
    ]


def test_a_release_that_is_not_there_exits_with_3(released: Released, capsys: pytest.CaptureFixture[str]) -> None:
    assert released.again() == 3
    assert "Next: " in capsys.readouterr().err


def test_a_fresh_environment_needs_what_the_producer_is_built_on(
    released: Released, capsys: pytest.CaptureFixture[str]
) -> None:
    assert released.rebuild(environment="fresh") == 2
    error = one_line(capsys.readouterr().err)
    assert "holds no contracts, on which the producer is built. Next: name the folder that holds the wheels" in error


def test_what_the_producer_is_built_on_is_named_where_its_commit_does_not_say_it(
    released: Released, tmp_path: Path, small_training: Training
) -> None:
    apart = write_release(small_training, tmp_path / "apart", released.folder).libraries
    neighbours = {f"../{name}/pyproject.toml": "" for name in NEIGHBOURS}
    together = write_release(
        small_training, tmp_path / "together", released.of_another_clone(tmp_path, **neighbours).folder
    ).libraries
    assert {name: version(name) for name in NEIGHBOURS.values()}.items() <= apart.items()
    assert set(apart) - set(together) == set(NEIGHBOURS.values())


def test_another_interpreter_is_asked_for_its_version(
    released: Released, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = interpreter(tmp_path, "echo 3.9.1")
    assert released.rebuild("--python", str(other), environment="fresh") == 2
    error = one_line(capsys.readouterr().err)
    assert f"was made with Python {platform.python_version()}; {other} is Python 3.9.1" in error
    assert released.again("--python", str(tmp_path / "none"), environment="fresh") == 2
    assert "cannot be run as Python" in capsys.readouterr().err


def test_an_environment_that_cannot_be_made_says_why(
    released: Released, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    neighbours = {f"../{name}/pyproject.toml": "" for name in ("contracts", "artifact-registry")}
    other = released.of_another_clone(tmp_path, **neighbours)
    full = interpreter(tmp_path, f'[ "$1" = -c ] && echo {platform.python_version()} || ! echo no space left >&2')
    assert other.rebuild("--python", str(full), environment="fresh") == 2
    error = one_line(capsys.readouterr().err)
    assert f"The environment of {other.content.code.commit} cannot be made; -m venv " in error
    assert "said: no space left" in error


def interpreter(folder: Path, script: str) -> Path:
    path = folder / "python"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


@pytest.mark.prove
@pytest.mark.parametrize("whole", [True, False], ids=["all repositories in one", "a repository of its own"])
def test_a_release_of_this_commit_is_rebuilt_in_a_fresh_environment(
    registry: RegistrySimulator, tmp_path: Path, capfd: pytest.CaptureFixture[str], *, whole: bool
) -> None:
    """With the repository's own lock, contracts and registry client; only the model is a small one."""
    top = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", "--local", str(REPOSITORY.parent), str(top))
    folder = top / REPOSITORY.name
    wheels = tmp_path / "wheels"
    if not whole:
        neighbours = [str(top / name) for name in NEIGHBOURS]
        subprocess.run([sys.executable, *BUILD_WHEELS, "--wheel-dir", str(wheels), *neighbours], check=True)
        top = folder
        git(top, "init", "--quiet")
        git(top, "add", "--all")
    write_project(folder)
    git(top, "add", "--update")
    git(top, "commit", "--quiet", "--message", "a small model")
    training = train(load_plan(folder / "configs" / "churn.yaml"), ProgressReport(Console(quiet=True), 8))
    files = tmp_path / "released"
    content = write_release(training, files, folder)
    assert obstacles(content, folder) == []
    registry.publish(content, files, "1.2.0")
    given = [] if whole else ["--wheels", str(wheels)]
    assert command.main(["churn@1.2.0", *given], {**os.environ, **ENVIRON}, folder) == 0
    said = capfd.readouterr().out
    assert "REBUILT: the same model, byte for byte: churn@1.2.0" in said
    assert "DIFFERS" not in said
