"""Fixtures that every test module may use: the churn contract, a registry in memory, a consumer of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from consumers import ConsumerBench
from edustream_contracts.contract import ModelContract, load_contract

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
