"""Answers leave in the order of their requests, whichever way each is answered."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import orjson
import pytest
from callers import JSON, Caller, posted

from edustream_api.consumer import Consumer


@pytest.mark.parametrize("rows", [1, 3])
def test_a_row_is_not_answered_before_the_ordinary_request_that_is_under_way(
    consumer: Consumer, row: dict[str, Any], rows: int
) -> None:
    asked = posted(orjson.dumps(row), JSON)

    async def talk() -> bytes:
        caller = Caller(consumer.app)
        # What a thread tells takes more than one turn of the event loop.
        caller.send(b"GET /metrics HTTP/1.1\r\nhost: here\r\nx-request-id: first\r\n\r\n")
        for _ in range(rows):
            caller.send(asked)
        for _ in range(4):
            await caller.rest()
        caller.leave()
        return caller.told

    told = asyncio.run(talk())
    assert re.findall(rb"x-request-id: (\w+)", told) == [b"first", *[b"mine"] * rows]
    assert re.findall(rb"HTTP/1.1 (\d+)", told) == [b"200"] * (rows + 1)


@pytest.mark.parametrize("usable", [True, False])
@pytest.mark.parametrize("first", [10, 10_000])
def test_nothing_is_read_while_what_came_early_waits_for_an_answer(
    consumer: Consumer, row: dict[str, Any], first: int, usable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not usable:
        # The ordinary way takes over what was asked.
        inference = consumer.hosting.models[0].serving().inference
        monkeypatch.setattr(inference, "answers", lambda rows: [{"prediction": 10**20} for _ in rows])
    asked = posted(orjson.dumps(row), JSON)
    early, late = asked[:first], asked[first:]

    async def talk() -> None:
        caller = Caller(consumer.app)
        caller.send(asked)
        assert not caller.pipe.paused
        caller.send(early)
        assert caller.pipe.paused
        for _ in range(3):
            await caller.rest()
        assert not caller.pipe.paused
        caller.send(late + asked)
        for _ in range(3):
            await caller.rest()
        assert not caller.pipe.paused
        assert re.findall(rb"HTTP/1.1 (\d+)", caller.told) == [b"200" if usable else b"500"] * 3
        caller.leave()

    asyncio.run(talk())
