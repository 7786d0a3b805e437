from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edustream_lab.places import Checkout
from edustream_lab.processes import Stage, stage


@pytest.fixture(scope="session")
def checkout() -> Checkout:
    return Checkout.of(Path(__file__))


@pytest.fixture
def programs(tmp_path: Path) -> Iterator[Stage]:
    with stage(tmp_path / "logs") as made:
        yield made
