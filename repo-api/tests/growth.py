"""Asks one consumer thousands of different questions, good and bad; prints what has grown meanwhile as JSON.

`growth.py DIRECTORY ROUNDS`: a process of its own, since pytest itself keeps what is logged and printed. It asks in
either way, and a challenger in the shadow answers each row too.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import sys
import tracemalloc
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

from callers import JSON, Caller, posted
from challenged import shadow_of
from consumers import ConsumerBench
from drifting import release
from edustream_contracts.contract import load_contract
from starlette.testclient import TestClient

from edustream_api.consumer import Consumer

WINDOW = 200
ASKED = 11
"""Requests a round."""

Question = tuple[str, str, bytes, list[tuple[bytes, bytes]]]
Ask = Callable[[Consumer, dict[str, Any], range], Coroutine[Any, Any, None]]


def questions(row: dict[str, Any], number: int) -> Iterator[Question]:
    """One round of what a client may vary: method, path, headers, body; each round has values of its own."""
    kind = (b"content-type", b"application/json")
    unique = f"{number:08d}".encode()
    trace = b"00-" + unique * 4 + b"-" + unique * 2 + b"-01"
    good = json.dumps({**row, "tenure": number % 100}).encode()
    yield "POST", "/predict", good, [kind, (b"x-request-id", unique), (b"traceparent", trace)]
    yield "POST", "/predict/batch", b'{"rows": [' + good + b"]}", [kind, (b"user-agent", unique)]
    yield "POST", "/predict", b'{"' + unique + b'": 1}', [kind, (b"x-forwarded-for", unique)]
    yield "POST", "/predict", unique, [(b"content-type", unique)]
    yield "POST", "/predict/batch", b'{"rows": [{"' + unique + b'": NaN}]}', [kind]
    yield "POST", "/v2/models/churn/infer", b'{"id": "' + unique + b'", "inputs": []}', [kind]
    yield "GET", f"/{number}", b"", []
    yield "GET", f"/v2/models/{number}", b"", [(b"accept", unique)]
    yield f"M{number}", "/predict", b"", []
    yield f"M{number}", f"/{number}", b"", [(unique, unique)]
    yield "GET", "/health/ready", b"", [(b"authorization", unique)]


async def ask_ordinarily(consumer: Consumer, row: dict[str, Any], rounds: range) -> None:
    async def discard(message: Any) -> None:
        pass

    async def answer(method: str, path: str, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        scope = {"type": "http", "method": method, "path": path, "headers": headers, "query_string": b""}
        await consumer.app(scope, receive, discard)

    for number in rounds:
        for question in questions(row, number):
            await answer(*question)
        shadow_of(consumer).score()


async def ask_directly(consumer: Consumer, row: dict[str, Any], rounds: range) -> None:
    caller, shadow = Caller(consumer.app), shadow_of(consumer)
    for number in rounds:
        for tenure in range(ASKED):
            trace = b"traceparent: 00-%032x-%016x-01" % (number + 1, tenure + 1)
            caller.send(posted(json.dumps({**row, "tenure": tenure}).encode(), JSON, trace))
            assert consumer.app.direct is not None
            assert consumer.app.direct.under_way == 1
            await asyncio.sleep(0)
            assert caller.pipe.written.pop().startswith(b"HTTP/1.1 200 OK")
        shadow.score()
    caller.leave()


def kept(consumer: Consumer, directory: Path) -> dict[str, int]:
    """How much there is now: bytes of memory, bytes on disk, files, lines of metrics."""
    metrics = TestClient(consumer.app).get("/metrics").text
    TestClient(consumer.app).get("/drift")
    gc.collect()
    files = [path.stat().st_size for path in directory.rglob("*") if path.is_file()]
    return {
        "memory_bytes": tracemalloc.get_traced_memory()[0],
        "disk_bytes": sum(files),
        "files": len(files),
        "metric_lines": len(metrics.splitlines()),
    }


def grown(consumer: Consumer, ask: Ask, row: dict[str, Any], rounds: int, directory: Path) -> dict[str, int]:
    # What is made once, at the first request of a kind, is no growth; nor is a window that fills.
    asyncio.run(ask(consumer, row, range(rounds)))
    kept(consumer, directory)
    before = kept(consumer, directory)
    asyncio.run(ask(consumer, row, range(rounds, 2 * rounds)))
    after = kept(consumer, directory)
    return {name: after[name] - before[name] for name in before}


def main(directory: Path, rounds: int) -> None:
    logging.disable()
    contract = load_contract("churn")
    bench = ConsumerBench(directory, contract)
    release(bench, "1.0.0")
    bench.release("1.1.0", promote=False)
    bench.registry.promote("churn", "1.1.0", "candidate")
    consumer = bench.consumer(drift_window=WINDOW, shadow=("candidate",), shadow_sample=1.0)
    consumer.start()
    tracemalloc.start()
    ways = (ask_directly, ask_ordinarily)
    json.dump([grown(consumer, ask, contract.example(), rounds, directory) for ask in ways], sys.stdout)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
