from __future__ import annotations

import signal
import sys
import tomllib
from pathlib import Path

import pytest
from conftest import REPOSITORY

from edustream_ml import command


def test_help_names_every_command(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert command.main(["--help"], {}, tmp_path) == 0
    text = capsys.readouterr().out
    assert all(f"  {name}  " in text for name in command.COMMANDS)


@pytest.mark.parametrize("argv", [[], ["deploy"]])
def test_what_is_no_command_exits_with_2(capsys: pytest.CaptureFixture[str], tmp_path: Path, argv: list[str]) -> None:
    assert command.main(argv, {}, tmp_path) == 2
    assert "usage: edustream-ml COMMAND" in capsys.readouterr().err


@pytest.mark.parametrize("name", command.COMMANDS)
def test_every_command_explains_itself(capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str) -> None:
    with pytest.raises(SystemExit) as stopped:
        command.main([name, "--help"], {}, tmp_path)
    assert stopped.value.code == 0
    assert "exit codes" in capsys.readouterr().out


def test_the_installed_program_runs_in_the_current_folder(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert project["scripts"] == {"edustream-ml": "edustream_ml.command:run"}
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["edustream-ml", "publish", "--dry-run"])
    before = signal.getsignal(signal.SIGTERM)
    try:
        assert command.run() == 2
    finally:
        signal.signal(signal.SIGTERM, before)
    assert f"The configuration {tmp_path}/configs/churn.yaml cannot be read" in capsys.readouterr().err
