from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import settings_in
from typer.testing import CliRunner

from edustream_contracts.errors import GateRefused, InvalidInput, Unreachable
from edustream_registry.cli import app
from edustream_registry.env_file import write_env_file
from edustream_registry.examination import Examination, Finding, Verdict
from edustream_registry.local_server import RunningServer
from edustream_registry.provisioning import Folders
from edustream_registry.store_doctor import StoreDoctor

FOUND = [
    Finding("create race", Verdict.OK, "one [bold]winner[/]", {"slowest_answer_s": 0.1}),
    Finding("clock skew", Verdict.WARNING, "7 s behind this machine"),
]
LOST = Finding("second create", Verdict.UNSAFE, "answered with 200")


@pytest.fixture
def examined(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the doctor finds, and whom it was asked about."""
    asked: list[Any] = []

    def examine(doctor: StoreDoctor) -> Examination:
        asked.append(doctor)
        return Examination("s3://models", tuple(FOUND))

    monkeypatch.setattr(StoreDoctor, "examine", examine)
    return asked


def run(*words: str) -> str:
    result = CliRunner().invoke(app, ["doctor", *words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_safe_store_is_said_to_be_safe(examined: list[Any], folders: Folders) -> None:
    printed = run("--env-file", str(folders.admin / ".env"), "--rounds", "7")

    assert "one [bold]winner[/]" in printed
    assert "warning" in printed
    assert "s3://models is safe for a registry." in printed
    assert examined[0]._rounds == 7


def test_what_was_not_tried_is_not_said_to_be_safe(examined: list[Any], folders: Folders, monkeypatch: Any) -> None:
    skipped = [Finding(f"rights of the {role}", Verdict.SKIPPED, "no key") for role in ("producer", "consumer")]
    monkeypatch.setattr(StoreDoctor, "examine", lambda _: Examination("s3://models", (*FOUND, *skipped)))

    printed = run("--env-file", str(folders.admin / ".env"))
    document = json.loads(run("--env-file", str(folders.admin / ".env"), "--json"))

    assert "is safe" not in printed
    assert "Not tried: rights of the producer, rights of the consumer." in " ".join(printed.split())
    assert document["untried"] == ["rights of the producer", "rights of the consumer"]


def test_programs_get_every_finding(examined: list[Any], folders: Folders) -> None:
    users = dict(zip(("administrator", "producer", "consumer"), folders.all, strict=True))
    files = [f"--{role}-env={folder / '.env'}" for role, folder in users.items()]

    document = json.loads(run("--env-file", str(folders.admin / ".env"), *files, "--json"))

    assert (document["store"], document["safe"]) == ("s3://models", True)
    assert document["findings"][0] == {
        "check": "create race",
        "verdict": "ok",
        "detail": "one [bold]winner[/]",
        "figures": {"slowest_answer_s": 0.1},
    }
    assert "figures" not in document["findings"][1]
    assert {role: key.access_key_id for role, key in examined[0]._users.items()} == {
        role: settings_in(folder / ".env").access_key_id for role, folder in users.items()
    }


def test_an_unsafe_store_is_refused_after_the_findings(
    examined: list[Any], folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(StoreDoctor, "examine", lambda _: Examination("s3://models", (*FOUND, LOST)))

    result = CliRunner().invoke(app, ["doctor", "--env-file", str(folders.admin / ".env"), "--json"])

    assert json.loads(result.stdout)["safe"] is False
    assert isinstance(result.exception, GateRefused)
    assert "second create: answered with 200" in str(result.exception)


def test_programs_are_told_why_a_store_could_not_be_examined(folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(_: StoreDoctor) -> Examination:
        raise Unreachable("bucket_missing", "There is none.", remedy="create it.")

    monkeypatch.setattr(StoreDoctor, "examine", gone)

    result = CliRunner().invoke(app, ["doctor", "--env-file", str(folders.admin / ".env"), "--json"])
    silent = CliRunner().invoke(app, ["doctor", "--env-file", str(folders.admin / ".env")])

    assert json.loads(result.stdout) == {
        "store": settings_in(folders.admin / ".env").location,
        "safe": None,
        "exit_code": 6,
        "kind": "bucket_missing",
        "message": "There is none.",
        "problems": [],
        "next": "create it.",
    }
    assert isinstance(result.exception, Unreachable)
    assert silent.stdout == ""


def test_the_key_of_another_registry_is_refused(
    examined: list[Any], folders: Folders, tmp_path: Path, seaweedfs_server: RunningServer
) -> None:
    other = tmp_path / "other.env"
    write_env_file(other, {"REGISTRY_URL": "s3://elsewhere", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"})

    with pytest.raises(InvalidInput, match=r"holds no key of the consumer of s3://models.*s3://elsewhere"):
        run("--env-file", str(folders.admin / ".env"), "--consumer-env", str(other))
    assert examined == []
