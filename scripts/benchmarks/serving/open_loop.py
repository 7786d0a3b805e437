"""Loads a server at a constant rate from one thread, and writes what it saw of every request.

Runs in the consumer's environment, which has the parser:
`python -m serving.open_loop URL BODY_FILE RATE SECONDS CONNECTIONS OUTPUT`, in `scripts/benchmarks`.
"""

from __future__ import annotations

import gc
import json
import os
import re
import select
import socket
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import httptools

from serving.pacing import paced

OK: Final = 200
VERSION: Final = re.compile(rb'"model_version":"([^"]+)"')
LOWEST_REAL_TIME: Final = 1


class RequestFailed(RuntimeError):
    """An answer was no success, or its connection broke."""


class KeptAlive:
    """One connection to the server, on which one request after the other is sent."""

    def __init__(self, address: tuple[str, int], request: bytes) -> None:
        self.socket = socket.create_connection(address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.answer = ""
        self._request = request
        self._parser = httptools.HttpResponseParser(self)
        self._body = b""
        self._complete = False

    def fileno(self) -> int:
        """The socket's number, for select."""
        return self.socket.fileno()

    def send(self) -> None:
        """Send the request; it is small enough for the socket's buffer."""
        self._body, self._complete = b"", False
        self.socket.sendall(self._request)

    def receive(self) -> bool:
        """Take what has arrived; whether the answer is complete. Raises `RequestFailed`."""
        data = self.socket.recv(65536)
        if not data:
            raise RequestFailed("The server closed a connection on which a request was under way.")
        self._parser.feed_data(data)
        return self._complete

    def on_body(self, body: bytes) -> None:
        """Called by the parser with a part of the body."""
        self._body += body

    def on_message_complete(self) -> None:
        """Called by the parser at the end of an answer."""
        status = self._parser.get_status_code()
        if status != OK:
            raise RequestFailed(f"The server answered {status}: {self._body.decode(errors='replace')}")
        found = VERSION.search(self._body)
        self.answer = found[1].decode() if found else ""
        self._complete = True


def wait(busy: Sequence[KeptAlive], timeout_s: float) -> list[KeptAlive]:
    """The connections whose answers are complete, after at most `timeout_s`, to the microsecond."""
    readable, _, _ = select.select(busy, (), (), timeout_s)
    return [connection for connection in readable if connection.receive()]


def main(url: str, body_file: str, rate: str, seconds: str, connections: str, output: str) -> None:
    """Load, and write `[due_s, latency_s, lateness_s, answer]` for each request as JSON."""
    # Whatever else runs on the load's core shall wait for it; without the right to say so, its lateness shows it.
    with suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(LOWEST_REAL_TIME))
    parts, body = urlsplit(url), Path(body_file).read_bytes()
    head = f"POST {parts.path} HTTP/1.1\r\nhost: {parts.netloc}\r\ncontent-type: application/json\r\n"
    request = f"{head}content-length: {len(body)}\r\n\r\n".encode() + body
    address = (str(parts.hostname), int(parts.port or 80))
    opened = [KeptAlive(address, request) for _ in range(int(connections))]
    gc.disable()
    count = round(float(rate) * float(seconds))
    seen = [
        (one.due_s, one.latency_s, one.lateness_s, one.answer)
        for one in paced(opened, float(rate), count, time.monotonic, wait)
    ]
    Path(output).write_text(json.dumps(seen))


if __name__ == "__main__":
    main(*sys.argv[1:])
