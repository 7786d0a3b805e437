from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
from conftest import settings_in
from typer.testing import CliRunner

from edustream_contracts.contract import ModelContract
from edustream_contracts.errors import InvalidInput, NothingToServe
from edustream_registry import cli, presentation
from edustream_registry.authorship import open_author
from edustream_registry.cli import app
from edustream_registry.env_file import write_env_file
from edustream_registry.local_server import RunningServer, free_ports
from edustream_registry.provisioning import Folders, Provisioner
from edustream_registry.publishing import Publisher
from edustream_registry.serving import ENDING
from edustream_registry.signing import Signer
from edustream_registry.testing.simulator import write_release
from edustream_registry.trust import TrustPolicy

GROUP = typer.main.get_group(app)
COMMANDS = GROUP.commands
SCRIPT = Path(sys.executable).with_name("edustream-registry")
REASON = "it was [bold]bad[/] :bug:"


@pytest.fixture(scope="module")
def repos(
    seaweedfs_server: RunningServer, tmp_path_factory: pytest.TempPathFactory, contract: ModelContract
) -> Folders:
    """A registry of its own with churn 1.0.0 and 1.0.1; nothing is promoted."""
    root = tmp_path_factory.mktemp("cli")
    written = Folders.below(root)
    Provisioner(dataclasses.replace(settings_in(seaweedfs_server.admin_env), bucket="cli-tests")).init(written)
    author = open_author(settings_in(written.producer / ".env"), "the producer")
    for name in ("a", "b"):
        Publisher(author).publish(write_release(root / name, contract, name.encode()), root / name)
    return written


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("AWS_", "EDUSTREAM_", "REGISTRY_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("EDUSTREAM_WHO", "a person")


def run(*words: str, env_file: Path) -> str:
    """What a command that succeeds prints."""
    result = CliRunner().invoke(app, [*words, "--env-file", str(env_file)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def run_json(*words: str, env_file: Path) -> Any:
    return json.loads(run(*words, "--json", env_file=env_file))


def test_a_release_from_promotion_to_yank(repos: Folders, tmp_path: Path) -> None:
    writer, reader = repos.producer / ".env", repos.consumer / ".env"

    first = run_json("promote", "churn@1.0.0", "--to", "production", env_file=writer)
    assert (first["moved"], first["entry"]["sequence"], first["entry"]["promoted_by"]) == (True, 1, "a person")
    again = run("promote", "churn@1.0.0", "--to", "production", env_file=writer)
    assert "churn@production pointed already at churn@1.0.0 (entry 1)." in again
    moved = run("promote", "churn@1.0.1", "--to", "production", "--reason", REASON, env_file=writer)
    assert "churn@production now points at churn@1.0.1 (entry 2)." in moved

    found = run_json("resolve", "churn@production", env_file=reader)
    assert (found["version"], found["sequence"]) == ("1.0.1", 2)
    assert "1.0.1" in run("resolve", "churn@^1", env_file=reader)
    (model,) = run_json("models", env_file=reader)
    assert model == {"model": "churn", "latest": "1.0.1", "channels": {"production": "1.0.1"}}
    assert "production → 1.0.1" in run("models", env_file=reader)
    rows = run_json("releases", "churn", env_file=reader)
    assert [(row["version"], row["yanked"]) for row in rows] == [("1.0.0", False), ("1.0.1", False)]
    assert "roc_auc 0.8500" in run("releases", "churn", env_file=reader)
    shown = run_json("show", "churn@production", env_file=reader)
    assert found["manifest_digest"] in json.dumps(shown)
    assert "model.onnx" in run("show", "churn@production", env_file=reader)
    pulled = run_json("pull", "churn@production", "--to", str(tmp_path / "pulled"), env_file=reader)
    assert sorted(pulled["files"]) == ["contract.json", "golden.json", "model.onnx", "model.sig"]
    assert (tmp_path / "pulled" / "model.onnx").read_bytes() == b"b"
    assert "4 files verified" in run("pull", "churn@1.0.0", "--to", str(tmp_path / "other"), env_file=reader)
    assert len(run_json("check", "churn@production", env_file=reader)["passed"]) == 5
    assert "churn@1.0.1 may be deployed." in run("check", "churn@production", env_file=reader)

    back = run_json("rollback", "churn@production", "--reason", "bad", env_file=writer)
    assert back["entry"]["version"] == "1.0.0"
    moves = run_json("history", "churn@production", env_file=reader)
    assert [move["version"] for move in moves] == ["1.0.0", "1.0.1", "1.0.0"]
    assert moves[1]["reason"] == REASON
    assert REASON in run("history", "churn@production", env_file=reader)

    yanked = run_json("yank", "churn@1.0.0", "--reason", REASON, env_file=writer)
    assert (yanked["new"], yanked["channels"], yanked["tombstone"]["reason"]) == (True, ["production"], REASON)
    assert "was yanked before" in run("yank", "churn@1.0.0", "--reason", "again", env_file=writer)
    assert "yanked" in run("releases", "churn", env_file=reader)
    with pytest.raises(NothingToServe, match="was yanked by a person"):
        run("resolve", "churn@production", env_file=reader)


def test_what_is_empty_is_said_to_be_empty(seaweedfs_server: RunningServer, tmp_path: Path) -> None:
    admin = dataclasses.replace(settings_in(seaweedfs_server.admin_env), bucket="cli-empty")
    folders = Folders.below(tmp_path)
    Provisioner(admin).init(folders)
    env_file = folders.consumer / ".env"

    assert "holds no model yet. Publish one" in run("models", env_file=env_file)
    assert run_json("models", env_file=env_file) == []
    assert "churn has no release in" in run("releases", "churn", env_file=env_file)
    with pytest.raises(NothingToServe, match="churn@production was looked for"):
        run("history", "churn@production", env_file=env_file)


def test_init_says_what_it_made(seaweedfs_server: RunningServer, tmp_path: Path) -> None:
    arguments = ["init", "--root", str(tmp_path), "--env-file", str(seaweedfs_server.admin_env)]

    printed = CliRunner().invoke(app, arguments, catch_exceptions=False).stdout

    assert "Rights: the store refused a consumer's write." in printed
    assert str(tmp_path / "repo-api" / ".env") in printed


@pytest.mark.parametrize(
    ("engine", "prepare", "number"),
    [("moto", False, signal.SIGTERM), ("moto", False, signal.SIGHUP), ("seaweedfs", True, signal.SIGINT)],
)
@pytest.mark.usefixtures("_signals")
def test_serve_runs_until_a_signal(
    engine: str, prepare: bool, number: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presentation, "ready", lambda: signal.raise_signal(number))
    arguments = ["serve", "--engine", engine, "--port", "0", "--data", str(tmp_path / "data")]

    result = CliRunner().invoke(app, [*arguments, *(["--init", str(tmp_path)] if prepare else [])])

    assert result.exit_code == 0
    assert f"{engine} answers at http://127.0.0.1:" in result.stdout
    assert "Registry stopped." in result.stdout
    assert (tmp_path / "repo-api" / ".env").is_file() is prepare
    assert ("Next, in another terminal" in result.stdout) is not prepare


@pytest.fixture
def _signals() -> Iterator[None]:
    held = {number: signal.getsignal(number) for number in ENDING}
    yield
    for number, handler in held.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("command", [["serve", "--port", "0", "--data"], ["init", "--root"]])
def test_a_folder_that_cannot_be_written_is_named(
    command: list[str], tmp_path: Path, seaweedfs_server: RunningServer
) -> None:
    (tmp_path / "file").touch()
    folder = tmp_path / "file" / "folder"
    of_admin = ["--env-file", str(seaweedfs_server.admin_env)] if command[0] == "init" else []
    arguments = [*command, str(folder), *of_admin]

    with pytest.raises(InvalidInput, match=f"{folder}.* cannot be written: Not a directory"):
        CliRunner().invoke(app, arguments, catch_exceptions=False)


def test_an_env_file_that_was_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="There is no env file"):
        CliRunner().invoke(app, ["models", "--env-file", str(tmp_path / "typo.env")], catch_exceptions=False)


def test_serve_says_when_it_is_ready(capsys: pytest.CaptureFixture[str]) -> None:
    presentation.ready()

    assert "Press Ctrl-C" in capsys.readouterr().out


# --- errors and exit codes ---


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["resolve", "churn@production"], 2, "REGISTRY_URL"),
        (["resolve", "churn"], 2, "does not say which release"),
        (["promote", "churn@production", "--to", "x"], 2, "names no exact version"),
        (["history", "churn@1.0.0"], 2, "names no channel"),
    ],
)
def test_bad_input_ends_with_two(
    words: list[str], code: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any, repos: Folders
) -> None:
    (tmp_path / "empty").touch()
    env_file = tmp_path / "empty" if said == "REGISTRY_URL" else repos.producer / ".env"
    monkeypatch.setattr(sys, "argv", ["edustream-registry", *words, "--env-file", str(env_file)])

    with pytest.raises(SystemExit) as caught:
        cli.main()

    printed = capsys.readouterr()
    assert caught.value.code == code
    assert said in printed.err
    assert "Next:" in printed.err
    assert printed.out == ""


def in_a_process(*words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "EDUSTREAM_"))}
    return subprocess.run([str(SCRIPT), *words], capture_output=True, text=True, env=plain | environ, check=False)


def test_a_process_prints_json_alone(repos: Folders) -> None:
    done = in_a_process("resolve", "churn@1.0.1", "--json", "--env-file", str(repos.consumer / ".env"))

    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["version"] == "1.0.1"


def test_nothing_to_serve_ends_with_three(repos: Folders) -> None:
    done = in_a_process("resolve", "churn@9.9.9", "--env-file", str(repos.consumer / ".env"))

    assert (done.returncode, done.stdout) == (3, "")
    assert "error (release_missing) churn@9.9.9 is not in s3://cli-tests" in done.stderr


def test_a_strangers_release_ends_with_four(repos: Folders, tmp_path: Path) -> None:
    stranger = tmp_path / "trust.json"
    stranger.write_bytes(TrustPolicy((Signer.generate().public,)).to_json())

    done = in_a_process(
        "resolve", "churn@1.0.1", "--env-file", str(repos.consumer / ".env"), EDUSTREAM_TRUST_FILE=str(stranger)
    )

    assert done.returncode == 4
    assert "error (signature)" in done.stderr


def test_no_registry_ends_with_six_and_says_how_to_start_one(repos: Folders, tmp_path: Path) -> None:
    write_env_file(
        tmp_path / ".env",
        {
            "REGISTRY_URL": "s3://models",
            "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{free_ports(1)[0]}",
            "AWS_ACCESS_KEY_ID": "x",
            "AWS_SECRET_ACCESS_KEY": "y",
            "EDUSTREAM_TRUST_FILE": str(repos.consumer / "trust.json"),
        },
    )

    done = in_a_process("models", "--env-file", str(tmp_path / ".env"))

    assert done.returncode == 6
    assert "make registry" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_consumers_key_promotes_nothing(repos: Folders) -> None:
    done = in_a_process("promote", "churn@1.0.1", "--to", "production", "--env-file", str(repos.consumer / ".env"))

    assert done.returncode == 2
    assert "is not in the trust file" in done.stderr


def test_a_stolen_signing_key_alone_promotes_nothing(repos: Folders) -> None:
    done = in_a_process(
        "promote",
        "churn@1.0.1",
        "--to",
        "stolen",
        "--env-file",
        str(repos.consumer / ".env"),
        EDUSTREAM_SIGNING_KEY_FILE=str(repos.producer / "signing-key.pem"),
    )

    assert done.returncode == 6
    assert "error (access_denied)" in done.stderr


# --- help ---


def test_every_command_of_the_design_is_there() -> None:
    assert set(COMMANDS) == {
        *("init", "serve", "models", "releases", "show", "resolve", "pull"),
        *("promote", "rollback", "history", "yank", "check"),
        *("doctor", "policy", "audit", "gc", "diff", "keys", "needs", "types"),
    }


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_and_option_has_help(name: str) -> None:
    command = COMMANDS[name]

    assert command.help
    assert command.help.endswith(".")
    for parameter in command.params:
        assert getattr(parameter, "help", None), parameter.name
    assert CliRunner().invoke(app, [name, "--help"]).exit_code == 0
