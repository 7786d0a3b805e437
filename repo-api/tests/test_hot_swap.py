"""Promotions and rollbacks under load: no request fails, and every answer is of the release that it names."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from itertools import count
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

import pytest
from edustream_contracts.contract import ModelContract
from edustream_registry.testing.onnx_models import tenure_probability
from processes import PATIENCE_S, Process, Registry, serving

SCALES = {"1.0.0": -0.05, "1.1.0": 0.05}
CLIENTS = 2
LOAD_S = 120
SWAPS = 200
GROWN_BYTES = 24 * 1024 * 1024
"""What the allocators of Python and ONNX Runtime may keep; 200 models that stayed would take 60 MB and more."""


class Load:
    """Clients that ask one row after another, each with its own connection; `failures` is what went wrong."""

    def __init__(self, address: str, row: dict[str, Any]) -> None:
        self.answered: Counter[str] = Counter()
        self.failures: list[str] = []
        self._address = urlsplit(address).netloc
        self._row = row
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(CLIENTS)]

    @contextmanager
    def running(self) -> Iterator[None]:
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._ended.set()
            for thread in self._threads:
                thread.join(PATIENCE_S)

    def _ask(self) -> None:
        connection = HTTPConnection(self._address, timeout=PATIENCE_S)
        for number in count():
            if self._ended.is_set():
                break
            tenure = 1 + number % 120
            body = json.dumps({**self._row, "tenure": tenure})
            try:
                connection.request("POST", "/predict", body, {"content-type": "application/json"})
                response = connection.getresponse()
                self._judge(tenure, response.status, response.read())
            except OSError as error:
                self.failures.append(repr(error))
        connection.close()

    def _judge(self, tenure: int, status: int, body: bytes) -> None:
        answer = json.loads(body)
        if status != 200:
            self.failures.append(f"{status}: {answer}")
            return
        version = answer["model_version"]
        if answer["probability"] != pytest.approx(tenure_probability(tenure, SCALES[version]), abs=1e-6):
            self.failures.append(f"{version} did not compute {answer['probability']} for {tenure}")
        self.answered[version] += 1


def swap(registry: Registry, process: Process, *, while_true: Callable[[int], bool]) -> int:
    """Roll back and promote in turn, each once the one before is in service; how often."""
    for swaps in count():
        if not while_true(swaps):
            return swaps
        move, version = ((registry.roll_back, "1.0.0"), (registry.promote, "1.1.0"))[swaps % 2]
        move(version)
        assert process.until("release_swapped")["version"] == version
    raise AssertionError


def both(registry: Registry) -> None:
    for version, scale in SCALES.items():
        registry.release(version, scale=scale)


def test_no_request_fails_and_each_answer_is_of_the_release_that_it_names(
    registry: Registry, contract: ModelContract
) -> None:
    both(registry)
    with serving(registry) as process:
        process.until("Uvicorn running")
        load = Load(process.address, contract.example())
        with load.running():
            swap(registry, process, while_true=lambda swaps: swaps < 4)
    assert load.failures == []
    assert set(load.answered) == set(SCALES)


@pytest.mark.prove
def test_two_hundred_swaps_in_two_minutes_of_load_leave_no_failure_and_no_memory(
    registry: Registry, contract: ModelContract
) -> None:
    both(registry)
    with serving(registry) as process:
        process.until("Uvicorn running")
        load = Load(process.address, contract.example())
        with load.running():
            swap(registry, process, while_true=lambda swaps: swaps < 20)
            before, until = process.resident_bytes, monotonic() + LOAD_S
            swaps = swap(registry, process, while_true=lambda swaps: swaps < SWAPS or monotonic() < until)
            grown = process.resident_bytes - before
    assert load.failures == []
    assert set(load.answered) == set(SCALES)
    assert swaps >= SWAPS
    assert grown < GROWN_BYTES
