"""A registry that dies, withholds, is damaged and comes back, seen from a running consumer and from its next start."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest
from consumers import ConsumerBench
from edustream_contracts.contract import ModelContract
from processes import BUCKET, PATIENCE_S, SERVE, Process, Registry, serving


class Server:
    """An S3 server that can be killed, and brought back at the same address with what it held."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self.address = self._start(0)
        self._held: dict[str, bytes] = {}

    def _start(self, port: int) -> str:
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        self._process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert self._process.stderr is not None
        lines = (re.search(r"http://127\.0\.0\.1:\d+", line) for line in self._process.stderr)
        return next(filter(None, lines)).group()

    def kill(self, registry: Registry | None = None) -> None:
        """End it at once; what `registry` holds is remembered for `bring_back`."""
        if registry:
            keys = [one["Key"] for one in registry.s3.list_objects_v2(Bucket=BUCKET)["Contents"]]
            self._held = {key: registry.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys}
        assert self._process is not None
        self._process.kill()
        self._process.communicate(timeout=PATIENCE_S)

    def bring_back(self, registry: Registry) -> None:
        self._start(int(self.address.rpartition(":")[2]))
        registry.s3.create_bucket(Bucket=BUCKET)
        for key, body in self._held.items():
            registry.s3.put_object(Bucket=BUCKET, Key=key, Body=body)


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.kill()


@pytest.fixture
def registry(server: Server, tmp_path: Path, contract: ModelContract) -> Registry:
    return Registry(server.address, ConsumerBench(tmp_path, contract))


@contextmanager
def started(registry: Registry, *argv: str) -> Iterator[Process]:
    with serving(registry, *argv) as process:
        process.until("Uvicorn running")
        yield process


def health(process: Process) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(process.get("/health"))
    return document


def version(process: Process, contract: ModelContract) -> str:
    return str(process.predict(contract.example())["model_version"])


def reason(process: Process, contract: ModelContract) -> str:
    """Why a prediction is refused with 503, and readiness with it."""
    reasons = set()
    for path, body in (("/predict", json.dumps(contract.example()).encode()), ("/health/ready", None)):
        request = urllib.request.Request(process.address + path, body, {"content-type": "application/json"})
        with pytest.raises(HTTPError) as refused:
            urllib.request.urlopen(request, timeout=PATIENCE_S)
        assert refused.value.code == 503
        reasons.add(json.loads(refused.value.read())["reason"])
    (one,) = reasons
    return str(one)


def test_an_outage_within_the_budget_fails_nobody_also_across_a_restart(
    server: Server, registry: Registry, contract: ModelContract
) -> None:
    registry.release("1.0.0")
    with started(registry) as process:
        server.kill(registry)
        assert version(process, contract) == "1.0.0"
        process.until_state("DEGRADED")
        assert version(process, contract) == "1.0.0"
    with started(registry) as process:
        assert health(process)["state"] == "DEGRADED"
        assert version(process, contract) == "1.0.0"
        server.bring_back(registry)
        process.until_state("READY")
        registry.release("1.1.0", scale=0.05)
        process.until("release_swapped")
        assert version(process, contract) == "1.1.0"


def test_an_outage_beyond_the_budget_stops_answers_until_the_registry_is_back(
    server: Server, registry: Registry, contract: ModelContract
) -> None:
    registry.release("1.0.0")
    registry.environ["EDUSTREAM_STALENESS_BUDGET_S"] = "0"
    with started(registry) as process:
        server.kill(registry)
        process.until_state("UNREACHABLE")
        assert reason(process, contract) == "UNREACHABLE"
        assert json.loads(process.get("/health/live")) == {"status": "live"}
        refused = exit_of(registry)
        assert refused.returncode == 6
        assert registry.environ["AWS_ENDPOINT_URL_S3"] in refused.stderr
        server.bring_back(registry)
        process.until_state("READY")
        assert version(process, contract) == "1.0.0"


def test_a_yank_stops_answers_and_the_next_release_heals(registry: Registry, contract: ModelContract) -> None:
    registry.release("1.0.0")
    with started(registry) as process:
        registry.yank("1.0.0")
        process.until_state("NO_RELEASE")
        assert reason(process, contract) == "NO_RELEASE"
        assert exit_of(registry).returncode == 3
        registry.release("1.0.1", scale=-0.06)
        process.until_state("READY")
        assert version(process, contract) == "1.0.1"


def test_a_contract_that_breaks_the_pinned_one_is_not_served(registry: Registry, contract: ModelContract) -> None:
    registry.release("1.0.0")
    narrower = json.loads(json.dumps(contract.document))
    narrower["input"]["properties"]["tenure"]["maximum"] = 200
    path = registry.bench.directory / "pinned.json"
    path.write_text(json.dumps(narrower))
    argv = ("--contract", str(path))
    assert exit_of(registry, *argv).returncode == 5
    with started(registry, "--wait", *argv) as process:
        assert reason(process, contract) == "INCOMPATIBLE"


# It waits until an entry is 15 s old.
@pytest.mark.prove
def test_an_entry_that_is_too_old_stops_answers_until_it_is_renewed(
    registry: Registry, contract: ModelContract
) -> None:
    registry.release("1.0.0")
    trust = json.loads(Path(registry.environ["EDUSTREAM_TRUST_FILE"]).read_text())
    registry.environ |= {"EDUSTREAM_STALENESS_BUDGET_S": "0"}
    Path(registry.environ["EDUSTREAM_TRUST_FILE"]).write_text(json.dumps({**trust, "max_entry_age_s": 15}))
    registry.renew("1.0.0")
    with started(registry) as process:
        process.until_state("REJECTED")
        assert reason(process, contract) == "REJECTED"
        assert health(process)["error"]["kind"] == "freeze"
        registry.renew("1.0.0")
        process.until_state("READY")


def exit_of(registry: Registry, *argv: str) -> subprocess.CompletedProcess[str]:
    """A consumer that cannot start, to its end."""
    return subprocess.run(
        [sys.executable, str(SERVE), *argv],
        env={**os.environ, **registry.environ},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
