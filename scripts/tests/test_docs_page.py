"""The consumer's /docs in a real browser: it renders without a network, and shows the contract's own fields."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from edustream_lab.company import Company, Consumer
from edustream_lab.places import Checkout
from edustream_lab.processes import Stage

CHROMIUM = [
    *("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"),
    *("--virtual-time-budget=15000", "--window-size=1200,2400"),
]


@pytest.fixture
def consumer(checkout: Checkout, programs: Stage, tmp_path: Path) -> Iterator[Consumer]:
    company = Company(checkout, programs, tmp_path / "company", quick=True)
    company.start_registry()
    done = company.train()
    assert done.returncode == 0, done.output
    consumer = company.start_consumer()
    consumer.wait_until(lambda: consumer.state() == "READY", "READY")
    yield consumer
    consumer.stop()


def rendered(url: str, profile: Path) -> str:
    command = [*CHROMIUM, f"--user-data-dir={profile}", "--dump-dom", url]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout


def test_the_page_shows_operations_fields_ranges_and_an_example_that_works(consumer: Consumer, tmp_path: Path) -> None:
    page = rendered(f"{consumer.url}/docs", tmp_path / "profile")
    for path in ("/predict", "/predict/batch", "/model", "/contract", "/health"):
        assert f'data-path="{path}"' in page
    assert "Failed to load" not in page
    assert not re.search(r'(src|href)="(https?:)?//', consumer.get("/docs").text)
    schema = consumer.get("/openapi.json").json()["components"]["schemas"]["Input"]
    tenure = schema["properties"]["tenure"]
    assert (tenure["minimum"], tenure["maximum"], tenure["x-unit"]) == (0, 120, "month")
    assert httpx.post(f"{consumer.url}/predict", json=schema["examples"][0], trust_env=False).status_code == 200
