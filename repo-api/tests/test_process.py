"""The entry point as its user runs it: a process, a real S3 server, signals, exit codes."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import boto3
import pytest
from consumers import ConsumerBench
from drifting import profile, with_file
from edustream_contracts.contract import ModelContract
from edustream_registry.connection import open_reader
from edustream_registry.promotion import Promoter
from edustream_registry.publishing import Publisher
from edustream_registry.release_documents import PROFILE
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

    def release(
        self,
        version: str,
        *,
        channel: str = "production",
        extra: Mapping[str, bytes] | None = None,
        **changes: Any,
    ) -> None:
        content, directory = self.bench.content(version, **changes)
        for name, data in (extra or {}).items():
            content = with_file(content, directory, name, data)
        Publisher(self._author, bundler=None).publish(content, directory, version)
        self.promote(version, channel)

    def promote(self, version: str, channel: str = "production") -> None:
        Promoter(self._author).promote("churn", channel, version, "a test")

    def renew(self, version: str) -> None:
        Promoter(self._author).renew("churn", "production", version, "a test")

    def roll_back(self, version: str) -> None:
        Promoter(self._author).rollback("churn", "production", "a test", version)

    def yank(self, version: str) -> None:
        Yanker(self._author).yank("churn", version, "a test")

    def delete(self, part: str) -> None:
        for found in self.s3.list_objects_v2(Bucket=BUCKET)["Contents"]:
            if part in found["Key"]:
                self.s3.delete_object(Bucket=BUCKET, Key=found["Key"])


@pytest.fixture
def s3_log() -> list[str]:
    """The lines that the S3 server writes about its requests."""
    return []


@pytest.fixture
def endpoint(s3_log: list[str]) -> Iterator[str]:
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        address = next(filter(None, (re.search(r"http://127\.0\.0\.1:\d+", line) for line in server.stderr)))
        reader = Thread(target=s3_log.extend, args=(server.stderr,))
        reader.start()
        yield address.group()
        server.terminate()
        reader.join(PATIENCE_S)


@pytest.fixture
def registry(endpoint: str, tmp_path: Path, contract: ModelContract) -> Registry:
    return Registry(endpoint, ConsumerBench(tmp_path, contract))


class Process:
    """A running consumer; `lines` are its log's events, read as they come."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.address = ""

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

    def end(self, number: signal.Signals) -> int:
        self._process.send_signal(number)
        self._process.communicate(timeout=PATIENCE_S)
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


def test_serves_swaps_and_ends_with_exit_0(registry: Registry, contract: ModelContract) -> None:
    registry.release("1.0.0")
    with serving(registry) as process:
        process.until("Uvicorn running")
        assert process.predict(contract.example())["model_version"] == "1.0.0"
        registry.release("1.1.0", scale=0.05)
        assert process.until("release_swapped")["version"] == "1.1.0"
        assert process.predict(contract.example())["model_version"] == "1.1.0"
        assert process.end(signal.SIGTERM) == 0


def test_nothing_is_written_at_home_and_nobody_is_told_that_it_runs(registry: Registry, tmp_path: Path) -> None:
    registry.release("1.0.0")
    home = tmp_path / "home"
    home.mkdir()
    registry.environ |= {"HOME": str(home), "TMPDIR": str(home)}
    with serving(registry) as process:
        process.until("Uvicorn running")
        assert process.end(signal.SIGTERM) == 0
    assert list(home.iterdir()) == []


def test_a_deletion_stops_the_next_one_and_a_release_heals_the_waiting_one(
    registry: Registry, contract: ModelContract
) -> None:
    registry.release("1.0.0")
    with serving(registry) as running:
        running.until("Uvicorn running")
        registry.delete("model.onnx")
        refused = subprocess.run(
            [sys.executable, str(SERVE)],
            env={**os.environ, **registry.environ},
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )
        assert refused.returncode == 3
        assert "model.onnx" in refused.stderr
        assert running.predict(contract.example())["model_version"] == "1.0.0"
        with serving(registry, "--wait") as waiting:
            waiting.until("Uvicorn running")
            assert json.loads(waiting.get("/health"))["state"] == "NO_RELEASE"
            registry.release("1.0.1", scale=-0.06)
            waiting.until("release_swapped")
            assert waiting.predict(contract.example())["model_version"] == "1.0.1"
            assert waiting.end(signal.SIGINT) == 0


def test_workers_share_one_set_of_metrics_and_each_replays_the_golden_vectors_of_a_new_release(
    registry: Registry, contract: ModelContract
) -> None:
    registry.release("1.0.0")
    with serving(registry, "--workers", "2") as process:
        process.until("Uvicorn running")
        for _ in range(2):
            process.until("Application startup complete")
        for _ in range(6):
            process.predict(contract.example())
        # A worker counts a request when its answer has left, so that another one may be asked before that.
        counted = 'edustream_requests_total{route="/predict",status="200"} 6.0'
        assert any(counted in process.get("/metrics") for _ in range(20))
        registry.release("1.1.0", scale=0.05, golden=registry.bench.golden(scale=-0.5))
        for _ in range(2):
            refused = process.until("release_refused")
            assert refused["kind"] == "golden"
            assert refused["problems"][0].startswith("/rows/1/output/prediction: ")
        assert {process.predict(contract.example())["model_version"] for _ in range(6)} == {"1.0.0"}
        assert process.end(signal.SIGTERM) == 0


def test_workers_fetch_each_file_of_a_release_once(
    registry: Registry, s3_log: list[str], contract: ModelContract
) -> None:
    registry.release("1.0.0")
    with serving(registry, "--workers", "3") as process:
        for _ in range(3):
            process.until("Application startup complete")
        registry.release("1.1.0", scale=0.05)
        swapped = 0
        while swapped < 3:
            swapped += process.until("release_swapped")["version"] == "1.1.0"
        assert process.predict(contract.example())["model_version"] == "1.1.0"
        assert process.end(signal.SIGTERM) == 0
    fetched = Counter(re.findall(r'"GET /models/(\S+/(?:model\.onnx|golden\.json)) HTTP', "".join(s3_log)))
    assert len(fetched) == 4
    assert set(fetched.values()) == {1}


def test_workers_add_up_what_they_counted_of_a_challenger(registry: Registry, contract: ModelContract) -> None:
    registry.release("1.0.0")
    registry.release("1.1.0", channel="candidate", scale=0.05)
    options = ("--shadow", "candidate", "--shadow-sample", "1", "--split", "candidate=30")
    with serving(registry, "--workers", "2", *options) as process:
        for _ in range(2):
            process.until("Application startup complete")
        answers = [process.predict({**contract.example(), "tenure": tenure}) for tenure in range(40)]
        versions = Counter(answer["model_version"] for answer in answers)
        assert set(versions) == {"1.0.0", "1.1.0"}
        sides = {"champion": versions["1.0.0"], "challenger": versions["1.1.0"]}
        # Each worker shows its counts once a second; whichever is asked adds the other's to its own.
        asked = range(5000)
        assert any(json.loads(process.get("/shadow"))["comparison"]["rows"] == versions["1.0.0"] for _ in asked)
        assert any(json.loads(process.get("/health"))["split"]["answered"] == sides for _ in asked)
        assert process.end(signal.SIGTERM) == 0


def test_workers_add_up_what_they_count_of_drift(registry: Registry, contract: ModelContract) -> None:
    registry.release("1.0.0", extra={PROFILE: json.dumps(profile()).encode()})
    with serving(registry, "--workers", "2") as process:
        process.until("Uvicorn running")
        for _ in range(2):
            process.until("Application startup complete")
        for _ in range(40):
            process.predict(contract.example())
        # Each worker shows its counts every second, so asking again and again ends when both have.
        for _ in range(100_000):
            counts = {json.loads(process.get("/drift"))["rows"] for _ in range(8)}
            if counts == {40}:
                break
        assert counts == {40}
        assert 'edustream_drift_samples{model="churn"} 40.0' in process.get("/metrics")
        assert process.end(signal.SIGTERM) == 0


def test_workers_state_their_needs_once(registry: Registry, tmp_path: Path) -> None:
    key_file = tmp_path / "needs.pem"
    key_file.write_bytes(registry.bench.registry.consumer_signer.pem)
    registry.environ |= {"EDUSTREAM_CONSUMER": "api", "EDUSTREAM_SIGNING_KEY_FILE": str(key_file)}
    registry.release("1.0.0")
    with serving(registry, "--workers", "2") as process:
        for _ in range(2):
            stated = process.until("needs_stated")
            assert (stated["consumer"], stated["version"]) == ("api", "1.0.0")
        assert process.end(signal.SIGTERM) == 0
    assert registry.s3.list_objects_v2(Bucket=BUCKET, Prefix="consumers/api/")["KeyCount"] == 1
