"""A reply that drips or never ends is given up; no test here waits, since the clocks and the servers are scripted."""

from __future__ import annotations

import io
import itertools
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from edustream_contracts.errors import Rejected, Unreachable
from edustream_registry import bounded_replies
from edustream_registry.bounded_replies import GRACE_S, LEAST_BYTES_PER_S, BoundedBody, bound_replies
from edustream_registry.s3_client import make_client
from edustream_registry.s3_store import S3Store
from edustream_registry.settings import RegistrySettings

LIST = b'<?xml version="1.0"?><ListBucketResult><IsTruncated>false</IsTruncated>'


class Dripping(io.RawIOBase):
    """A body of `size` bytes of which each read brings `step`; every read takes `seconds` of `now`."""

    length_remaining = None

    def __init__(self, size: int, step: int, seconds: float) -> None:
        self.left, self.step, self.seconds, self.now = size, step, seconds, 0.0

    def read1(self, amt: int) -> bytes:
        self.now += self.seconds
        count = min(amt, self.step, self.left)
        self.left -= count
        return b"x" * count

    def clock(self) -> float:
        return self.now


def bounded(body: Dripping, max_bytes: int | None = None) -> BoundedBody:
    return BoundedBody(body, ConnectionError, max_bytes, body.clock)


def test_a_body_is_read_as_it_is() -> None:
    body = bounded(Dripping(100, step=7, seconds=0))
    buffer = bytearray(20)

    assert body.read(10) == b"x" * 10
    assert body.readinto(buffer) == 20
    assert sum(map(len, itertools.islice(body.stream(5), 2))) == 10
    assert body.read() == b"x" * 60
    assert (body.read(), body.read(1), body.readinto(buffer)) == (b"", b"", 0)


@pytest.mark.parametrize("read", [lambda body: body.read(), lambda body: list(body.stream())], ids=["read", "stream"])
def test_slow_retrieval_a_body_that_drips_is_given_up_and_its_connection_closed(
    read: Callable[[BoundedBody], Any],
) -> None:
    dripping = Dripping(10**9, step=1, seconds=2.9)

    with pytest.raises(ConnectionError, match=r"came too slowly: 4 bytes in 12 s"):
        read(bounded(dripping))

    assert dripping.closed


def test_a_body_at_the_least_rate_is_read_to_its_end() -> None:
    size = 50 * LEAST_BYTES_PER_S

    assert len(bounded(Dripping(size, step=LEAST_BYTES_PER_S, seconds=1)).read()) == size
    with pytest.raises(ConnectionError, match="too slowly"):
        bounded(Dripping(size, step=LEAST_BYTES_PER_S, seconds=1 + GRACE_S / 40)).read()


def test_endless_data_a_body_longer_than_it_may_be_is_given_up() -> None:
    assert len(bounded(Dripping(1000, step=10, seconds=0), max_bytes=1000).read()) == 1000
    endless = Dripping(10**12, step=10, seconds=0)
    with pytest.raises(ConnectionError, match="longer than 1000 bytes"):
        bounded(endless, max_bytes=1000).read()
    assert endless.closed


@contextmanager
def answering(head: bytes, piece: bytes, headers: dict[str, str] | None = None) -> Iterator[S3Store]:
    """A store on a server that answers every request with `head`, and then `piece` until the client goes away."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.end_headers()
            try:
                self.wfile.write(head)
                while True:
                    self.wfile.write(piece)
            except OSError:
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    settings = RegistrySettings(
        "models", "", f"http://127.0.0.1:{server.server_port}", access_key_id="key", secret_access_key="secret"
    )
    try:
        yield S3Store(settings)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_endless_data_a_listing_whose_page_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_replies, "MAX_REPLY_BYTES", 2**20)

    with (
        answering(LIST, b"<!-- " + b"x" * 65536 + b" -->") as store,
        pytest.raises(Unreachable, match=r"longer than 1048576 bytes"),
    ):
        list(store.list("models/"))


def test_endless_data_an_object_that_never_ends_is_read_no_further_than_it_may_be() -> None:
    with (
        answering(b"", b"x" * 65536, {"Content-Length": str(2**60)}) as store,
        pytest.raises(Rejected, match=r"registry\.json is longer than the 1024 bytes that it may have"),
    ):
        store.get("registry.json", 1024)


class Pages:
    """Stands in for a client whose listing has these pages."""

    def __init__(self, pages: Iterable[dict[str, Any]]) -> None:
        self.pages = pages

    def get_paginator(self, _: str) -> Pages:
        return self

    def paginate(self, **_: str) -> Iterable[dict[str, Any]]:
        return self.pages


SETTINGS = RegistrySettings("models", "", "http://127.0.0.1:1", access_key_id="key", secret_access_key="secret")


@pytest.mark.parametrize(
    "page", [{}, {"Contents": []}, {"CommonPrefixes": []}], ids=["nothing", "no keys", "no folders"]
)
def test_endless_data_a_listing_of_ever_more_pages_is_given_up(page: dict[str, Any]) -> None:
    store = S3Store(SETTINGS, Pages(itertools.repeat(page)))

    for listing in (store.list("models/"), store.folders("models/")):
        with pytest.raises(Unreachable, match="it has more than 1000 pages"):
            list(listing)


def test_a_listing_whose_rows_lack_something_is_refused() -> None:
    store = S3Store(SETTINGS, Pages([{"Contents": [{"Key": "models/a", "Size": 1}]}]))

    with pytest.raises(Unreachable, match="a row of it has Key, Size only"):
        list(store.list("models/"))


def test_slow_retrieval_a_server_that_drips_is_given_up_by_a_real_client() -> None:
    with answering(b"", b"x", {"Content-Length": str(2**60)}) as silent:
        settings = silent._settings
        client = make_client("s3", settings)
        ticks = itertools.count()
        bound_replies(client, lambda why: Unreachable("connection", why, remedy="none"), lambda: next(ticks) * 10.0)
        with pytest.raises(Unreachable, match="too slowly"):
            S3Store(settings, client).get("models/churn/releases/1.0.0.json", 2**60)
