"""The outermost ASGI application: answers predictions itself, hands everything else on, identifies and measures all.

Predictions skip FastAPI's routing, middleware and serialisation, which would cost more than the model does.
"""

from __future__ import annotations

from collections.abc import Mapping
from time import perf_counter
from typing import Final

from starlette.routing import compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from edustream_api import problems, request_context
from edustream_api.access.gate import Access, Admission
from edustream_api.open_inference.protocol import is_open_inference
from edustream_api.problems import RequestRefused
from edustream_api.request_context import Headers
from edustream_api.web import request_log
from edustream_api.web.direct_answers import DirectAnswers
from edustream_api.web.reply import Observe, Operation, Reply, refusal
from edustream_api.web.request_body import CLIENT_GONE, ClientGone, read_body, read_json_body
from edustream_api.web.request_log import RequestLog

OTHER: Final = "other"


class Front:
    """Answers the paths of `operations`, and hands all others to `rest`, which serves those of `paths`."""

    def __init__(
        self,
        rest: ASGIApp,
        paths: frozenset[str],
        operations: Mapping[str, Operation],
        observe: Observe,
        max_body_bytes: int,
        log: RequestLog,
        access: Access | None = None,
        direct: DirectAnswers | None = None,
    ) -> None:
        """`direct` answers requests before they get here, where the connection knows how to ask it."""
        self._rest = rest
        self._paths = paths
        # Where parts of the path are parameters, all values of one are one route.
        self._patterns = [(compile_path(path)[0], path) for path in paths if "{" in path]
        self._operations = operations
        # What the Open Inference Protocol sends may be JSON with bytes after it.
        self._mixed = frozenset(filter(is_open_inference, operations))
        self._observe = observe
        self._max_body_bytes = max_body_bytes
        self._log = log
        self._access = access
        self.direct = direct
        self.in_progress = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        if scope["type"] != "http":
            await self._rest(scope, receive, send)
            return
        started = perf_counter()
        identity = request_context.enter(scope["headers"]).headers()
        path = scope["path"]
        operation = self._operations.get(path)
        self.in_progress += 1
        status = None
        try:
            if self._access is not None:
                send, status = await self._admitted(self._access, scope, receive, send, identity)
            if status is not None:
                path = path if operation is not None or path in self._paths else OTHER
            elif operation is not None:
                status = await self._answered(operation, scope, receive, send, identity)
            else:
                status = await self._handed_on(scope, receive, send, identity)
                path = self._route(path)
        finally:
            self.in_progress -= 1
        seconds = perf_counter() - started
        self._observe(path, status, seconds)
        if status >= self._log.least_status:
            self._log.answered(scope["method"], path, status, seconds)

    def _route(self, path: str) -> str:
        if path in self._paths:
            return path
        return next((route for pattern, route in self._patterns if pattern.match(path)), OTHER)

    async def _admitted(
        self, access: Access, scope: Scope, receive: Receive, send: Send, identity: Headers
    ) -> tuple[Send, int | None]:
        """How to send the answer to a request; the status of the answer if it is sent, since it goes no further."""
        try:
            admission = await access.admit(scope, send)
        except Exception as error:
            admission = Admission(send, _unforeseen(error))
        if (answer := admission.answer) is not None:
            answer.raw_headers.extend(identity)
            await answer(scope, receive, send)
            return send, answer.status_code
        if admission.refused is None:
            return admission.send, None
        reply = refusal(admission.refused, scope["path"])
        await _send(admission.send, reply, identity)
        return admission.send, reply.status

    async def _answered(
        self, operation: Operation, scope: Scope, receive: Receive, send: Send, identity: Headers
    ) -> int:
        try:
            if scope["method"] != "POST":
                raise RequestRefused(problems.METHOD, f"{scope['path']} takes POST, not {scope['method']}.")
            read = read_body if scope["path"] in self._mixed else read_json_body
            reply = await operation(scope, await read(scope, receive, self._max_body_bytes))
        except RequestRefused as refused:
            reply = refusal(refused, scope["path"])
        except ClientGone:
            return CLIENT_GONE
        except Exception as error:
            reply = refusal(_unforeseen(error), scope["path"])
        await _send(send, reply, identity)
        return reply.status

    async def _handed_on(self, scope: Scope, receive: Receive, send: Send, identity: Headers) -> int:
        status = 500

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message["headers"], *identity]}
            await send(message)

        try:
            await self._rest(scope, receive, watched)
        except Exception as error:
            # The application has answered already, and raises what it could not foresee for us to tell.
            request_log.unforeseen(error)
        return status


def _unforeseen(error: Exception) -> RequestRefused:
    request_log.unforeseen(error)
    return RequestRefused(problems.INTERNAL, problems.UNFORESEEN)


async def _send(send: Send, reply: Reply, identity: Headers) -> None:
    headers = [*reply.headers, (b"content-length", b"%d" % len(reply.body)), *identity]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})
