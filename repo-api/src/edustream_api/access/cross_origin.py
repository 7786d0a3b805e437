"""Lets pages of named origins read answers (CORS); without any, browsers keep every answer from foreign pages."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

METHODS: Final = ("GET", "POST")
SENT: Final = (
    "authorization",
    "inference-header-content-length",
    "traceparent",
    "tracestate",
    "x-api-key",
    "x-request-id",
)
READ: Final = (
    "inference-header-content-length",
    "ratelimit",
    "ratelimit-policy",
    "retry-after",
    "traceresponse",
    "www-authenticate",
    "x-edustream-side",
    "x-request-id",
)
MAX_AGE_S: Final = 600


class CrossOrigin:
    """Starlette's rules for the allowed `origins`. Cookies play no part here, so credentials are never allowed."""

    def __init__(self, origins: Sequence[str], sent: Sequence[str] = ()) -> None:
        """`sent` are headers that pages may send beside those that the consumer always knows."""
        self._rules = CORSMiddleware(
            _nothing,
            allow_origins=origins,
            allow_methods=METHODS,
            allow_headers=(*SENT, *sent),
            allow_credentials=False,
            expose_headers=READ,
            max_age=MAX_AGE_S,
        )

    def preflight(self, scope: Scope) -> Response | None:
        """The answer to a request that is a preflight; None is any other request."""
        headers = Headers(scope=scope)
        if scope["method"] != "OPTIONS" or "origin" not in headers or "access-control-request-method" not in headers:
            return None
        return self._rules.preflight_response(headers)

    def allowing(self, scope: Scope, send: Send) -> Send:
        """How to send the answer to a request, so that the pages that may read it can."""
        return partial(self._rules.send, send=send, request_headers=Headers(scope=scope))


async def _nothing(scope: Scope, receive: Receive, send: Send) -> None:
    """The application that the rules stand before: none, since they are asked one by one."""
