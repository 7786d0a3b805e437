from __future__ import annotations

from pathlib import Path

import pytest

from edustream_contracts.contract import ModelContract, load_contract
from edustream_registry.manifest import ReleaseContent
from edustream_registry.testing.simulator import RegistrySimulator, write_release


@pytest.fixture
def contract() -> ModelContract:
    return load_contract("churn")


@pytest.fixture
def registry() -> RegistrySimulator:
    return RegistrySimulator()


@pytest.fixture
def content(tmp_path: Path, contract: ModelContract) -> ReleaseContent:
    return write_release(tmp_path / "release", contract)
