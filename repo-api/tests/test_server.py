from __future__ import annotations

import asyncio
import gc
from typing import Any

import orjson
import pytest
import uvicorn
from callers import JSON, Caller, posted
from consumers import ConsumerBench

from edustream_api.server import serve
from edustream_api.web.front import Front


def test_garbage_is_collected_while_serving(bench: ConsumerBench, monkeypatch: pytest.MonkeyPatch) -> None:
    collecting = []
    monkeypatch.setattr(uvicorn.Server, "run", lambda _: collecting.append(gc.isenabled()))
    gc.disable()
    try:
        serve(bench.consumer(port=0), {})
    finally:
        gc.enable()
        gc.unfreeze()

    assert collecting == [True]


def test_no_header_says_who_the_client_is_and_rows_are_answered_at_once(
    bench: ConsumerBench, row: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.release("1.0.0")
    consumer = bench.consumer(port=0)
    consumer.start()
    configs: list[uvicorn.Config] = []
    monkeypatch.setattr(uvicorn.Server, "run", lambda server: configs.append(server.config))
    try:
        serve(consumer, {})
    finally:
        gc.unfreeze()
    asked: list[tuple[str, str]] = []
    call = Front.__call__

    async def noted(front: Front, scope: Any, receive: Any, send: Any) -> None:
        asked.append((scope["path"], scope["client"][0]))
        await call(front, scope, receive, send)

    monkeypatch.setattr(Front, "__call__", noted)

    async def talk() -> bytes:
        caller = Caller.of(configs[0])
        caller.send(posted(b"", b"x-forwarded-for: 203.0.113.9", path="/health/live", method="GET"))
        await caller.rest()
        caller.send(posted(orjson.dumps(row), JSON))
        await caller.rest()
        caller.leave()
        return caller.told

    assert asyncio.run(talk()).count(b"HTTP/1.1 200 OK") == 2
    assert asked == [("/health/live", "127.0.0.1")]
