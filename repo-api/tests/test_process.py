"""The entry point as its user runs it: a process, a real S3 server, signals, exit codes."""

from __future__ import annotations

import json
import re
import signal
from collections import Counter
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from drifting import profile
from edustream_contracts.contract import ModelContract
from edustream_registry.release_documents import PROFILE
from processes import BUCKET, Registry, S3Server, exit_of, serving, started, waiting_for_a_body


def test_serves_swaps_and_ends_with_exit_0(registry: Registry, contract: ModelContract) -> None:
    registry.release("1.0.0")
    with started(registry) as process:
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
    with started(registry) as process:
        assert process.end(signal.SIGTERM) == 0
    assert list(home.iterdir()) == []


def test_a_deletion_stops_the_next_one_and_a_release_heals_the_waiting_one(
    registry: Registry, contract: ModelContract
) -> None:
    registry.release("1.0.0")
    with started(registry) as running:
        registry.delete("model.onnx")
        refused = exit_of(registry)
        assert refused.returncode == 3
        assert "model.onnx" in refused.stderr
        assert running.predict(contract.example())["model_version"] == "1.0.0"
        with started(registry, "--wait") as waiting:
            assert waiting.health()["state"] == "NO_RELEASE"
            registry.release("1.0.1", scale=-0.06)
            waiting.until("release_swapped")
            assert waiting.predict(contract.example())["model_version"] == "1.0.1"
            assert waiting.end(signal.SIGINT) == 0


def test_workers_share_one_set_of_metrics_and_each_replays_the_golden_vectors_of_a_new_release(
    registry: Registry, contract: ModelContract
) -> None:
    registry.release("1.0.0")
    with started(registry, "--workers", "2") as process:
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


def test_workers_fetch_each_file_of_a_release_once(registry: Registry, s3: S3Server, contract: ModelContract) -> None:
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
    fetched = Counter(re.findall(r'"GET /models/(\S+/(?:model\.onnx|golden\.json)) HTTP', "".join(s3.lines)))
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
        assert any(process.health()["split"]["answered"] == sides for _ in asked)
        assert process.end(signal.SIGTERM) == 0


def test_workers_add_up_what_they_count_of_drift(registry: Registry, contract: ModelContract) -> None:
    registry.release("1.0.0", extra={PROFILE: json.dumps(profile()).encode()})
    with started(registry, "--workers", "2") as process:
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


def test_workers_have_neither_credentials_nor_cryptography(registry: Registry, contract: ModelContract) -> None:
    registry.release("1.0.0")
    with serving(registry, "--workers", "2") as process:
        for _ in range(2):
            process.until("Application startup complete")
        assert process.predict(contract.example())["model_version"] == "1.0.0"
        children = [Path("/proc", number) for number in process.children()]
        workers = [one for one in children if "onnxruntime" in (one / "maps").read_text()]
        assert len(workers) == 2
        for worker in workers:
            assert "cryptography" not in (worker / "maps").read_text()
            environ = (worker / "environ").read_text()
            assert "EDUSTREAM_LENDER=" in environ
            assert "AWS_ACCESS_KEY_ID" not in environ
            assert "AWS_SECRET_ACCESS_KEY" not in environ
        assert process.end(signal.SIGTERM) == 0


@pytest.mark.parametrize(
    ("options", "begun", "ending"),
    [
        ((), ["Uvicorn running"], "Waiting for connections to close"),
        (("--workers", "2"), ["Application startup complete"] * 2, "Terminated child process"),
    ],
    ids=["one process", "workers"],
)
def test_a_second_interrupt_ends_at_once_what_waits_for_a_client(
    registry: Registry, options: tuple[str, ...], begun: list[str], ending: str
) -> None:
    registry.release("1.0.0")
    with ExitStack() as stack:
        process = stack.enter_context(serving(registry, *options))
        for words in begun:
            process.until(words)
        client = stack.enter_context(waiting_for_a_body(process, b"{}"))
        process.tell(signal.SIGINT)
        process.until(ending)
        assert process.end(signal.SIGINT) == 130
        with suppress(ConnectionResetError):
            assert client.recv(65536) == b""
        assert [event["event"] for event in process.rest if event["level"] == "error"] == []
