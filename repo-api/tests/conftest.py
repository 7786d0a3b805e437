"""Fixtures that every test module may use: the churn contract, a registry in memory, a consumer of it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from clients import client_of
from consumers import ConsumerBench
from edustream_contracts.contract import ModelContract, load_contract
from logs import LogStream
from processes import Registry, s3_server
from starlette.testclient import TestClient

from edustream_api import log
from edustream_api.loading import ServedModel


@pytest.fixture(scope="session")
def contract() -> ModelContract:
    return load_contract("churn")


@pytest.fixture
def bench(tmp_path: Path, contract: ModelContract) -> ConsumerBench:
    return ConsumerBench(tmp_path, contract)


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


@pytest.fixture
def s3_log() -> list[str]:
    """The lines that the S3 server writes about its requests."""
    return []


@pytest.fixture
def endpoint(s3_log: list[str]) -> Iterator[str]:
    with s3_server(s3_log) as address:
        yield address


@pytest.fixture
def registry(endpoint: str, tmp_path: Path, contract: ModelContract) -> Registry:
    return Registry(endpoint, ConsumerBench(tmp_path, contract))
