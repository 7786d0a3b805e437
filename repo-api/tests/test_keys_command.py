from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from edustream_api import cli
from edustream_api.access.command import main
from edustream_api.access.key_file import read_ring
from edustream_api.access.keys import PREFIX
from edustream_api.access.quota import Quota

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


def run(path: Path, *argv: str) -> int:
    return main(argv, {"EDUSTREAM_API_KEYS_FILE": str(path)}, path.with_name(".env"), lambda: NOW)


def test_a_key_is_printed_once_and_admitted(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(path, "add", "web-shop", "--limit", "100/minute", "--days", "30", "--model", "churn") == 0
    told = capsys.readouterr()
    secret = told.out.strip()
    assert secret.startswith(PREFIX)
    assert secret not in told.err
    key = read_ring(path).find(secret.encode())
    assert key is not None
    assert (key.name, key.quota, key.models) == ("web-shop", Quota(100, 60), ("churn",))
    assert str(key.expires_at) == "2026-03-02 12:00:00+00:00"

    assert run(path, "list") == 0
    listed = capsys.readouterr().out
    assert listed == f"{key.id}  web-shop  until 2026-03-02T12:00:00+00:00  100/minute  churn\n"


def test_lists_what_does_not_count_any_more(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(path, "add", "lab")
    run(path, "add", "old", "--days", "1")
    capsys.readouterr()
    assert main(["list"], {"EDUSTREAM_API_KEYS_FILE": str(path)}, clock=lambda: NOW.replace(month=12)) == 0
    lab, old = capsys.readouterr().out.splitlines()
    assert lab.endswith("lab  for ever  the consumer's limit  all models")
    assert "until 2026-02-01T12:00:00+00:00, expired" in old


def test_revokes_by_id_and_by_name(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("shop", "shop", "lab"):
        assert run(path, "add", name) == 0
    first = read_ring(path).keys[0]
    assert run(path, "revoke", first.id) == 0
    assert [key.name for key in read_ring(path).keys] == ["shop", "lab"]
    assert run(path, "revoke", "shop") == 0
    assert [key.name for key in read_ring(path).keys] == ["lab"]
    assert "within 1 s" in capsys.readouterr().err
    assert run(path, "revoke", "shop") == 2
    assert "no key with the id or the name shop" in capsys.readouterr().err


@pytest.mark.parametrize(
    "argv", [["add", "Web Shop"], ["revoke", "nobody"], ["list"], ["add", "shop", "--file", "/nowhere/keys.json"]]
)
def test_what_is_wrong_is_a_usage_error(path: Path, capsys: pytest.CaptureFixture[str], argv: list[str]) -> None:
    assert run(path, *argv) == 2
    assert "Next: " in capsys.readouterr().err
    assert not path.exists()


def test_a_model_that_cannot_be_one_is_refused_and_no_key_is_made(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(path, "add", "lab")
    before = path.read_bytes()
    capsys.readouterr()
    assert run(path, "add", "shop", "--model", "Churn", "--model", "housing", "--model", "churn@production") == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert "--model names what no model can be called: 'Churn', 'churn@production'." in told.err
    assert path.read_bytes() == before


def test_what_is_told_of_a_broken_file_mends_it(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path.write_text("{")
    assert run(path, "add", "shop") == 2
    assert "move it away and write it anew with `serve_consume.py keys add NAME`" in capsys.readouterr().err
    path.rename(path.with_name("aside"))
    assert run(path, "add", "shop") == 0
    assert [key.name for key in read_ring(path).keys] == ["shop"]


@pytest.mark.parametrize("argv", [["add", "shop", "--limit", "many"], ["add", "shop", "--days", "0"], ["add"], []])
def test_what_cannot_be_read_is_a_usage_error(path: Path, argv: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run(path, *argv)
    assert caught.value.code == 2


@pytest.mark.parametrize("days", ["0", "-1", "abc", "nan", "36526", ""])
def test_a_number_of_days_that_is_none_is_told_with_what_is_expected(
    path: Path, capsys: pytest.CaptureFixture[str], days: str
) -> None:
    with pytest.raises(SystemExit) as caught:
        run(path, "add", "shop", "--days", days)
    assert caught.value.code == 2
    told = capsys.readouterr().err
    assert f"argument --days: {days!r}; expected: a number of more than 0, at most 36525\n" in told


def test_without_a_file_nothing_is_done(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["list"], {}, tmp_path / ".env") == 2
    assert "EDUSTREAM_API_KEYS_FILE is not set" in capsys.readouterr().err


def test_is_a_command_of_the_entry_point(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path.with_name(".env").write_text(f"EDUSTREAM_API_KEYS_FILE={path}\n")
    assert cli.main(["keys", "add", "shop"], {}, path.with_name(".env")) == 0
    assert read_ring(path).find(capsys.readouterr().out.strip().encode()) is not None
