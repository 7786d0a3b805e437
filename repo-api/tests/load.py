"""Clients that ask a consumer for predictions as long as a block runs, and judge every answer."""

from __future__ import annotations

import json
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
from itertools import count
from typing import Any
from urllib.parse import urlsplit

import pytest
from edustream_registry.testing.onnx_models import tenure_probability
from processes import PATIENCE_S, Process

CLIENTS = 2
CALLERS = 40


class Load:
    """Clients that ask one row after another, each with its own connection, in the names of many callers.

    `failures` is what went wrong, `answered` counts the side and the version of every answer, `met` tells which sides
    each caller met.
    """

    def __init__(self, process: Process, row: Mapping[str, Any], scales: Mapping[str, float]) -> None:
        """`scales` are the scales of the releases' models, by version."""
        self.answered: Counter[tuple[str | None, str]] = Counter()
        self.met: defaultdict[str, set[str | None]] = defaultdict(set)
        self.failures: list[str] = []
        self._address = urlsplit(process.address).netloc
        self._row = row
        self._scales = scales
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
            tenure, caller = 1 + number % 120, f"caller-{number % CALLERS}"
            body = json.dumps({**self._row, "tenure": tenure})
            headers = {"content-type": "application/json", "x-split-key": caller}
            try:
                connection.request("POST", "/predict", body, headers)
                response = connection.getresponse()
                self._judge(tenure, caller, response, response.read())
            except OSError as error:
                self.failures.append(repr(error))
        connection.close()

    def _judge(self, tenure: int, caller: str, response: HTTPResponse, body: bytes) -> None:
        answer = json.loads(body)
        if response.status != 200:
            self.failures.append(f"{response.status}: {answer}")
            return
        version, side = answer["model_version"], response.headers["x-edustream-side"]
        if answer["probability"] != pytest.approx(tenure_probability(tenure, self._scales[version]), abs=1e-6):
            self.failures.append(f"{version} did not compute {answer['probability']} for {tenure}")
        self.answered[side, version] += 1
        self.met[caller].add(side)
