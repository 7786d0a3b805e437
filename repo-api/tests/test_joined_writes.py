from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.server import ServerState

from edustream_api.web.joined_writes import JoinedConnection, JoinedWrites


class Transport(asyncio.Transport):
    """Notes what is asked of it."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1)})
        self.asked: list[Any] = []

    def write(self, data: Any) -> None:
        self.asked.append(bytes(data))

    def close(self) -> None:
        self.asked.append("close")

    def is_closing(self) -> bool:
        return "close" in self.asked


def asked_of(transport: Transport, act: Callable[[JoinedWrites], None]) -> list[Any]:
    """What a transport is asked during one turn of the event loop."""

    async def turn() -> None:
        act(JoinedWrites(transport, asyncio.get_running_loop()))
        await asyncio.sleep(0)

    asyncio.run(turn())
    return transport.asked


@pytest.mark.parametrize(
    ("pieces", "sent"),
    [
        ([b"head", b"body"], [b"headbody"]),
        ([b"head"], [b"head"]),
        ([b"1", b"2", b"3"], [b"12", b"3"]),
        ([b"1", b"2", b"3", b"4"], [b"12", b"34"]),
    ],
)
def test_all_pieces_leave_in_order_two_at_a_time(pieces: list[bytes], sent: list[bytes]) -> None:
    def act(writes: JoinedWrites) -> None:
        for piece in pieces:
            writes.write(piece)

    assert asked_of(Transport(), act) == sent


def test_what_is_held_back_leaves_before_the_connection_closes() -> None:
    def act(writes: JoinedWrites) -> None:
        writes.write(b"head")
        writes.close()

    assert asked_of(Transport(), act) == [b"head", "close"]


def test_all_else_is_the_transports_own() -> None:
    found: list[Any] = []
    asked_of(Transport(), lambda writes: found.extend([writes.get_extra_info("peername"), writes.is_closing()]))
    assert found == [("127.0.0.1", 1), False]


def test_an_answer_leaves_in_one_piece() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"{}"})

    async def answered(transport: Transport) -> None:
        state = ServerState()
        connection = JoinedConnection(Config(app, log_config=None), state, {})
        connection.connection_made(transport)
        connection.data_received(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        await asyncio.gather(*state.tasks)
        connection.timeout_keep_alive_handler()

    transport = Transport()
    asyncio.run(answered(transport))
    (answer, closed) = transport.asked
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b"\r\n\r\n{}")
    assert closed == "close"
