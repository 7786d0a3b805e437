from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import pytest
from clients import keeper_of
from consumers import ConsumerBench

from edustream_api import cli
from edustream_api.settings import ConsumerSettings

UNUSED_PORT = "http://127.0.0.1:1"

Main = Callable[..., int]


@pytest.fixture
def main(monkeypatch: pytest.MonkeyPatch, trust_file: Path) -> Main:
    """The command line without what it changes for the whole process, and without credentials of this machine."""
    monkeypatch.setattr(cli, "exit_cleanly_on_signals", lambda: None)
    monkeypatch.setattr("edustream_api.log.configure", lambda: None)
    environ = {
        "REGISTRY_URL": "s3://models",
        "AWS_ENDPOINT_URL_S3": UNUSED_PORT,
        "AWS_ACCESS_KEY_ID": "consumer",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "EDUSTREAM_TRUST_FILE": str(trust_file),
        "EDUSTREAM_CACHE_DIR": str(trust_file.parent / "cache"),
    }

    def run(*argv: str, **changes: str) -> int:
        return cli.main(list(argv), environ | changes, trust_file.parent / ".env")

    return run


def test_no_registry_is_exit_6_with_the_command_that_starts_one(main: Main, capsys: pytest.CaptureFixture[str]) -> None:
    assert main() == 6
    told = capsys.readouterr().err
    assert "churn@production cannot be served: UNREACHABLE" in told
    assert f"s3://models at {UNUSED_PORT}" in told
    assert "make registry" in told
    assert "--wait" in told


def test_golden_vectors_that_disagree_are_exit_4_with_row_field_and_difference(
    main: Main, bench: ConsumerBench, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.release("1.0.0", golden=bench.golden(scale=-0.06))
    monkeypatch.setattr(cli, "consumer_from", lambda environ: bench.consumer())
    assert main() == 4
    told = capsys.readouterr().err
    assert "churn@production cannot be served: REJECTED" in told
    assert "2 of 3 golden rows; the largest difference is 0.027" in told
    assert "/rows/1/output/probability: is 0.354343712 and was recorded as 0.327392983: 0.027 apart" in told


def test_all_wrong_settings_are_named_at_once(main: Main, capsys: pytest.CaptureFixture[str]) -> None:
    assert main("--port", "x", "--workers", "0", EDUSTREAM_MAX_ROWS="-1") == 2
    told = capsys.readouterr().err
    assert all(name in told for name in ("EDUSTREAM_PORT", "EDUSTREAM_WORKERS", "EDUSTREAM_MAX_ROWS"))


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--model", "churn"], "churn"),
        (["--model", "weather@production"], "weather"),
        (["--contract", "nowhere.json"], "nowhere.json"),
        (["--env-file", "nowhere.env"], "There is no env file nowhere.env"),
        (["--env-file", "/"], "The env file / cannot be read: it is a folder"),
    ],
)
def test_what_there_is_not_is_a_usage_error(
    main: Main, capsys: pytest.CaptureFixture[str], argv: list[str], words: str
) -> None:
    assert main(*argv) == 2
    assert words in capsys.readouterr().err


def test_options_come_before_the_environment_and_that_before_the_file(
    main: Main, capsys: pytest.CaptureFixture[str], trust_file: Path
) -> None:
    trust_file.with_name(".env").write_text("EDUSTREAM_MODEL=file\nEDUSTREAM_PORT=file\nEDUSTREAM_WORKERS=file\n")
    assert main("--model", "churn@1.0.0", "--port", "option", EDUSTREAM_PORT="variable", EDUSTREAM_WAIT="variable") == 2
    told = capsys.readouterr().err
    assert "EDUSTREAM_PORT: is 'option'" in told
    assert "EDUSTREAM_WAIT: is 'variable'" in told
    assert "EDUSTREAM_WORKERS: is 'file'" in told


def test_wait_serves_all_the_same(main: Main, monkeypatch: pytest.MonkeyPatch) -> None:
    served = []
    monkeypatch.setattr(cli, "serve", lambda consumer, environ: served.append(keeper_of(consumer).snapshot.state.value))
    assert main("--wait") == 0
    assert served == ["UNREACHABLE"]


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_port_that_is_taken_is_a_usage_error(main: Main, capsys: pytest.CaptureFixture[str], workers: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = str(holder.getsockname()[1])
        assert main("--wait", "--port", port, "--workers", workers) == 2
    told = capsys.readouterr().err
    assert f"127.0.0.1:{port}" in told
    assert "Next: stop what holds it, or choose another with --port" in told


@pytest.mark.parametrize("host", ["ü..x", "a" * 70])
def test_what_is_no_name_of_a_host_is_a_usage_error(main: Main, capsys: pytest.CaptureFixture[str], host: str) -> None:
    assert main("--wait", "--host", host, "--port", "0") == 2
    assert f"Nothing can listen on {host}:0" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["PROMETHEUS_MULTIPROC_DIR", "prometheus_multiproc_dir"])
def test_a_folder_of_other_processes_counts_is_a_usage_error(
    main: Main, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert main("--wait", **{name: "/nowhere"}) == 2
    assert f"{name} is set, to '/nowhere'" in capsys.readouterr().err


def test_a_host_that_is_not_this_machines_is_a_usage_error(main: Main, capsys: pytest.CaptureFixture[str]) -> None:
    assert main("--wait", "--host", "192.0.2.1", "--port", "0") == 2
    assert "192.0.2.1:0" in capsys.readouterr().err


def test_every_option_has_help(capsys: pytest.CaptureFixture[str], main: Main) -> None:
    assert set(cli.HELP) == {field.name for field in fields(ConsumerSettings)}
    with pytest.raises(SystemExit) as caught:
        main("--help")
    assert caught.value.code == 0
    assert "--poll-interval-s" in capsys.readouterr().out


def test_an_unknown_option_is_a_usage_error(main: Main) -> None:
    with pytest.raises(SystemExit) as caught:
        main("--nonsense")
    assert caught.value.code == 2


def test_without_a_trust_file_nothing_starts(main: Main, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(EDUSTREAM_TRUST_FILE="") == 2
    assert "EDUSTREAM_TRUST_FILE" in capsys.readouterr().err
