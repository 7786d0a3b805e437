"""A champion and a challenger in a process of their own: swaps of either under load, and bodies that break parsers."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from http.client import HTTPConnection
from itertools import product
from typing import Any
from urllib.parse import urlsplit

import pytest
from load import Load
from processes import PATIENCE_S, Process, Registry, started

SCALES = {"1.0.0": -0.05, "1.1.0": 0.05, "1.2.0": -0.02, "1.3.0": 0.08}
CHANNELS = {"production": ("1.0.0", "1.1.0"), "candidate": ("1.2.0", "1.3.0")}
SIDES = {"champion": CHANNELS["production"], "challenger": CHANNELS["candidate"]}
OPTIONS = ("--split", "candidate=50", "--shadow", "candidate", "--shadow-sample", "1")
PATHS = ("/predict", "/predict/batch", "/explain", "/v2/models/churn/infer")
DEPTHS = (253, 254, 255, 300, 1022, 1023, 1024, 1025, 50_000)
"""About what orjson writes and reads, and the interpreter's own recursion limit."""


@pytest.fixture
def process(registry: Registry) -> Iterator[Process]:
    for version, scale in SCALES.items():
        registry.publish(version, scale=scale)
    for channel, (first, _) in CHANNELS.items():
        registry.promote(first, channel)
    with started(registry, *OPTIONS) as process:
        yield process


@pytest.mark.parametrize("rounds", [2, pytest.param(50, marks=pytest.mark.prove)])
def test_swaps_of_either_side_fail_no_request_and_move_no_caller(
    registry: Registry, process: Process, row: dict[str, Any], rounds: int
) -> None:
    load = Load(process, row, SCALES)
    with load.running():
        for place in (1, 0) * rounds:
            for channel, versions in CHANNELS.items():
                registry.promote(versions[place], channel)
                assert process.until("release_swapped")["version"] == versions[place]
    assert load.failures == []
    assert set(load.answered) == {(side, version) for side, versions in SIDES.items() for version in versions}
    assert {len(sides) for sides in load.met.values()} == {1}
    told = process.health()["split"]
    assert told["fallbacks"] == {}
    answered = Counter[str | None]()
    for (side, _), number in load.answered.items():
        answered[side] += number
    assert told["answered"] == answered
    comparison = json.loads(process.get("/shadow"))["comparison"]
    assert (comparison["champion"], comparison["challenger"]) == ("1.0.0", "1.2.0")
    assert (comparison["failed"], comparison["last_failure"]) == (0, None)


def nested(row: dict[str, Any], depth: int) -> Iterator[str]:
    for deep in ("[" * depth + "]" * depth, '{"a":' * depth + "1" + "}" * depth, "[" * depth):
        in_a_field = json.dumps({**row, "tenure": "HERE"}).replace('"HERE"', deep)
        yield deep
        yield in_a_field
        yield f'{{"rows": [{in_a_field}]}}'
        yield f'{{"inputs": {deep}}}'


def test_a_deeply_nested_body_is_refused_whoever_is_to_answer(process: Process, row: dict[str, Any]) -> None:
    connection = HTTPConnection(urlsplit(process.address).netloc, timeout=PATIENCE_S)
    for path, depth in product(PATHS, DEPTHS):
        for body in nested(row, depth):
            connection.request("POST", path, body, {"content-type": "application/json"})
            response = connection.getresponse()
            response.read()
            assert 400 <= response.status < 500, (path, depth, body[:100])
            assert process.until("request")["status"] == response.status
    connection.close()
    assert process.health()["split"]["fallbacks"] == {}
