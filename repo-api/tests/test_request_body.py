from __future__ import annotations

import asyncio
from typing import Any

import pytest

from edustream_api.problems import MEDIA, TOO_LARGE, RequestRefused
from edustream_api.web.request_body import DRAINED_BODIES, ClientGone, read_json_body

LIMIT = 10
JSON = (b"content-type", b"application/json")


class Client:
    """Sends its chunks, then leaves; counts what was taken from it."""

    def __init__(self, *chunks: bytes, complete: bool = True) -> None:
        self.messages: list[dict[str, Any]] = [
            {"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks
        ]
        if complete:
            self.messages[-1]["more_body"] = False
        self.taken = 0

    async def receive(self) -> dict[str, Any]:
        if self.taken == len(self.messages):
            return {"type": "http.disconnect"}
        self.taken += 1
        return self.messages[self.taken - 1]


def read(client: Client, *headers: tuple[bytes, bytes]) -> bytes:
    return asyncio.run(read_json_body({"headers": headers}, client.receive, LIMIT))


def test_reads_up_to_the_limit() -> None:
    assert read(Client(b"0123456789"), JSON) == b"0123456789"
    assert read(Client(b"01234", b"", b"56789"), JSON) == b"0123456789"


@pytest.mark.parametrize("chunks", [(b"0" * 11,), (b"0" * 6, b"0" * 5), (b"0" * 6, b"0" * 5, b"0")])
def test_refuses_more_than_the_limit(chunks: tuple[bytes, ...]) -> None:
    client = Client(*chunks)
    with pytest.raises(RequestRefused) as caught:
        read(client, JSON)
    assert caught.value.kind is TOO_LARGE
    assert client.taken == len(chunks)


@pytest.mark.parametrize(("fields", "kept"), [([(b"content-length", b"11")], 0), ([], 2)])
def test_stops_reading_from_a_client_that_does_not_stop_sending(fields: list[tuple[bytes, bytes]], kept: int) -> None:
    client = Client(*[b"0" * LIMIT] * 100)
    with pytest.raises(RequestRefused):
        read(client, JSON, *fields)
    assert client.taken == kept + DRAINED_BODIES + 1


@pytest.mark.parametrize("chunks", [(), (b"01",)])
def test_notices_that_the_client_left(chunks: tuple[bytes, ...]) -> None:
    with pytest.raises(ClientGone):
        read(Client(*chunks, complete=False), JSON)


@pytest.mark.parametrize("value", [b"text/json", b"application/json-seq", b"\xff"])
def test_refuses_other_media_types(value: bytes) -> None:
    with pytest.raises(RequestRefused) as caught:
        read(Client(b"{}"), (b"content-type", value))
    assert caught.value.kind is MEDIA


def test_ignores_a_length_that_is_no_number() -> None:
    assert read(Client(b"{}"), JSON, (b"content-length", b"many")) == b"{}"


@pytest.mark.parametrize(
    ("length", "fields", "taken"),
    [
        (LIMIT + 1, (), 2),
        (DRAINED_BODIES * LIMIT + 1, (), 0),
        (LIMIT + 1, ((b"expect", b"100-continue"),), 0),
    ],
)
def test_waits_for_no_body_that_nobody_should_send(
    length: int, fields: tuple[tuple[bytes, bytes], ...], taken: int
) -> None:
    client = Client(b"x" * LIMIT, b"x")
    with pytest.raises(RequestRefused) as caught:
        read(client, JSON, (b"content-length", str(length).encode()), *fields)
    assert caught.value.kind is TOO_LARGE
    assert client.taken == taken
