"""Sends the head and the body of an answer in one piece: two would cost another system call, and another packet."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class JoinedWrites:
    """A transport that holds one piece back until the next one, or the end of the event loop's turn, sends it.

    uvicorn writes the head of an answer and its body one after the other. All else is the transport's own.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held = b""
        # Asked of every answer.
        self.is_closing = transport.is_closing

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send `data` with what is held back, or hold it back."""
        if self._held:
            held, self._held = self._held, b""
            self._transport.write(held + data)
        else:
            self._held = data
            self._loop.call_soon(self._send_held)

    def write_whole(self, answer: bytes) -> None:
        """Send an answer, head and body, after what is held back."""
        held, self._held = self._held, b""
        self._transport.write(held + answer if held else answer)

    def close(self) -> None:
        """Send what is held back, and close."""
        self._send_held()
        self._transport.close()

    def _send_held(self) -> None:
        if self._held:
            held, self._held = self._held, b""
            self._transport.write(held)


class JoinedConnection(HttpToolsProtocol):
    """uvicorn's connection, whose answers leave in one piece."""

    writes: JoinedWrites

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Write through `JoinedWrites`."""
        self.writes = JoinedWrites(transport, self.loop)
        super().connection_made(cast(asyncio.Transport, self.writes))
