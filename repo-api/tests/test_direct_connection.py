"""What is answered at once differs in nothing that callers see from what goes the ordinary way."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import orjson
import pytest
from callers import DATE, JSON, LONG_S, Caller, Time, conversation, counted, ordinary, posted, told_alike
from challenged import challenge
from clients import keeper_of
from consumers import ConsumerBench, version
from drifting import release
from edustream_registry.inference.session import AnswerUnusable
from edustream_registry.testing.onnx_models import tenure_probability
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edustream_api.consumer import Consumer
from edustream_api.drift.reference import Reference
from edustream_api.web.connections import LINGER_S, BoundedConnection, Bounds
from edustream_api.web.direct_answers import DirectAnswers
from edustream_api.web.direct_connection import MAX_REQUEST_BYTES

PATHS = ("/predict", "/models/churn/predict")


def run(talk: Callable[[], Any]) -> Any:
    return asyncio.run(talk())


@pytest.mark.parametrize("path", PATHS)
def test_a_whole_row_never_becomes_a_task(consumer: Consumer, row: dict[str, Any], path: str) -> None:
    calls: list[str] = []
    app = counted(consumer, calls)
    asked = posted(orjson.dumps(row), JSON, path=path)

    async def talk() -> None:
        direct, usual = await conversation(app, [asked] * 3), await conversation(ordinary(consumer), [asked] * 3)
        assert direct == usual
        assert direct[0].count(b"HTTP/1.1 200 OK\r\n") == 3
        assert direct[0].startswith(b"HTTP/1.1 200 OK\r\ndate: " + DATE + b"\r\ncontent-type: application/json\r\n")

    run(talk)
    assert calls == []
    text = consumer_metrics(consumer)
    assert f'edustream_requests_total{{route="{path}",status="200"}} 6.0' in text
    assert f'edustream_request_duration_seconds_count{{route="{path}"}} 6.0' in text


def consumer_metrics(consumer: Consumer) -> str:
    async def talk() -> str:
        caller = Caller(consumer.app)
        caller.send(b"GET /metrics HTTP/1.1\r\nhost: here\r\n\r\n")
        await asyncio.wait(caller.state.tasks)
        caller.leave()
        return caller.told.decode()

    return asyncio.run(talk())


BODIES = [
    b"{}",
    b"",
    b"[1]",
    b"{",
    b'{"tenure": NaN}',
    b'{"tenure": 1, "tenure": 2}',
    b"[" * 2000,
    b'"' + b"x" * MAX_REQUEST_BYTES + b'"',
]
HEADERS = [
    (),
    (JSON,),
    (b"Content-Type: application/json",),
    (b"content-type: application/json; charset=utf-8",),
    (b"content-type: text/plain",),
    (JSON, JSON),
    (JSON, b"expect: 100-continue"),
    (JSON, b"connection: close"),
    (JSON, b"connection: upgrade", b"upgrade: h2c"),
    (JSON, b"traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
    (JSON, b"content-length: 3"),
    (b"content-type: application/json \t", b"x-request-id: mine too "),
    (JSON, b"connection: Upgrade, HTTP2-Settings", b"upgrade: h2c", b"http2-settings: AAMAAABkAAQAAP__"),
    (JSON, b"x: " + b"y" * 9000),
]


def chunked(body: bytes, trailers: bytes = b"") -> bytes:
    lines = [b"POST /predict HTTP/1.1", b"host: here", b"x-request-id: mine", b"transfer-encoding: chunked", JSON]
    half = len(body) // 2
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:half], body[half:]) if part)
    return b"\r\n".join(lines) + b"\r\n\r\n" + chunks + b"0\r\n" + trailers + b"\r\n"


def requests_of(row: dict[str, Any]) -> st.SearchStrategy[bytes]:
    whole = orjson.dumps(row)
    trailers = st.sampled_from([b"", b"traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n"])
    return st.one_of(posts_of(row), posts_of(row), posts_of(row), st.builds(lambda end: chunked(whole, end), trailers))


def posts_of(row: dict[str, Any]) -> st.SearchStrategy[bytes]:
    bodies = st.sampled_from([*BODIES, *[orjson.dumps(row)] * 8, orjson.dumps({**row, "tenure": -1})])
    return st.builds(
        lambda body, headers, path, method, version: posted(body, *headers, path=path, method=method, version=version),
        bodies,
        st.sampled_from([*HEADERS, *[(JSON,)] * 8]),
        st.sampled_from([*PATHS, "/predict?a=b", "/%70redict", "/nothing"]),
        st.sampled_from(["POST"] * 6 + ["GET", "PUT"]),
        st.sampled_from(["1.1"] * 6 + ["1.0"]),
    )


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_callers_cannot_tell_which_way_they_were_answered(
    consumer: Consumer, row: dict[str, Any], data: st.DataObject
) -> None:
    stream = b"".join(data.draw(st.lists(requests_of(row), min_size=1, max_size=4)))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=4)))
    pieces = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True) if start < end]

    async def talk() -> None:
        direct, usual = await conversation(consumer.app, pieces), await conversation(ordinary(consumer), pieces)
        assert direct == usual

    run(talk)


@pytest.mark.parametrize("headers", HEADERS)
def test_callers_cannot_tell_which_way_a_good_row_in_one_piece_was_answered(
    consumer: Consumer, row: dict[str, Any], headers: tuple[bytes, ...]
) -> None:
    assert told_alike(consumer, [posted(orjson.dumps(row), *headers)]).startswith(b"HTTP/1.1 ")


def test_a_good_row_in_a_content_coding_is_refused(consumer: Consumer, row: dict[str, Any]) -> None:
    told = told_alike(consumer, [posted(orjson.dumps(row), JSON, b"content-encoding: gzip")])
    assert told.startswith(b"HTTP/1.1 415 ")


def test_a_good_row_in_a_transfer_coding_that_is_not_known_is_refused(consumer: Consumer, row: dict[str, Any]) -> None:
    told = told_alike(consumer, [chunked(orjson.dumps(row)).replace(b": chunked", b": gzip, chunked")])
    assert told.startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(("longer", "status"), [(0, b"200"), (1, b"413")])
def test_a_good_row_that_is_longer_than_a_body_may_be_is_refused(
    bench: ConsumerBench, row: dict[str, Any], longer: int, status: bytes
) -> None:
    body = orjson.dumps(row)
    bench.release("1.0.0")
    consumer = bench.consumer(max_body_bytes=len(body) - longer)
    consumer.start()
    assert told_alike(consumer, [posted(body, JSON)]).startswith(b"HTTP/1.1 %s " % status)


def test_a_key_that_occurs_twice_is_refused_in_a_row_that_is_good_without_it(
    consumer: Consumer, row: dict[str, Any]
) -> None:
    told = told_alike(consumer, [posted(orjson.dumps(row)[:-1] + b',"tenure":3}', JSON)])
    assert told.startswith(b"HTTP/1.1 400 ")
    assert b'{"pointer":"/tenure","detail":"occurs 2 times"}' in told


def test_a_head_that_is_longer_than_it_may_be_is_refused(consumer: Consumer, row: dict[str, Any]) -> None:
    told = told_alike(consumer, [posted(orjson.dumps(row), JSON, b"x: " + b"y" * 9000)])
    assert told.startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize("hosts", [[], [b"here", b"here"], [b"a b"], [b"[::1"], [b"a:80:90"]])
def test_a_row_that_is_for_nobody_for_two_or_for_no_host_is_refused(
    consumer: Consumer, row: dict[str, Any], hosts: list[bytes]
) -> None:
    lines = b"".join(b"host: %s\r\n" % host for host in hosts)
    told = told_alike(consumer, [posted(orjson.dumps(row), JSON).replace(b"host: here\r\n", lines)])
    assert told.startswith(b"HTTP/1.1 400 ")
    assert b"urn:edustream:problem:malformed-http" in told


@pytest.mark.parametrize("wish", [b"keep-alive", b"close"])
def test_the_connection_of_an_older_client_is_closed_whatever_it_wishes(
    consumer: Consumer, row: dict[str, Any], wish: bytes
) -> None:
    asked = posted(orjson.dumps(row), JSON, b"connection: " + wish, version="1.0")

    async def talk() -> None:
        direct, usual = await conversation(consumer.app, [asked]), await conversation(ordinary(consumer), [asked])
        assert direct == usual
        told, closed = direct
        assert told.startswith(b"HTTP/1.1 200 OK\r\n")
        assert closed

    run(talk)


def test_what_goes_on_with_a_head_is_no_request_of_its_own_whatever_it_looks_like(
    consumer: Consumer, row: dict[str, Any]
) -> None:
    told = told_alike(consumer, [b"GET /health/live HTTP/1.1\r\nx: ", posted(orjson.dumps(row), JSON)])
    assert told.count(b"HTTP/1.1 ") == 1
    assert told.endswith(b'{"status":"live"}')


def test_the_release_that_was_asked_answers_though_another_one_serves_by_then(
    bench: ConsumerBench, consumer: Consumer, row: dict[str, Any]
) -> None:
    bench.release("1.1.0", scale=0.05)

    async def talk() -> None:
        caller = Caller(consumer.app)
        caller.send(posted(orjson.dumps({**row, "tenure": 20}), JSON))
        keeper_of(consumer).poll()
        await caller.rest()
        answer = orjson.loads(caller.told.rpartition(b"\r\n")[2])
        assert answer["model_version"] == "1.0.0"
        assert answer["probability"] == pytest.approx(tenure_probability(20, -0.05), abs=1e-6)
        caller.leave()

    run(talk)
    assert version(keeper_of(consumer)) == "1.1.0"


def test_who_does_not_read_is_told_nothing_more(consumer: Consumer, row: dict[str, Any]) -> None:
    async def talk() -> None:
        caller = Caller(consumer.app)
        # Whatever the client does not take is noticed, not only what exceeds 64 KiB.
        assert caller.pipe.high == 0
        caller.connection.pause_writing()
        caller.send(posted(orjson.dumps(row), JSON))
        for _ in range(20):
            await asyncio.sleep(0)
        assert caller.told == b""
        caller.connection.resume_writing()
        await caller.rest()
        assert caller.told.startswith(b"HTTP/1.1 200 OK")
        caller.leave()

    run(talk)


def test_who_has_asked_is_answered_though_the_time_between_two_requests_is_over(
    consumer: Consumer, row: dict[str, Any]
) -> None:
    async def talk() -> None:
        time = Time()
        caller = Caller(consumer.app, keep_alive_s=10, time=time)
        asked = posted(orjson.dumps(row), JSON)
        caller.send(asked)
        await caller.rest()
        caller.send(asked)
        time.passes(10)
        assert not caller.pipe.closed
        await caller.rest()
        assert caller.told.count(b"HTTP/1.1 200 OK") == 2
        time.passes(10)
        assert caller.pipe.closed
        caller.leave()

    run(talk)


def test_who_asks_one_row_after_the_other_is_not_taken_for_one_who_sends_no_head(
    consumer: Consumer, row: dict[str, Any]
) -> None:
    async def talk() -> None:
        time = Time()
        caller = Caller(consumer.app, bounds=Bounds(10, LONG_S, 8192), time=time)
        for asked in range(1, 6):
            time.passes(5)
            assert not caller.pipe.closed
            caller.send(posted(orjson.dumps(row), JSON))
            await caller.rest()
            assert caller.told.count(b"HTTP/1.1 200 OK") == asked
        caller.leave()

    run(talk)


def test_who_asked_a_row_has_its_time_anew_for_the_next_head(consumer: Consumer, row: dict[str, Any]) -> None:
    async def talk() -> None:
        time = Time()
        caller = Caller(consumer.app, bounds=Bounds(10, LONG_S, 8192), time=time)
        time.passes(9)
        caller.send(posted(orjson.dumps(row), JSON))
        await caller.rest()
        caller.pipe.written.clear()
        caller.send(b"POST /pre")
        time.passes(9)
        assert caller.told == b""
        time.passes(1)
        assert caller.told.startswith(b"HTTP/1.1 408 ")
        assert caller.pipe.closed
        caller.leave()

    run(talk)


def test_requests_that_come_before_an_answer_are_answered_in_their_order(
    consumer: Consumer, row: dict[str, Any]
) -> None:
    rows = [orjson.dumps({**row, "tenure": tenure}) for tenure in (0, 10, 20)]
    asked = [*(posted(one, JSON) for one in rows), posted(b"{}", JSON), posted(rows[0], JSON)]

    async def talk(app: Any) -> bytes:
        caller = Caller(app)
        # All of them within one turn of the event loop.
        for one in asked:
            caller.send(one)
        for _ in range(4):
            await caller.rest()
        caller.leave()
        return caller.told

    direct = asyncio.run(talk(consumer.app))
    assert direct == asyncio.run(talk(ordinary(consumer)))
    assert re.findall(rb"HTTP/1.1 (\d+)", direct) == [b"200", b"200", b"200", b"422", b"200"]


def test_a_row_that_the_model_cannot_answer_goes_the_ordinary_way(
    consumer: Consumer, row: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    serving = consumer.hosting.models[0].serving()

    def unusable(rows: Sequence[Any]) -> list[Any]:
        raise AnswerUnusable("a probability is nan")

    monkeypatch.setattr(serving.inference, "answers", unusable, raising=False)
    asked = posted(orjson.dumps(row), JSON)
    told, _ = asyncio.run(conversation(consumer.app, [asked]))
    assert told.startswith(b"HTTP/1.1 500 ")
    assert b"model-failed" in told
    assert 'route="/predict",status="200"' not in consumer_metrics(consumer)


def test_a_client_that_left_is_told_nothing(consumer: Consumer, row: dict[str, Any]) -> None:
    async def talk() -> None:
        caller = Caller(consumer.app)
        caller.send(posted(orjson.dumps(row), JSON))
        caller.pipe.abort()
        caller.leave()
        await caller.rest()
        assert caller.told == b""

    run(talk)


def unanswerable(consumer: Consumer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the model answer what cannot be written: the ordinary way takes over what was asked."""
    inference = consumer.hosting.models[0].serving().inference
    monkeypatch.setattr(inference, "answers", lambda rows: [{"prediction": 10**20} for _ in rows])


def test_a_row_whose_answer_cannot_be_written_goes_the_ordinary_way(
    consumer: Consumer, row: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    unanswerable(consumer, monkeypatch)
    asked = posted(orjson.dumps(row), JSON)

    async def talk() -> None:
        direct, usual = await conversation(consumer.app, [asked]), await conversation(ordinary(consumer), [asked])
        assert direct == usual
        assert direct[0].startswith(b"HTTP/1.1 500 ")

    asyncio.run(talk())
    assert consumer.app.direct is not None
    assert consumer.app.direct.under_way == 0


def test_a_connection_that_cannot_hand_on_what_was_asked_is_closed(
    consumer: Consumer, row: dict[str, Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(connection: BoundedConnection, data: bytes) -> None:
        raise MemoryError

    unanswerable(consumer, monkeypatch)
    monkeypatch.setattr(BoundedConnection, "data_received", broken)

    async def talk() -> None:
        caller = Caller(consumer.app)
        caller.send(posted(orjson.dumps(row), JSON))
        await caller.rest()
        # Its client would wait for an answer that nobody gives.
        assert caller.pipe.closed
        assert caller.told == b""
        caller.leave()

    run(talk)
    assert caplog.messages == ["answer_not_taken"]


@pytest.mark.parametrize("lost", [None, ConnectionResetError()])
def test_a_connection_keeps_nothing_of_what_was_sent_on_it(
    consumer: Consumer, row: dict[str, Any], lost: Exception | None
) -> None:
    async def talk() -> None:
        caller = Caller(consumer.app)
        for body in (orjson.dumps(row), b"{}"):
            caller.send(posted(body, JSON))
            await caller.rest()
            request = caller.connection._request
            assert (request.body, request.headers, request.url) == (b"", [], b"")
        caller.send(posted(orjson.dumps(row), JSON))
        await caller.rest()
        assert caller.connection.timeout_keep_alive_task is not None
        caller.pipe.abort()
        caller.connection.connection_lost(lost)
        assert caller.connection.timeout_keep_alive_task is None
        caller.connection.timeout_keep_alive_handler()
        assert caller.connection.timeout_keep_alive_task is None

    asyncio.run(talk())


@pytest.mark.parametrize("ending", ["eof_received", "shutdown"])
def test_who_has_asked_is_answered_before_the_connection_closes(
    consumer: Consumer, row: dict[str, Any], ending: str
) -> None:
    async def talk() -> None:
        caller = Caller(consumer.app)
        caller.send(posted(orjson.dumps(row), JSON))
        getattr(caller.connection, ending)()
        assert not caller.pipe.closed
        await caller.rest()
        assert b"HTTP/1.1 200 OK" in caller.told
        assert b"\r\nconnection: close\r\n" in caller.told
        assert caller.pipe.closed

    run(talk)


@pytest.mark.parametrize("ending", ["eof_received", "shutdown"])
def test_what_came_before_the_end_is_answered_too(consumer: Consumer, row: dict[str, Any], ending: str) -> None:
    async def talk(app: Any) -> tuple[list[bytes], int, bool]:
        caller = Caller(app)
        for body in (orjson.dumps(row), b"{}"):
            caller.send(posted(body, JSON))
        getattr(caller.connection, ending)()
        for _ in range(3):
            await caller.rest()
        statuses = re.findall(rb"HTTP/1.1 (\d+)", caller.told)
        return statuses, caller.told.count(b"connection: close"), caller.pipe.closed

    assert asyncio.run(talk(consumer.app)) == asyncio.run(talk(ordinary(consumer))) == ([b"200", b"422"], 1, True)


@pytest.mark.parametrize("ending", ["eof_received", "shutdown"])
@pytest.mark.parametrize("rows", [1, 2])
def test_what_came_before_the_end_is_answered_in_the_ordinary_way_too(
    consumer: Consumer, row: dict[str, Any], monkeypatch: pytest.MonkeyPatch, rows: int, ending: str
) -> None:
    unanswerable(consumer, monkeypatch)

    async def talk(app: Any) -> tuple[list[bytes], int, bool]:
        caller = Caller(app)
        for _ in range(rows):
            caller.send(posted(orjson.dumps(row), JSON))
        getattr(caller.connection, ending)()
        for _ in range(3):
            await caller.rest()
        statuses = re.findall(rb"HTTP/1.1 (\d+)", caller.told)
        return statuses, caller.told.count(b"connection: close"), caller.pipe.closed

    assert asyncio.run(talk(consumer.app)) == asyncio.run(talk(ordinary(consumer))) == ([b"500"] * rows, 1, True)


@pytest.mark.parametrize("ending", ["eof_received", "shutdown"])
@pytest.mark.parametrize("before", [b"", b"GET /health/live HTTP/1.1\r\nhost: here\r\n\r\n"])
def test_half_a_head_before_the_end_keeps_no_connection_open_and_no_answer_back(
    consumer: Consumer, row: dict[str, Any], before: bytes, ending: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def talk() -> None:
        caller = Caller(consumer.app)
        if before:
            caller.send(before)
            await caller.rest()
            caller.pipe.written.clear()
        caller.send(posted(orjson.dumps(row), JSON))
        caller.send(b"POST /pre")
        getattr(caller.connection, ending)()
        await caller.rest()
        assert re.findall(rb"HTTP/1.1 (\d+)", caller.told) == [b"200"]
        assert caller.pipe.closed
        caller.leave()

    run(talk)
    assert caplog.messages == []
    assert 'edustream_requests_total{route="/predict",status="200"} 1.0' in consumer_metrics(consumer)


@pytest.mark.parametrize("path", ["/predict", "/predict/batch"])
@pytest.mark.parametrize("before", [0, 2])
def test_what_a_client_sends_while_the_server_ends_is_answered(
    consumer: Consumer, row: dict[str, Any], before: int, path: str
) -> None:
    asked = posted(orjson.dumps(row if path == "/predict" else {"rows": [row]}), JSON, path=path)

    async def talk() -> None:
        caller = Caller(consumer.app, time=Time())
        for _ in range(before):
            caller.send(asked)
            await caller.rest()
        caller.connection.shutdown()
        assert not caller.pipe.closed
        caller.send(asked)
        await caller.rest()
        assert re.findall(rb"HTTP/1.1 (\d+)", caller.told) == [b"200"] * (before + 1)
        assert caller.told.count(b"\r\nconnection: close\r\n") == 1
        assert caller.pipe.closed
        caller.leave()

    run(talk)


@pytest.mark.parametrize("sent", [b"", b"POST /pre"])
def test_a_connection_without_a_request_is_closed_soon_after_the_server_ends(consumer: Consumer, sent: bytes) -> None:
    async def talk() -> None:
        time = Time()
        caller = Caller(consumer.app, time=time)
        caller.send(b"GET /health/live HTTP/1.1\r\nhost: here\r\n\r\n")
        await caller.rest()
        caller.connection.shutdown()
        caller.send(sent)
        time.passes(LINGER_S / 2)
        assert not caller.pipe.closed
        time.passes(LINGER_S / 2)
        assert caller.pipe.closed
        caller.leave()

    run(talk)


def test_a_request_that_is_under_way_when_a_lingering_connection_ends_is_answered(
    consumer: Consumer, row: dict[str, Any]
) -> None:
    async def talk() -> None:
        time = Time()
        caller = Caller(consumer.app, time=time)
        caller.connection.shutdown()
        asked = posted(orjson.dumps(row), JSON)
        caller.send(asked[:-5])
        await caller.rest()
        time.passes(LINGER_S)
        assert not caller.pipe.closed
        caller.send(asked[-5:])
        await caller.rest()
        assert re.findall(rb"HTTP/1.1 (\d+)", caller.told) == [b"200"]
        assert caller.pipe.closed
        caller.leave()

    run(talk)


def test_a_connection_is_kept_for_its_time_after_the_last_answer(consumer: Consumer, row: dict[str, Any]) -> None:
    async def talk() -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        caller = Caller(consumer.app, keep_alive_s=10)
        moments = iter([now, now + 8])
        with suppress(StopIteration):
            caller.connection.loop = Clock(loop, moments)  # type: ignore[assignment]
            caller.send(posted(orjson.dumps(row), JSON))
            await caller.rest()
            first = caller.connection.timeout_keep_alive_task
            caller.send(posted(orjson.dumps(row), JSON))
            await caller.rest()
            # The second answer set no timer of its own.
            assert caller.connection.timeout_keep_alive_task is first
        caller.connection.loop = Clock(loop, iter([now + 10]))  # type: ignore[assignment]
        caller.connection.timeout_keep_alive_handler()
        assert not caller.pipe.closed
        caller.connection.loop = Clock(loop, iter([now + 18]))  # type: ignore[assignment]
        caller.connection.timeout_keep_alive_handler()
        assert caller.pipe.closed
        caller.leave()

    run(talk)


def test_an_idle_connection_lives_no_longer_than_its_time_after_the_last_answer(
    consumer: Consumer, row: dict[str, Any]
) -> None:
    async def talk() -> None:
        time = Time()
        caller = Caller(consumer.app, keep_alive_s=10, time=time)
        for idle_s in (0, 8):
            time.passes(idle_s)
            caller.send(posted(orjson.dumps(row), JSON))
            await caller.rest()
        # Here runs out what the first answer began.
        time.passes(2)
        time.passes(7)
        assert not caller.pipe.closed
        time.passes(1)
        assert caller.pipe.closed
        caller.leave()

    run(talk)


class Clock:
    """An event loop whose time is told by `moments`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, moments: Any) -> None:
        self._loop = loop
        self._moments = moments

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)

    def time(self) -> float:
        return float(next(self._moments))


def test_a_gate_and_a_log_of_every_request_see_every_request(bench: ConsumerBench) -> None:
    bench.release("1.0.0")
    assert isinstance(bench.consumer().app.direct, DirectAnswers)
    assert bench.consumer(access_log=True).app.direct is None
    assert bench.consumer(rate_limit="5/minute").app.direct is None


def test_nothing_is_answered_at_once_while_nothing_serves(bench: ConsumerBench, row: dict[str, Any]) -> None:
    consumer = bench.consumer()
    consumer.start()
    told, _ = asyncio.run(conversation(consumer.app, [posted(orjson.dumps(row), JSON)]))
    assert told.startswith(b"HTTP/1.1 503 ")


@pytest.mark.parametrize("keyed", [True, False])
def test_a_split_decides_in_either_way_alike(bench: ConsumerBench, row: dict[str, Any], keyed: bool) -> None:
    challenge(bench)
    consumer = bench.consumer(split=("candidate=50",))
    consumer.start()
    calls: list[str] = []
    app = counted(consumer, calls)
    asked = [
        posted(orjson.dumps({**row, "tenure": number}), JSON, *([b"x-split-key: caller-%d" % number] if keyed else []))
        for number in range(24)
    ]

    async def talk() -> None:
        direct, usual = await conversation(app, asked), await conversation(ordinary(consumer), asked)
        assert direct == usual
        assert direct[0].count(b"x-edustream-side: challenger") not in (0, 24)

    run(talk)
    assert calls == []
    split = consumer.hosting.models[0].split
    assert split is not None
    assert sum(split.counts().answered.values()) == 48


def test_a_challenger_that_should_answer_and_cannot_is_counted_once(bench: ConsumerBench, row: dict[str, Any]) -> None:
    bench.release("1.0.0")
    consumer = bench.consumer(split=("candidate=99.9",))
    consumer.start()
    told, _ = asyncio.run(conversation(consumer.app, [posted(orjson.dumps(row), JSON)]))
    assert b"x-edustream-side: champion" in told
    split = consumer.hosting.models[0].split
    assert split is not None
    assert sum(split.counts().fallbacks.values()) == 1


def test_rows_that_are_answered_at_once_are_recorded(bench: ConsumerBench, row: dict[str, Any]) -> None:
    release(bench, "1.0.0")
    consumer = bench.consumer()
    consumer.start()
    asked = [posted(orjson.dumps(row), JSON)] * 3
    told, _ = asyncio.run(conversation(consumer.app, asked))
    hosted = consumer.hosting.models[0]
    reference = hosted.serving().reference
    assert told.count(b"HTTP/1.1 200 OK") == 3
    assert hosted.drift is not None
    assert isinstance(reference, Reference)
    assert hosted.drift.compare(reference).rows == 3
