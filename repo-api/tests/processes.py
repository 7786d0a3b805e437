"""Consumers as processes, and a registry on a real S3 server that they read."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from time import monotonic
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit

import boto3
import pytest
from consumers import ConsumerBench
from drifting import with_file
from edustream_registry import layout
from edustream_registry.connection import open_reader
from edustream_registry.manifest import ReleaseFile
from edustream_registry.promotion import Promoter
from edustream_registry.publishing import Publisher
from edustream_registry.settings import RegistrySettings
from edustream_registry.writing import Author
from edustream_registry.yanking import Yanker

SERVE = Path(__file__).parents[1] / "serve_consume.py"
PATIENCE_S = 60
BUCKET = "models"


class Registry:
    """A registry on an S3 server, and the environment of its consumer."""

    def __init__(self, endpoint: str, bench: ConsumerBench) -> None:
        self.bench = bench
        trust_file = bench.directory / "trust.json"
        trust_file.write_bytes(bench.registry.trust.to_json())
        self.environ = {
            "REGISTRY_URL": f"s3://{BUCKET}",
            "AWS_ENDPOINT_URL_S3": endpoint,
            "AWS_ACCESS_KEY_ID": "consumer",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "us-east-1",
            "EDUSTREAM_TRUST_FILE": str(trust_file),
            "EDUSTREAM_CACHE_DIR": str(bench.directory / "cache"),
            "EDUSTREAM_PORT": "0",
            "EDUSTREAM_POLL_INTERVAL_S": "0.1",
        }
        self.s3 = boto3.client(
            "s3",
            endpoint_url=endpoint,
            aws_access_key_id="admin",
            aws_secret_access_key="secret",
            region_name="us-east-1",
        )
        self.s3.create_bucket(Bucket=BUCKET)
        self.s3.put_object(Bucket=BUCKET, Key="registry.json", Body=bench.registry.memory.objects["registry.json"])
        reader = open_reader(RegistrySettings.from_environ(self.environ))
        self._author = Author(reader.store, reader, bench.registry.signer, "tester")

    def publish(self, version: str, *, extra: Mapping[str, bytes] | None = None, **changes: Any) -> None:
        content, directory = self.bench.content(version, **changes)
        for name, data in (extra or {}).items():
            content = with_file(content, directory, name, data)
        Publisher(self._author, bundler=None).publish(content, directory, version)

    def release(self, version: str, *, channel: str = "production", **changes: Any) -> None:
        self.publish(version, **changes)
        self.promote(version, channel)

    def promote(self, version: str, channel: str = "production") -> None:
        Promoter(self._author).promote("churn", channel, version, "a test")

    def renew(self, version: str) -> None:
        Promoter(self._author).renew("churn", "production", version, "a test")

    def roll_back(self, version: str) -> None:
        Promoter(self._author).rollback("churn", "production", "a test", version)

    def yank(self, version: str) -> None:
        Yanker(self._author).yank("churn", version, "a test")

    def file_key(self, version: str, name: str) -> str:
        """Where a file of a release lies in the bucket."""
        file = ReleaseFile.of(self.bench.directory / "releases" / version / name)
        return layout.file_key("churn", file.sha256, name)

    def change(self, key: str, change: Callable[[bytes], bytes]) -> None:
        """Put other bytes where an object lies, as the admin could."""
        stored = self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=change(stored))

    def delete(self, part: str) -> None:
        for found in self.s3.list_objects_v2(Bucket=BUCKET)["Contents"]:
            if part in found["Key"]:
                self.s3.delete_object(Bucket=BUCKET, Key=found["Key"])


class Process:
    """A running consumer; `lines` are its log's events, read as they come."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.address = ""
        self.rest: list[dict[str, Any]] = []

    def children(self) -> list[str]:
        """The numbers of the processes that it has started, as Linux tells them."""
        tasks = Path(f"/proc/{self._process.pid}/task").glob("*/children")
        return [number for task in tasks for number in task.read_text().split()]

    def until(self, words: str) -> dict[str, Any]:
        """Wait for the event that holds `words`."""
        assert self._process.stderr is not None
        for line in self._process.stderr:
            event: dict[str, Any] = json.loads(line)
            found = re.search(r"http://127\.0\.0\.1:\d+", event["event"])
            self.address = found.group() if found else self.address
            if words in event["event"]:
                return event
        raise AssertionError(f"the log ended before {words!r}")

    def until_state(self, state: str) -> dict[str, Any]:
        """Wait until the consumer says that it entered `state`."""
        event = self.until("state_changed")
        while event["after"] != state:
            event = self.until("state_changed")
        return event

    @property
    def resident_bytes(self) -> int:
        """What the process holds in memory."""
        pages = Path(f"/proc/{self._process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def until_polled(self, result: str) -> None:
        """Wait until one look at the registry that begins now has ended with `result`."""
        # The first of two may be under way.
        wanted, until = self._polls(result) + 2, monotonic() + PATIENCE_S
        while self._polls(result) < wanted:
            assert monotonic() < until, f"no look at the registry ends with {result!r}"

    def _polls(self, result: str) -> float:
        counted = rf'^edustream_polls_total\{{model="churn",result="{result}"\}} (\S+)$'
        found = re.search(counted, self.get("/metrics"), re.MULTILINE)
        return float(found[1]) if found else 0.0

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Let nothing of the process run meanwhile."""
        self._process.send_signal(signal.SIGSTOP)
        yield
        self._process.send_signal(signal.SIGCONT)

    def get(self, path: str) -> str:
        with urllib.request.urlopen(self.address + path, timeout=PATIENCE_S) as response:
            return str(response.read().decode())

    def predict(self, row: dict[str, Any]) -> dict[str, Any]:
        request = urllib.request.Request(
            f"{self.address}/predict", json.dumps(row).encode(), {"content-type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as response:
            answer: dict[str, Any] = json.load(response)
        return answer

    def health(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.get("/health"))
        return document

    def version(self, row: dict[str, Any]) -> str:
        """The version of the release that answers."""
        return str(self.predict(row)["model_version"])

    def reason(self, row: dict[str, Any]) -> str:
        """Why a prediction is refused with 503, and readiness with it."""
        reasons = set()
        for path, body in (("/predict", json.dumps(row).encode()), ("/health/ready", None)):
            request = urllib.request.Request(self.address + path, body, {"content-type": "application/json"})
            with pytest.raises(HTTPError) as refused:
                urllib.request.urlopen(request, timeout=PATIENCE_S)
            assert refused.value.code == 503
            reasons.add(json.loads(refused.value.read())["reason"])
        (one,) = reasons
        return str(one)

    def tell(self, number: signal.Signals) -> None:
        """Send a signal, and wait for nothing."""
        self._process.send_signal(number)

    def end(self, number: signal.Signals) -> int:
        self.tell(number)
        return self.ended()

    def ended(self) -> int:
        """Wait for its end; its exit code. `rest` is what its log still said."""
        _, told = self._process.communicate(timeout=PATIENCE_S)
        self.rest = list(map(json.loads, told.splitlines()))
        return self._process.returncode


@contextmanager
def serving(registry: Registry, *argv: str) -> Iterator[Process]:
    command = [sys.executable, str(SERVE), *argv]
    inherited = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    environ = {**inherited, **registry.environ}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environ) as process:
        try:
            yield Process(process)
        finally:
            process.kill()


@contextmanager
def started(registry: Registry, *argv: str) -> Iterator[Process]:
    """A consumer that answers requests."""
    with serving(registry, *argv) as process:
        process.until("Uvicorn running")
        yield process


def exit_of(registry: Registry, *argv: str) -> subprocess.CompletedProcess[str]:
    """A consumer that cannot start, to its end."""
    return subprocess.run(
        [sys.executable, str(SERVE), *argv],
        env={**os.environ, **registry.environ},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )


def waiting_for_a_body(process: Process, body: bytes) -> socket.socket:
    """A connection on which a worker has taken a request and waits for its body."""
    address = urlsplit(process.address)
    connection = socket.create_connection((str(address.hostname), address.port or 80), PATIENCE_S)
    fields = b"host: here\r\ncontent-type: application/json\r\nexpect: 100-continue\r\n"
    connection.sendall(b"POST /predict/batch HTTP/1.1\r\n%scontent-length: %d\r\n\r\n" % (fields, len(body)))
    assert connection.recv(65536).startswith(b"HTTP/1.1 100 ")
    return connection


class S3Server:
    """An S3 server for one test after the other; `lines` is what it wrote about its requests since it was emptied."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stderr is not None
        self.lines: list[str] = []
        self._stderr = process.stderr
        self.address = next(
            filter(None, (re.search(r"http://127\.0\.0\.1:\d+", line) for line in self._stderr))
        ).group()

    def read(self) -> None:
        for line in self._stderr:
            self.lines.append(line)

    def empty(self) -> None:
        """Let it hold nothing, as if it had just been started."""
        urllib.request.urlopen(f"{self.address}/moto-api/reset", b"", timeout=PATIENCE_S).close()
        self.lines = []


@contextmanager
def s3_server() -> Iterator[S3Server]:
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        server = S3Server(process)
        reader = Thread(target=server.read)
        reader.start()
        yield server
        process.terminate()
        reader.join(PATIENCE_S)
