"""Many clients that hold connections and ask nothing, and a server that is told to stop while one of them asks."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

SERVE = Path(__file__).parents[1] / "serve_consume.py"
PATIENCE_S = 60
IDLE = 10_000
RESERVE = 500
LIVE = b"GET /health/live HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n"


class Server:
    """A consumer that waits for a registry that there is not: live, and not ready."""

    def __init__(self, trust_file: Path) -> None:
        environ = {
            **os.environ,
            "REGISTRY_URL": "s3://models",
            "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1",
            "AWS_ACCESS_KEY_ID": "consumer",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "EDUSTREAM_TRUST_FILE": str(trust_file),
            "EDUSTREAM_CACHE_DIR": str(trust_file.parent / "cache"),
        }
        command = [sys.executable, str(SERVE), "--wait", "--port", "0", "--header-timeout-s", "600"]
        self.process = subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, text=True)
        assert self.process.stderr is not None
        told = (re.search(r"http://127\.0\.0\.1:(\d+)", json.loads(line)["event"]) for line in self.process.stderr)
        found = next(filter(None, told))
        self.address = ("127.0.0.1", int(found[1]))

    def connect(self) -> socket.socket:
        return socket.create_connection(self.address, PATIENCE_S)

    def end(self) -> int:
        self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode


@pytest.fixture
def server(trust_file: Path) -> Iterator[Server]:
    server = Server(trust_file)
    yield server
    server.process.kill()
    server.process.communicate()


def answer(connection: socket.socket) -> bytes:
    return b"".join(iter(lambda: connection.recv(65536), b""))


def test_ten_thousand_of_them_keep_nobody_out(server: Server) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < IDLE + RESERVE:
        pytest.skip(f"this process may open {hard} files; {IDLE + RESERVE} are needed (ulimit -Hn)")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        with ExitStack() as idle:
            for _ in range(IDLE):
                idle.enter_context(server.connect())
            with server.connect() as asking:
                asking.sendall(LIVE)
                assert answer(asking).startswith(b"HTTP/1.1 200 ")
        with server.connect() as asking:
            asking.sendall(LIVE)
            assert answer(asking).startswith(b"HTTP/1.1 200 ")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_request_under_way_is_answered_before_the_end(server: Server) -> None:
    with server.connect() as asking:
        head = b"POST /predict/batch HTTP/1.1\r\nhost: here\r\ncontent-type: application/json\r\ncontent-length: 12\r\n"
        asking.sendall(head + b"expect: 100-continue\r\n\r\n")
        # The application waits for the body.
        assert asking.recv(65536).startswith(b"HTTP/1.1 100 ")
        server.process.send_signal(signal.SIGTERM)
        assert server.process.stderr is not None
        assert any("Waiting for connections to close" in line for line in server.process.stderr)
        with pytest.raises(ConnectionRefusedError):
            server.connect()
        asking.sendall(b'{"rows": []}')
        answered = answer(asking)
    assert answered.startswith(b"HTTP/1.1 503 ")
    assert b'"reason":"UNREACHABLE"' in answered
    assert server.end() == 0
