"""What is sent back for one request, and how a refusal is said."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple, TypeAlias

import orjson
from starlette.types import Scope

from edustream_api import problems
from edustream_api.open_inference.protocol import error_document, is_open_inference
from edustream_api.problems import RequestRefused
from edustream_api.web.request_body import UNENCODED, EncodedBody

JSON_HEADER: Final = (b"content-type", b"application/json")
PROBLEM_HEADER: Final = (b"content-type", problems.MEDIA_TYPE.encode())
POST_ONLY: Final = (b"allow", b"POST")
CLOSE: Final = (b"connection", b"close")
ACCEPT_UNENCODED: Final = (b"accept-encoding", UNENCODED)


class Reply(NamedTuple):
    """An answer to one request; its length is added when it is sent."""

    body: bytes
    status: int = 200
    headers: tuple[tuple[bytes, bytes], ...] = (JSON_HEADER,)


Operation: TypeAlias = Callable[[Scope, bytes], Awaitable[Reply]]
"""Answers a POST: its ASGI scope and its body. Raises `RequestRefused`."""


Observe: TypeAlias = Callable[[str, int, float], None]
"""Told of every request: its route, the status of its answer, its seconds."""


def refusal(refused: RequestRefused, path: str) -> Reply:
    """The reply to a request that is refused: a problem document, or the Open Inference Protocol's error below /v2."""
    headers = []
    if refused.kind is problems.METHOD:
        headers.append(POST_ONLY)
    if refused.kind is problems.TOO_LARGE:
        headers.append(CLOSE)
    if isinstance(refused, EncodedBody):
        headers.append(ACCEPT_UNENCODED)
    status = refused.kind.status.value
    if is_open_inference(path):
        return Reply(orjson.dumps(error_document(refused.detail, refused.errors)), status, (JSON_HEADER, *headers))
    return Reply(problems.encoded(refused.document()), status, (PROBLEM_HEADER, *headers))
