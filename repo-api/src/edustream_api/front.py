"""The outermost ASGI application: answers predictions itself, hands everything else on, and measures all of it.

Predictions skip FastAPI's routing, middleware and serialisation, which would cost more than the model does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Final, TypeAlias

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from edustream_api import problems
from edustream_api.operations import Operation, Reply, refusal
from edustream_api.problems import RequestRefused
from edustream_api.request_body import ClientGone, read_json_body

OTHER: Final = "other"
CLIENT_GONE: Final = 499
"""What proxies log where nobody was left to read the answer."""

Observe: TypeAlias = Callable[[str, int, float], None]
"""Told of every request: its route, the status of its answer, its seconds."""


class Front:
    """Answers the paths of `operations`, and hands all others to `rest`, which serves those of `paths`."""

    def __init__(
        self,
        rest: ASGIApp,
        paths: frozenset[str],
        operations: Mapping[str, Operation],
        observe: Observe,
        max_body_bytes: int,
    ) -> None:
        self._rest = rest
        self._paths = paths
        self._operations = operations
        self._observe = observe
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        if scope["type"] != "http":
            await self._rest(scope, receive, send)
            return
        started = perf_counter()
        path = scope["path"]
        operation = self._operations.get(path)
        if operation is not None:
            status = await self._answered(operation, scope, receive, send)
        else:
            status = await self._handed_on(scope, receive, send)
            path = path if path in self._paths else OTHER
        self._observe(path, status, perf_counter() - started)

    async def _answered(self, operation: Operation, scope: Scope, receive: Receive, send: Send) -> int:
        try:
            if scope["method"] != "POST":
                raise RequestRefused(problems.METHOD, f"{scope['path']} takes POST, not {scope['method']}.")
            reply = await operation(scope, await read_json_body(scope, receive, self._max_body_bytes))
        except RequestRefused as refused:
            reply = refusal(refused)
        except ClientGone:
            return CLIENT_GONE
        await _send(send, reply)
        return reply.status

    async def _handed_on(self, scope: Scope, receive: Receive, send: Send) -> int:
        status = 500

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        await self._rest(scope, receive, watched)
        return status


async def _send(send: Send, reply: Reply) -> None:
    headers = [*reply.headers, (b"content-length", b"%d" % len(reply.body))]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})
