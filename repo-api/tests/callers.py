"""Callers of an application over a connection without a network: what they send arrives at once, as they cut it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from edustream_api.consumer import Consumer
from edustream_api.web.connections import Bounds
from edustream_api.web.direct_connection import DirectConnection

LONG_S = 3600.0
BOUNDS = Bounds(LONG_S, LONG_S, 8192)
DATE = b"Sat, 21 Nov 2026 12:00:00 GMT"
JSON = b"content-type: application/json"


class Pipe(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.closed = False
        self.paused = False
        self.high: int | None = None

    def write(self, data: Any) -> None:
        assert not self.closed
        self.written.append(bytes(data))

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"sockname": ("127.0.0.1", 80), "peername": ("127.0.0.1", 81)}.get(name, default)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self.high = high

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False


class Time:
    """The running event loop, whose timers run when a test lets time pass."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._now = 0.0
        self._timers: list[asyncio.TimerHandle] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)

    def time(self) -> float:
        return self._now

    def call_later(self, within_s: float, call: Callable[..., object], *arguments: Any) -> asyncio.TimerHandle:
        timer = asyncio.TimerHandle(self._now + within_s, call, arguments, self._loop)
        self._timers.append(timer)
        return timer

    def passes(self, seconds: float) -> None:
        self._now += seconds
        due = [timer for timer in self._timers if timer.when() <= self._now]
        self._timers = [timer for timer in self._timers if timer not in due]
        for timer in due:
            if not timer.cancelled():
                timer._run()


class Caller:
    """One connection to an application; needs a running event loop."""

    def __init__(
        self, app: Any, keep_alive_s: float = LONG_S, bounds: Bounds = BOUNDS, time: Time | None = None
    ) -> None:
        http = partial(DirectConnection, bounds=bounds)
        options: Any = {"http": http, "log_config": None, "proxy_headers": False, "timeout_keep_alive": keep_alive_s}
        self._connect(uvicorn.Config(app, lifespan="off", **options), time)

    @classmethod
    def of(cls, config: uvicorn.Config) -> Caller:
        """A caller of a server that is configured so."""
        caller = cls.__new__(cls)
        caller._connect(config)
        return caller

    def _connect(self, config: uvicorn.Config, time: Time | None = None) -> None:
        config.load()
        self.state = ServerState()
        self.state.default_headers = [(b"date", DATE)]
        made: Any = config.http_protocol_class
        self.connection: DirectConnection = made(config=config, server_state=self.state, app_state={})
        if time is not None:
            self.connection.loop = time
        self.pipe = Pipe()
        self.connection.connection_made(self.pipe)

    def send(self, data: bytes) -> None:
        if not self.pipe.closed:
            self.connection.data_received(data)

    async def rest(self) -> None:
        """Until nothing is under way any more, but what waits for the rest of a request."""
        turns = 0
        while turns < 20 or self._under_way():
            await asyncio.sleep(0)
            turns += 1

    def _under_way(self) -> bool:
        # A request that waits for its body is the only one with a task, unless it waits for an earlier one as well.
        waits = self.connection._in_body() and not self.connection.pipeline
        return bool(self.state.tasks) and not waits

    @property
    def told(self) -> bytes:
        """What was written, but for what differs from request to request: spans, and ids that nobody sent."""
        told = re.sub(rb"(traceresponse: 00-\w{32}-)\w{16}", rb"\1span", b"".join(self.pipe.written))
        told, ids = re.subn(rb"\b[0-9a-f]{16}-[0-9a-f]+\b", b"id", told)
        # The next id may be a digit longer.
        return re.sub(rb"content-length: \d+", b"content-length: n", told) if ids else told

    def leave(self) -> None:
        self.connection.connection_lost(None)


def posted(body: bytes, *headers: bytes, path: str = "/predict", method: str = "POST", version: str = "1.1") -> bytes:
    lines = [b"host: here", b"x-request-id: mine", b"content-length: %d" % len(body), *headers]
    return f"{method} {path} HTTP/{version}\r\n".encode() + b"\r\n".join(lines) + b"\r\n\r\n" + body


def counted(consumer: Consumer, calls: list[str]) -> Any:
    """The consumer's application, which notes the paths that come to it."""
    front = consumer.app

    class Noted(type(front)):  # type: ignore[misc]
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            calls.append(scope["path"])
            await super().__call__(scope, receive, send)

    noted = object.__new__(Noted)
    noted.__dict__.update(front.__dict__)
    return noted


def ordinary(consumer: Consumer) -> Any:
    """The consumer's application without what answers before it."""
    front = counted(consumer, [])
    front.direct = None
    return front


async def conversation(app: Any, pieces: Sequence[bytes]) -> tuple[bytes, bool]:
    """What is told, and whether the application closed the connection."""
    caller = Caller(app)
    for piece in pieces:
        caller.send(piece)
        await caller.rest()
    closed = caller.pipe.closed
    caller.leave()
    return caller.told, closed


def told_alike(consumer: Consumer, pieces: Sequence[bytes]) -> bytes:
    """What is told over a connection to the consumer, the same in either way."""

    async def talk() -> bytes:
        direct, usual = await conversation(consumer.app, pieces), await conversation(ordinary(consumer), pieces)
        assert direct == usual
        return direct[0]

    return asyncio.run(talk())
