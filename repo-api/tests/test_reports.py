"""What is read of a consumer: each answer is of one moment, and none reads a file on the event loop."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from clients import client_of
from consumers import ConsumerBench
from drifting import release

from edustream_api.consumer import Consumer
from edustream_api.keeper import Keeper
from edustream_api.worker_files import WorkerFiles

PATHS = [
    "/contract",
    "/drift",
    "/health",
    "/health/ready",
    "/model",
    "/models",
    "/models/churn/health",
    "/models/churn/health/ready",
    "/openapi.json",
    "/shadow",
    "/v2/health/ready",
    "/v2/models/churn",
]


@pytest.fixture
def consumer(bench: ConsumerBench, tmp_path: Path) -> Consumer:
    release(bench, "1.0.0")
    bench.registry.promote("churn", "1.0.0", "candidate")
    directory = tmp_path / "workers"
    directory.mkdir()
    environ = {"PROMETHEUS_MULTIPROC_DIR": str(directory)}
    return bench.consumer(environ, shadow=("candidate",), split=("candidate=50",), shadow_sample=1.0)


@pytest.mark.parametrize("path", PATHS)
def test_an_answer_is_of_one_moment(consumer: Consumer, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    reads: Counter[Keeper] = Counter()

    def snapshot(keeper: Keeper) -> Any:
        reads[keeper] += 1
        return vars(keeper)["snapshot"]

    with client_of(consumer) as client, monkeypatch.context() as patched:
        # Reading goes through the property, writing to where it looks.
        patched.setattr(Keeper, "snapshot", property(snapshot, lambda *_: None), raising=False)
        assert client.get(path).status_code == 200
    assert reads
    assert set(reads.values()) == {1}


@pytest.mark.parametrize("path", ["/health", "/models/churn/health", "/metrics", "/shadow", "/drift"])
def test_what_other_workers_show_is_not_read_on_the_event_loop(
    consumer: Consumer, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    loops: list[Any] = []

    def others(_: WorkerFiles) -> list[dict[str, Any]]:
        loops.append(asyncio._get_running_loop())
        return []

    monkeypatch.setattr(WorkerFiles, "others", others)
    with client_of(consumer) as client:
        assert client.get(path).status_code == 200
    assert loops
    assert set(loops) == {None}
