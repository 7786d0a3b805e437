"""The outermost ASGI application: answers predictions itself, hands everything else on, and measures all of it.

Predictions skip FastAPI's routing, middleware and serialisation, which would cost more than the model does.
"""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from edustream_api import problems
from edustream_api.keeper import Keeper
from edustream_api.loading import ServedModel
from edustream_api.metrics import Metrics
from edustream_api.prediction import predict, predict_batch
from edustream_api.problems import RequestRefused
from edustream_api.reports import not_serving
from edustream_api.request_body import ClientGone, read_json_body

PREDICT: Final = "/predict"
BATCH: Final = "/predict/batch"
OTHER: Final = "other"

JSON_HEADER: Final = (b"content-type", b"application/json")
PROBLEM_HEADER: Final = (b"content-type", problems.MEDIA_TYPE.encode())
POST_ONLY: Final = (b"allow", b"POST")
CLOSE: Final = (b"connection", b"close")


class Front:
    """Wraps `rest`, the application of every path but the predictions'; `paths` are those that `rest` serves."""

    def __init__(
        self,
        rest: ASGIApp,
        paths: frozenset[str],
        keeper: Keeper,
        metrics: Metrics,
        max_rows: int,
        max_body_bytes: int,
    ) -> None:
        self._rest = rest
        self._paths = paths
        self._keeper = keeper
        self._observe = metrics.observe
        self._max_rows = max_rows
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        if scope["type"] != "http":
            await self._rest(scope, receive, send)
            return
        started = perf_counter()
        path = scope["path"]
        if path in (PREDICT, BATCH):
            status = await self._prediction(path, scope, receive, send)
        else:
            status = await self._handed_on(scope, receive, send)
            path = path if path in self._paths else OTHER
        self._observe(path, status, perf_counter() - started)

    async def _prediction(self, path: str, scope: Scope, receive: Receive, send: Send) -> int:
        try:
            if scope["method"] != "POST":
                raise RequestRefused(problems.METHOD, f"{path} takes POST, not {scope['method']}.")
            body = await read_json_body(scope, receive, self._max_body_bytes)
            snapshot = self._keeper.snapshot
            if snapshot.serving is None:
                document = not_serving(snapshot, self._keeper)
                await _send(send, document["status"], [PROBLEM_HEADER], problems.encoded(document))
                return int(document["status"])
            answer = await self._answer(path, snapshot.serving, body)
        except RequestRefused as refusal:
            return await _refuse(send, refusal)
        except ClientGone:
            # Nobody reads the answer; 499 is what proxies log for it.
            return 499
        await _send(send, 200, [JSON_HEADER], answer)
        return 200

    async def _answer(self, path: str, model: ServedModel, body: bytes) -> bytes:
        if path == PREDICT:
            return predict(model, body)
        # A batch takes milliseconds, and onnxruntime releases the interpreter lock: others are answered meanwhile.
        return await asyncio.to_thread(predict_batch, model, body, self._max_rows)

    async def _handed_on(self, scope: Scope, receive: Receive, send: Send) -> int:
        status = 500

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        await self._rest(scope, receive, watched)
        return status


async def _refuse(send: Send, refusal: RequestRefused) -> int:
    headers = [PROBLEM_HEADER]
    if refusal.kind is problems.METHOD:
        headers.append(POST_ONLY)
    if refusal.kind is problems.TOO_LARGE:
        headers.append(CLOSE)
    await _send(send, refusal.kind.status.value, headers, problems.encoded(refusal.document()))
    return refusal.kind.status.value


async def _send(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    headers = [*headers, (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
