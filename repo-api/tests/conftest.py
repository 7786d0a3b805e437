"""Fixtures that every test module may use: the churn contract, a registry in memory, a consumer of it."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from clients import client_of
from consumers import ConsumerBench
from edustream_contracts.contract import ModelContract, load_contract
from logs import LogStream
from offline_runs import Rows, Score, write
from processes import Registry, S3Server, s3_server
from starlette.testclient import TestClient

from edustream_api import log
from edustream_api.consumer import Consumer
from edustream_api.loading import ServedModel
from edustream_api.offline import command


@pytest.fixture(scope="session")
def contract() -> ModelContract:
    return load_contract("churn")


@pytest.fixture
def bench(tmp_path: Path, contract: ModelContract) -> ConsumerBench:
    return ConsumerBench(tmp_path, contract)


@pytest.fixture
def consumer(bench: ConsumerBench) -> Consumer:
    bench.release("1.0.0")
    made = bench.consumer()
    made.start()
    return made


@pytest.fixture
def served(bench: ConsumerBench) -> ServedModel:
    bench.release("1.0.0")
    serving = bench.keeper().start().serving
    assert serving is not None
    return serving


@pytest.fixture
def trust_file(bench: ConsumerBench, tmp_path: Path) -> Path:
    path = tmp_path / "trust.json"
    path.write_bytes(bench.registry.trust.to_json())
    return path


@pytest.fixture(scope="session")
def shared_client(tmp_path_factory: pytest.TempPathFactory, contract: ModelContract) -> Iterator[TestClient]:
    """A client of one consumer for all tests that change nothing; it takes at most five rows in a batch."""
    bench = ConsumerBench(tmp_path_factory.mktemp("shared"), contract)
    bench.release("1.0.0")
    with client_of(bench.consumer(max_rows=5)) as client:
        yield client


@pytest.fixture(scope="session")
def row(contract: ModelContract) -> dict[str, Any]:
    return contract.example()


@pytest.fixture
def stream() -> Iterator[LogStream]:
    """The log of this process, as `log.configure` writes it."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    stream = LogStream()
    # `force` closes the handlers it replaces, and pytest still needs its own.
    root.handlers.clear()
    log.configure(stream)
    client = logging.getLogger("httpx2")
    client.disabled = True
    yield stream
    client.disabled = False
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture(scope="session")
def session_s3() -> Iterator[S3Server]:
    with s3_server() as server:
        yield server


@pytest.fixture
def s3(session_s3: S3Server) -> S3Server:
    """An S3 server that holds nothing."""
    session_s3.empty()
    return session_s3


@pytest.fixture
def registry(s3: S3Server, tmp_path: Path, contract: ModelContract) -> Registry:
    return Registry(s3.address, ConsumerBench(tmp_path, contract))


@pytest.fixture
def rows(contract: ModelContract) -> Rows:
    """Twelve rows, of which those with the indices 3 and 7 break the contract."""
    found = [{**contract.example(), "tenure": tenure} for tenure in range(12)]
    found[3]["tenure"] = 500
    found[7] |= {"contract": "Three year", "monthly_charges": float("nan")}
    return found


@pytest.fixture
def score(bench: ConsumerBench, tmp_path: Path) -> Score:
    """The command on the files of `tmp_path`, in one process, with a registry in memory."""
    environ = {"EDUSTREAM_CACHE_DIR": str(tmp_path / "cache")}

    def score(source: str = "rows.parquet", output: str = "scored.parquet", *more: str, **changes: Any) -> int:
        argv = ["--input", str(tmp_path / source), "--output", str(tmp_path / output), "--threads", "1", *more]
        return command.main(argv, environ | changes, tmp_path / ".env", lambda environ: bench.registry.reader)

    return score


@pytest.fixture
def written(bench: ConsumerBench, rows: Rows, tmp_path: Path) -> Rows:
    """The rows, which lie in a file, and which a release can score."""
    bench.release("1.0.0")
    write(tmp_path / "rows.parquet", rows)
    return rows


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """What fills the disk."""

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    return lambda: monkeypatch.setattr(os, "fsync", full)
