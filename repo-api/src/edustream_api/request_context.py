"""Which request is under way: its id, its trace and the release that answers it, for logs, problems and answers."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from typing import Final, TypeAlias

from edustream_api import trace_context
from edustream_api.trace_context import TraceContext

Headers: TypeAlias = list[tuple[bytes, bytes]]

HOST: Final = b"host"
REQUEST_ID: Final = b"x-request-id"
TRACEPARENT: Final = b"traceparent"
TRACESTATE: Final = b"tracestate"
IDENTITY: Final = frozenset({REQUEST_ID, TRACEPARENT, TRACESTATE})
TRACERESPONSE: Final = b"traceresponse"
API_KEY: Final = "api_key"
"""The entry of `scope["state"]` that holds the name of the API key that a request was admitted with."""

HOST_VALUE: Final = re.compile(
    rb"(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*(?::[0-9]*)?|\[[0-9A-Fa-fv._~!$&'()*+,;=:-]+\](?::[0-9]*)?"
)
"""A host and a port (RFC 9110, section 7.2; RFC 3986, section 3.2.2); either may be absent."""

# What stands in a URN and in a log without being escaped.
SANE_ID: Final = re.compile(rb"[A-Za-z0-9._~+/=:@-]{1,128}")

# A random prefix for the process and a count: unique, and 20 times cheaper than a UUID.
_PROCESS: Final = os.urandom(8).hex()
_COUNT: Final = count(1)


@lru_cache(maxsize=16)
def is_host(value: bytes) -> bool:
    """Whether the value of a field Host names one."""
    return HOST_VALUE.fullmatch(value) is not None


@dataclass(slots=True)
class RequestContext:
    """One request: the caller's id or a new one, the caller's trace if there is one, the release that was asked."""

    request_id: str
    trace: TraceContext | None = None
    model_version: str | None = None

    @property
    def instance(self) -> str:
        """The request as a URI: the `instance` of a problem document."""
        return f"urn:edustream:request:{self.request_id}"

    def headers(self) -> Headers:
        """What every answer to the request says of it."""
        told = [(REQUEST_ID, self.request_id.encode())]
        if self.trace is not None:
            told.append((TRACERESPONSE, self.trace.traceresponse.encode()))
        return told


# A task belongs to one request, so it is never reset.
_CURRENT: Final[ContextVar[RequestContext | None]] = ContextVar("request", default=None)


def current() -> RequestContext | None:
    """The request under way in this task, and in the threads that it waits for; None outside of one."""
    return _CURRENT.get()


def enter(headers: Iterable[tuple[bytes, bytes]]) -> RequestContext:
    """Begin a request that came with these headers (lower-case names), as the one under way in this task."""
    context = read(headers)
    _CURRENT.set(context)
    return context


def read(headers: Iterable[tuple[bytes, bytes]]) -> RequestContext:
    """The request that came with these headers (lower-case names)."""
    request_id, parent, states = None, None, []
    for name, value in headers:
        if name not in IDENTITY:
            continue
        if name == REQUEST_ID:
            request_id = value
        elif name == TRACEPARENT:
            # Two of them name no one trace.
            parent = value if parent is None else b""
        else:
            states.append(value)
    context = RequestContext(request_id.decode()) if request_id and SANE_ID.fullmatch(request_id) else unnamed()
    if parent:
        context.trace = trace_context.read(parent.decode("latin-1"), b",".join(states).decode("latin-1"))
    return context


def unnamed() -> RequestContext:
    """A request that came without an id or a trace."""
    return RequestContext(f"{_PROCESS}-{next(_COUNT):x}")


def answered_by(version: str) -> None:
    """Note the release that the request under way was given to."""
    if context := _CURRENT.get():
        context.model_version = version
