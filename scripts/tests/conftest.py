from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edustream_lab.places import Checkout
from edustream_lab.processes import Stage, stage

LONGEST_FIRST = (
    "test_every_claim_of_the_story_holds[end_to_end",
    "test_the_consumers_image_builds",
    "test_every_claim_of_the_story_holds[demonstration",
    "test_every_claim_of_the_story_holds[contract_change",
    "test_the_page_shows_operations",
    "test_an_interrupted_demonstration",
    "test_the_scheduled_workflow",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Workers get the tests in this order: the last that they get are short, so that they end at the same time."""
    items.sort(key=lambda item: [not item.name.startswith(name) for name in LONGEST_FIRST])


@pytest.fixture(scope="session")
def checkout() -> Checkout:
    return Checkout.of(Path(__file__))


@pytest.fixture
def programs(tmp_path: Path) -> Iterator[Stage]:
    with stage(tmp_path / "logs") as made:
        yield made
