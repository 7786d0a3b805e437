"""A registry that dies, withholds, is damaged and comes back, seen from a running consumer and from its next start."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from consumers import ConsumerBench
from edustream_contracts.contract import ModelContract
from processes import BUCKET, PATIENCE_S, Registry, exit_of, started


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


def test_an_outage_within_the_budget_fails_nobody_also_across_a_restart(
    server: Server, registry: Registry, row: dict[str, Any]
) -> None:
    registry.release("1.0.0")
    with started(registry) as process:
        server.kill(registry)
        assert process.version(row) == "1.0.0"
        process.until_state("DEGRADED")
        assert process.version(row) == "1.0.0"
    with started(registry) as process:
        assert process.health()["state"] == "DEGRADED"
        assert process.version(row) == "1.0.0"
        server.bring_back(registry)
        process.until_state("READY")
        registry.release("1.1.0", scale=0.05)
        process.until("release_swapped")
        assert process.version(row) == "1.1.0"


def test_an_outage_beyond_the_budget_stops_answers_until_the_registry_is_back(
    server: Server, registry: Registry, row: dict[str, Any]
) -> None:
    registry.release("1.0.0")
    registry.environ["EDUSTREAM_STALENESS_BUDGET_S"] = "0"
    with started(registry) as process:
        server.kill(registry)
        process.until_state("UNREACHABLE")
        assert process.reason(row) == "UNREACHABLE"
        assert json.loads(process.get("/health/live")) == {"status": "live"}
        refused = exit_of(registry)
        assert refused.returncode == 6
        assert registry.environ["AWS_ENDPOINT_URL_S3"] in refused.stderr
        server.bring_back(registry)
        process.until_state("READY")
        assert process.version(row) == "1.0.0"


def test_a_yank_stops_answers_and_the_next_release_heals(registry: Registry, row: dict[str, Any]) -> None:
    registry.release("1.0.0")
    with started(registry) as process:
        registry.yank("1.0.0")
        process.until_state("NO_RELEASE")
        assert process.reason(row) == "NO_RELEASE"
        assert exit_of(registry).returncode == 3
        registry.release("1.0.1", scale=-0.06)
        process.until_state("READY")
        assert process.version(row) == "1.0.1"


def test_a_contract_that_breaks_the_pinned_one_is_not_served(
    registry: Registry, contract: ModelContract, row: dict[str, Any]
) -> None:
    registry.release("1.0.0")
    narrower = json.loads(json.dumps(contract.document))
    narrower["input"]["properties"]["tenure"]["maximum"] = 200
    path = registry.bench.directory / "pinned.json"
    path.write_text(json.dumps(narrower))
    argv = ("--contract", str(path))
    assert exit_of(registry, *argv).returncode == 5
    with started(registry, "--wait", *argv) as process:
        assert process.reason(row) == "INCOMPATIBLE"


# It waits until an entry is 15 s old.
@pytest.mark.prove
def test_an_entry_that_is_too_old_stops_answers_until_it_is_renewed(registry: Registry, row: dict[str, Any]) -> None:
    registry.release("1.0.0")
    trust = json.loads(Path(registry.environ["EDUSTREAM_TRUST_FILE"]).read_text())
    registry.environ |= {"EDUSTREAM_STALENESS_BUDGET_S": "0"}
    Path(registry.environ["EDUSTREAM_TRUST_FILE"]).write_text(json.dumps({**trust, "max_entry_age_s": 15}))
    registry.renew("1.0.0")
    with started(registry) as process:
        process.until_state("REJECTED")
        assert process.reason(row) == "REJECTED"
        assert process.health()["error"]["kind"] == "freeze"
        registry.renew("1.0.0")
        process.until_state("READY")
