from __future__ import annotations

import asyncio
import json
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
import uvicorn
from callers import LONG_S, Caller, Time
from consumers import ConsumerBench
from logs import LogStream
from uvicorn.lifespan.on import LifespanOn
from uvicorn.server import ServerState

from edustream_api import request_context
from edustream_api.web.connections import BoundedConnection, Bounds
from edustream_api.web.direct_connection import DirectConnection

SHORT_S = 0.05
GET = b"GET / HTTP/1.1\r\nhost: here\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nhost: here\r\ncontent-length: 4\r\n\r\n"

pytestmark = pytest.mark.anyio

Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class Application:
    """Answers with the body that it was sent, `times` over, once it is `released`; `gone` is set when a client is."""

    times: int = 1
    released: asyncio.Event = field(default_factory=asyncio.Event)
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        message = await receive()
        received = message.get("body", b"")
        while message.get("more_body"):
            message = await receive()
            received += message.get("body", b"")
        if message["type"] == "http.disconnect":
            self.gone.set()
            return
        self.begun.set()
        await self.released.wait()
        body = (received or b"none") * self.times
        headers = [(b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})
        # Sends nothing; it returns when the transport takes more, or is gone.
        self.ended.set()


@dataclass
class Served:
    port: int
    state: ServerState

    async def connect(self, limit: int = 65536) -> tuple[StreamReader, StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port, limit=limit)


@asynccontextmanager
async def served(
    app: Any,
    *,
    head_s: float = LONG_S,
    body_s: float = LONG_S,
    head: int = 1024,
    keep_alive_s: float = LONG_S,
    protocol: type[BoundedConnection] = BoundedConnection,
) -> AsyncIterator[Served]:
    options: Any = {"log_config": None, "timeout_keep_alive": keep_alive_s}
    config = uvicorn.Config(app, lifespan="auto", **options)
    config.load()
    lifespan, state, bounds = LifespanOn(config), ServerState(), Bounds(head_s, body_s, head)
    await lifespan.startup()

    def connection() -> BoundedConnection:
        return protocol(config=config, server_state=state, app_state=lifespan.state, bounds=bounds)

    server = await asyncio.get_running_loop().create_server(connection, "127.0.0.1", 0)
    try:
        yield Served(server.sockets[0].getsockname()[1], state)
    finally:
        server.close()
        for open_connection in list(state.connections):
            open_connection.transport.abort()
        while state.connections:
            await asyncio.sleep(0)
        await server.wait_closed()
        await lifespan.shutdown()


async def left(writer: StreamWriter) -> None:
    writer.transport.abort()
    with suppress(OSError):
        await writer.wait_closed()


def problem_in(answer: bytes, status: int) -> None:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status), answer
    assert b"content-type: application/problem+json" in head
    assert b"connection: close" in head
    assert b"content-length: %d" % len(body) in head
    assert json.loads(body)["status"] == status


async def test_requests_that_arrive_whole_are_answered_one_after_the_other() -> None:
    app = Application()
    app.released.set()
    async with served(app) as server:
        reader, writer = await server.connect()
        for _ in range(3):
            writer.write(POST + b"body")
            assert (await reader.readuntil(b"body")).startswith(b"HTTP/1.1 200 ")
        (connection,) = server.state.connections
        assert connection._deadline is None  # type: ignore[union-attr]
        await left(writer)


async def test_a_body_in_pieces_is_read() -> None:
    app = Application()
    app.released.set()
    async with served(app) as server:
        reader, writer = await server.connect()
        for piece in (POST[:9], POST[9:], b"bo", b"dy"):
            writer.write(piece)
            await writer.drain()
            for _ in range(20):
                await asyncio.sleep(0)
        assert (await reader.readuntil(b"body")).startswith(b"HTTP/1.1 200 ")
        await left(writer)


@pytest.mark.parametrize("sent", [b"", b"\r\n"])
async def test_a_connection_that_sends_nothing_is_closed(sent: bytes) -> None:
    async with served(Application(), head_s=SHORT_S) as server:
        reader, writer = await server.connect()
        writer.write(sent)
        assert await reader.read() == b""
        await left(writer)


async def test_blank_lines_after_an_answer_keep_no_connection_open() -> None:
    app = Application()
    app.released.set()
    async with served(app, head_s=SHORT_S) as server:
        reader, writer = await server.connect()
        writer.write(GET)
        await reader.readuntil(b"none")
        writer.write(b"\r\n")
        assert await reader.read() == b""
        await left(writer)


async def test_a_head_that_drips_is_too_slow_however_often_a_drop_falls() -> None:
    time = Time()
    caller = Caller(Application(), bounds=Bounds(10, LONG_S, 2**30), time=time)
    caller.send(b"GET / HTTP/1.1\r\n")
    for _ in range(9):
        time.passes(1)
        caller.send(b"a: b\r\n")
    await caller.rest()
    assert caller.pipe.written == []
    time.passes(1)
    await caller.rest()
    problem_in(b"".join(caller.pipe.written), 408)
    caller.leave()


@pytest.mark.parametrize("begun", [b"", b"bo"])
async def test_an_application_that_goes_on_waiting_for_a_body_is_cut_off(begun: bytes) -> None:
    app = Application()
    async with served(app, body_s=SHORT_S) as server:
        reader, writer = await server.connect()
        writer.write(POST + begun)
        assert await reader.read() == b""
        await app.gone.wait()
        await left(writer)


HOST = b"host: here\r\n"


@pytest.mark.parametrize(
    "codings",
    [b"gzip, chunked", b"chunked, chunked", b"chunked\r\ntransfer-encoding: chunked", b"identity, chunked"],
)
async def test_a_body_in_another_transfer_coding_is_refused(codings: bytes) -> None:
    app = Application()
    app.released.set()
    caller = Caller(app)
    caller.send(b"POST / HTTP/1.1\r\n" + HOST + b"transfer-encoding: " + codings + b"\r\n\r\n0\r\n\r\n")
    await caller.rest()
    caller.leave()
    told = b"".join(caller.pipe.written)
    problem_in(told, 400)
    assert b"malformed-http" in told
    assert not app.begun.is_set()


@pytest.mark.parametrize("coding", [b"chunked", b"Chunked", b"CHUNKED"])
async def test_the_name_of_a_transfer_coding_is_the_same_in_capitals(coding: bytes) -> None:
    app = Application()
    app.released.set()
    caller = Caller(app)
    caller.send(b"POST / HTTP/1.1\r\n" + HOST + b"transfer-encoding: " + coding + b"\r\n\r\n4\r\nbody\r\n0\r\n\r\n")
    await caller.rest()
    caller.leave()
    assert caller.told.startswith(b"HTTP/1.1 200 ")
    assert caller.told.endswith(b"\r\n\r\nbody")


@pytest.mark.parametrize(
    "head", [b"POST / HTTP/1.0\r\n" + HOST + b"transfer-encoding: chunked\r\n", b"GET / HTTP/2.0\r\n" + HOST]
)
async def test_what_another_version_frames_otherwise_is_refused(head: bytes) -> None:
    app = Application()
    app.released.set()
    caller = Caller(app)
    caller.send(head + b"\r\n0\r\n\r\n")
    await caller.rest()
    caller.leave()
    told = b"".join(caller.pipe.written)
    problem_in(told, 400)
    assert not app.begun.is_set()


class TestHosts:
    """A request of HTTP/1.1 says once whom it is for (RFC 9112, section 3.2)."""

    async def told(self, *pieces: bytes, application: Application | None = None) -> bytes:
        app = application or Application()
        app.released.set()
        caller = Caller(app)
        for piece in pieces:
            caller.send(piece)
            await caller.rest()
        caller.leave()
        return b"".join(caller.pipe.written)

    @pytest.mark.parametrize("hosts", [b"", HOST * 2, b"Host: here\r\nhost: there\r\n"])
    @pytest.mark.parametrize("more", [b"", b"connection: upgrade\r\nupgrade: h2c\r\n"])
    async def test_missing_or_more_than_one_are_refused(self, hosts: bytes, more: bytes) -> None:
        app = Application()
        told = await self.told(
            b"POST / HTTP/1.1\r\n" + more + hosts + b"content-length: 4\r\n\r\nbody", application=app
        )
        problem_in(told, 400)
        assert b"malformed-http" in told
        assert not app.begun.is_set()

    @pytest.mark.parametrize("hosts", [b"", HOST])
    async def test_may_be_missing_in_the_version_before(self, hosts: bytes) -> None:
        assert (await self.told(b"GET / HTTP/1.0\r\n" + hosts + b"\r\n")).startswith(b"HTTP/1.1 200 ")

    @pytest.mark.parametrize("host", [b"a b/c@d", b"here:port", b"[::1", b"user@here", b"here:80:80", b"%zz"])
    @pytest.mark.parametrize("version", [b"1.0", b"1.1"])
    async def test_that_name_nobody_are_refused(self, host: bytes, version: bytes) -> None:
        problem_in(await self.told(b"GET / HTTP/" + version + b"\r\nhost: " + host + b"\r\n\r\n"), 400)

    @pytest.mark.parametrize(
        "host",
        [b"", b"here", b"here:", b"my_host.example:8000", b"127.0.0.1:80", b"[::1]:80", b"xn--bcher-kva.example"],
    )
    async def test_that_name_somebody_are_not(self, host: bytes) -> None:
        told = await self.told(b"GET / HTTP/1.1\r\nhost: " + host + b"\r\n\r\n")
        assert told.startswith(b"HTTP/1.1 200 ")

    async def test_are_one_in_the_version_before_too(self) -> None:
        problem_in(await self.told(b"GET / HTTP/1.0\r\n" + HOST * 2 + b"\r\n"), 400)

    async def test_missing_behind_a_request_take_no_answer_from_it(self) -> None:
        told = await self.told(GET + b"GET / HTTP/1.1\r\n\r\n")
        assert told.startswith(b"HTTP/1.1 200 ")
        assert told.count(b"HTTP/1.1 ") == 1
        assert b"connection: close" in told


class TestRefusals:
    """What the consumer tells of requests that it cannot read, whichever of its parts refuses them."""

    TRICKLED = b"host: here\r\nx-request-id: mine\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{"
    CHUNKED = b"host: here\r\nx-request-id: mine\r\ntransfer-encoding: chunked\r\n\r\nnonsense\r\n"
    PREDICT = b"POST /predict HTTP/1.1\r\n"
    INFER = b"POST /v2/models/churn/versions/1.0.0/infer HTTP/1.1\r\n"

    async def asked(self, bench: ConsumerBench, sent: bytes, **bounds: Any) -> tuple[dict[bytes, bytes], Any, str]:
        """The fields and the document of the answer to what is `sent`, and the metrics after that."""
        bench.release("1.0.0")
        consumer = bench.consumer()
        consumer.start()
        async with served(consumer.app, protocol=DirectConnection, **bounds) as server:
            reader, writer = await server.connect()
            writer.write(sent)
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
            await left(writer)
            reader, writer = await server.connect()
            writer.write(b"GET /metrics HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n")
            metrics = (await reader.read()).decode()
            await left(writer)
        fields = [line.partition(b": ") for line in head.split(b"\r\n")[1:]]
        return {name: value for name, _, value in fields}, json.loads(body), metrics

    @pytest.mark.parametrize(
        ("sent", "bounds", "status", "kind", "request_id"),
        [
            (b"GET / HTTP/1.1\r\nx-request-id: mine\r\nhost", {"head_s": SHORT_S}, 408, "too-slow", "mine"),
            (b"GET / HTTP/1.1\r\nlong: " + b"x" * 1066, {"head": 1024}, 431, "head-too-large", None),
            (b"nonsense\r\n\r\n", {}, 400, "malformed-http", None),
            (b"\x16\x03\x01\x02\x00", {}, 400, "malformed-http", None),
            (b"GET / HTTP/1.1\r\nx-request-id: mine\r\na: b\r\na b: c\r\n\r\n", {}, 400, "malformed-http", "mine"),
        ],
    )
    async def test_of_a_head_are_identified_counted_and_told(
        self,
        bench: ConsumerBench,
        stream: LogStream,
        sent: bytes,
        bounds: dict[str, Any],
        status: int,
        kind: str,
        request_id: str | None,
    ) -> None:
        fields, document, metrics = await self.asked(bench, sent, **bounds)
        assert (document["status"], document["type"]) == (status, f"urn:edustream:problem:{kind}")
        given = fields[b"x-request-id"].decode()
        assert given == (request_id or given) != ""
        assert document["instance"] == f"urn:edustream:request:{given}"
        (line,) = stream.lines("request_unread")
        assert (line["kind"], line["status"], line["request_id"]) == (kind, status, given)
        assert f'edustream_refusals_total{{kind="{kind}"}} 1.0' in metrics
        assert request_context.current() is None

    @pytest.mark.parametrize(
        ("sent", "route", "status"),
        [
            (PREDICT + TRICKLED, "/predict", 408),
            (INFER + TRICKLED, "/v2/models/churn/versions/{version}/infer", 408),
            (PREDICT + CHUNKED, "/predict", 400),
        ],
    )
    async def test_of_a_body_are_those_of_a_request_to_its_path(
        self, bench: ConsumerBench, stream: LogStream, sent: bytes, route: str, status: int
    ) -> None:
        fields, _, metrics = await self.asked(bench, sent, body_s=SHORT_S if status == 408 else LONG_S)
        assert (fields[b"x-request-id"], fields[b"connection"]) == (b"mine", b"close")
        (line,) = stream.lines("request")
        assert (line["route"], line["status"], line["request_id"]) == (route, status, "mine")
        assert f'edustream_requests_total{{route="{route}",status="{status}"}} 1.0' in metrics
        assert 'status="499"' not in metrics


@pytest.mark.parametrize("late", [POST, POST + b"bo", b"GET / HT", b"nonsense\r\n\r\n", b"long: " + b"x" * 2000])
async def test_what_comes_behind_a_request_cuts_off_no_answer(late: bytes) -> None:
    app = Application()
    async with served(app, head_s=SHORT_S, body_s=SHORT_S) as server:
        reader, writer = await server.connect()
        writer.write(GET)
        await app.begun.wait()
        (connection,) = server.state.connections
        writer.write(late)
        while connection.cycle.keep_alive:  # type: ignore[union-attr]
            await asyncio.sleep(0)
        app.released.set()
        answer = await reader.read()
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert answer.count(b"HTTP/1.1") == 1
        await left(writer)


@pytest.mark.parametrize("pieces", [1, 2])
async def test_a_head_over_the_limit_is_refused(pieces: int) -> None:
    async with served(Application(), head=1024) as server:
        reader, writer = await server.connect()
        head = b"GET / HTTP/1.1\r\nhost: here\r\nlong: " + b"x" * 1066
        size = len(head) // pieces
        for start in range(0, len(head), size):
            writer.write(head[start : start + size])
            for _ in range(20):
                await asyncio.sleep(0)
        problem_in(await reader.read(), 431)
        await left(writer)


@pytest.mark.parametrize("pieces", [1, 2, 3, 7, 1025])
@pytest.mark.parametrize(("size", "status"), [(1024, 200), (1025, 431)])
async def test_a_head_may_be_as_long_as_the_limit_and_not_a_byte_longer(pieces: int, size: int, status: int) -> None:
    app = Application()
    app.released.set()
    fields = b"GET / HTTP/1.1\r\nhost: here\r\nconnection: close\r\nlong: "
    head = fields + b"x" * (size - len(fields) - 4) + b"\r\n\r\n"
    step = -(-len(head) // pieces)
    async with served(app, head=1024) as server:
        reader, writer = await server.connect()
        # The second one follows an answer, and blank lines, which are no part of it.
        for sent in (GET, b"\r\n\r\n" + head):
            for start in range(0, len(sent), step):
                writer.write(sent[start : start + step])
                for _ in range(20):
                    await asyncio.sleep(0)
            answer = await (reader.readuntil(b"none") if sent is GET else reader.read())
        assert answer.startswith(b"HTTP/1.1 %d " % status)
        await left(writer)


async def test_a_body_longer_than_a_head_may_be_is_no_head() -> None:
    app = Application()
    app.released.set()
    async with served(app, head=1024) as server:
        reader, writer = await server.connect()
        for _ in range(2):
            writer.write(b"POST / HTTP/1.1\r\nhost: here\r\ncontent-length: 5004\r\n\r\n" + b"x" * 5000 + b"done")
            assert (await reader.readuntil(b"done")).startswith(b"HTTP/1.1 200 ")
        await left(writer)


async def test_a_client_that_closed_its_side_after_its_request_is_answered() -> None:
    app = Application()
    async with served(app) as server:
        reader, writer = await server.connect()
        writer.write(POST + b"body")
        writer.write_eof()
        await app.begun.wait()
        # Another connection is made and served meanwhile: the end of the first one's sending has been seen by then.
        other_reader, other = await server.connect()
        other.write(b"nonsense\r\n\r\n")
        assert (await other_reader.read()).startswith(b"HTTP/1.1 400 ")
        app.released.set()
        answer = await reader.read()
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert answer.endswith(b"body")
        await left(other)
        await left(writer)


@pytest.mark.parametrize("sent", [b"", b"GET / HT", POST + b"bo"])
async def test_a_client_that_closed_its_side_before_that_is_left(sent: bytes) -> None:
    async with served(Application()) as server:
        reader, writer = await server.connect()
        writer.write(sent)
        writer.write_eof()
        assert await reader.read() == b""
        await left(writer)


async def test_a_client_that_does_not_read_is_cut_off() -> None:
    app = Application(times=8 * 1024 * 1024)
    app.released.set()
    async with served(app, body_s=SHORT_S) as server:
        _, writer = await server.connect(limit=1024)
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(POST + b"body")
        await app.ended.wait()
        while server.state.connections:
            await asyncio.sleep(0)
        await left(writer)


async def test_a_late_next_head_cuts_off_no_answer() -> None:
    app = Application()
    async with served(app, head_s=SHORT_S) as server:
        reader, writer = await server.connect()
        writer.write(GET + b"GET / HT")
        await app.begun.wait()
        (connection,) = server.state.connections
        while connection._deadline is not None:  # type: ignore[union-attr]
            await asyncio.sleep(0)
        app.released.set()
        answer = await reader.read()
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert answer.endswith(b"none")
        await left(writer)


CHUNKED_POST = b"POST / HTTP/1.1\r\nhost: here\r\ntransfer-encoding: chunked\r\n\r\n"


async def test_trailers_are_no_part_of_the_head() -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return
        while (await receive()).get("more_body"):
            pass
        seen.extend(scope["headers"])
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    async with served(app) as server:
        reader, writer = await server.connect()
        writer.write(CHUNKED_POST + b"2\r\n{}\r\n0\r\nx-api-key: hidden\r\n\r\n")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        await left(writer)
    assert seen == [(b"host", b"here"), (b"transfer-encoding", b"chunked")]


@pytest.mark.parametrize("endless", [b"a:\r\n", b"long: " + b"x" * 500, b"y" * 500])
async def test_trailers_without_end_are_cut_off(endless: bytes) -> None:
    app = Application()
    async with served(app, head=1024) as server:
        _, writer = await server.connect()
        writer.write(CHUNKED_POST + b"2\r\n{}\r\n0\r\n")
        while not server.state.connections or next(iter(server.state.connections)).cycle is None:  # type: ignore[union-attr]
            await asyncio.sleep(0)
        (connection,) = server.state.connections
        sent = 0
        while connection.cycle.keep_alive and sent < 64 * 1024:  # type: ignore[union-attr]
            writer.write(endless)
            sent += len(endless)
            for _ in range(10):
                await asyncio.sleep(0)
        # Nothing is kept of it, and it ends where a head would.
        assert sent < 4096
        assert connection.headers == [(b"host", b"here"), (b"transfer-encoding", b"chunked")]  # type: ignore[union-attr]
        await left(writer)


async def test_chunks_of_any_number_are_a_body() -> None:
    app = Application()
    app.released.set()
    async with served(app, head=1024) as server:
        reader, writer = await server.connect()
        writer.write(CHUNKED_POST)
        for _ in range(500):
            writer.write(b"5\r\nchunk\r\n")
            await asyncio.sleep(0)
        writer.write(b"4\r\nlast\r\n0\r\n\r\n")
        assert (await reader.readuntil(b"last")).startswith(b"HTTP/1.1 200 ")
        await left(writer)


async def test_a_head_that_begins_behind_a_long_request_is_no_long_head() -> None:
    app = Application()
    app.released.set()
    async with served(app, head=1024) as server:
        reader, writer = await server.connect()
        writer.write(b"POST / HTTP/1.1\r\nhost: here\r\ncontent-length: 3004\r\n\r\n" + b"x" * 3000 + b"done" + GET[:9])
        assert (await reader.readuntil(b"done")).startswith(b"HTTP/1.1 200 ")
        writer.write(GET[9:])
        assert (await reader.readuntil(b"none")).startswith(b"HTTP/1.1 200 ")
        await left(writer)


async def test_a_connection_whose_request_was_answered_early_is_idle_once_all_of_it_has_come() -> None:
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return
        await send({"type": "http.response.start", "status": 404, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    async with served(app, body_s=LONG_S) as server:
        reader, writer = await server.connect()
        writer.write(POST + b"bo")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 404 ")
        writer.write(b"dy")
        (connection,) = server.state.connections
        while connection.cycle.more_body:  # type: ignore[union-attr]
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert connection._deadline is None  # type: ignore[union-attr]
        assert connection.timeout_keep_alive_task is not None  # type: ignore[union-attr]
        writer.write(GET)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 404 ")
        await left(writer)


UPGRADES = b"connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n"


@pytest.mark.parametrize("step", [1, 7, 1000])
@pytest.mark.parametrize("body", [b"body", b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"])
async def test_the_wish_for_another_protocol_is_ignored(step: int, body: bytes) -> None:
    app = Application()
    app.released.set()
    head = b"POST / HTTP/1.1\r\nhost: here\r\n" + UPGRADES + b"content-length: %d\r\n\r\n" % len(body)
    async with served(app) as server:
        reader, writer = await server.connect()
        for _ in range(2):
            sent = head + body
            for start in range(0, len(sent), step):
                writer.write(sent[start : start + step])
                for _ in range(4):
                    await asyncio.sleep(0)
            answer = await reader.readuntil(body)
            # The body is read as one, and nothing of it as a request of its own.
            assert answer.startswith(b"HTTP/1.1 200 ")
            assert answer.count(b"HTTP/1.1 ") == 1
        writer.write(GET)
        assert (await reader.readuntil(b"none")).startswith(b"HTTP/1.1 200 ")
        await left(writer)


async def test_so_many_wishes_at_once_are_ignored_one_after_the_other() -> None:
    app = Application()
    app.released.set()
    caller = Caller(app)
    bodies = [b"%06d" % number for number in range(4000)]
    head = b"POST / HTTP/1.1\r\nhost: here\r\n" + UPGRADES + b"content-length: 6\r\n\r\n"
    caller.send(b"".join(head + body for body in bodies))
    await caller.rest()
    answers = b"".join(caller.pipe.written).split(b"HTTP/1.1 200 OK\r\n")[1:]
    assert [answer[-6:] for answer in answers] == bodies
    assert not caller.pipe.closed


async def test_a_tunnel_is_refused() -> None:
    async with served(Application()) as server:
        reader, writer = await server.connect()
        writer.write(b"CONNECT here:80 HTTP/1.1\r\nhost: here\r\n\r\n")
        problem_in(await reader.read(), 400)
        await left(writer)


async def test_blanks_behind_a_value_are_no_part_of_it() -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            seen.extend(scope["headers"])
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
            await send({"type": "http.response.body", "body": b""})

    async with served(app) as server:
        reader, writer = await server.connect()
        writer.write(b"GET / HTTP/1.1\r\nhost:  here \t\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        await left(writer)
    assert seen == [(b"host", b"here")]
