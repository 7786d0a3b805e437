"""A small S3 server on the loopback that follows a script: it may land a request and then fail to say so."""

from __future__ import annotations

import re
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from edustream_registry.local_server import HOST

RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Silence(Enum):
    """How a server can fail to answer."""

    RESET = "the connection is reset after the request was received"
    WAIT = "the connection stays open and no answer comes"
    CLOSE = "the connection is closed in good order"


@dataclass(frozen=True, slots=True)
class Step:
    """What happens to one request: is it carried out, what is answered, and does the server listen on afterwards?

    A silence that begins `halfway` comes after the head of the right answer and half of its body.
    """

    answer: int | Silence
    code: str = ""
    lands: bool = False
    then_gone: bool = False
    halfway: bool = False


@dataclass
class ScriptedServer:
    """Carries requests out as S3 does, except for those that a step of the script is for, in the order of arrival."""

    script: list[Step]
    objects: dict[str, bytes] = field(default_factory=dict)
    parts: dict[int, bytes] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)
    listener: socket.socket = field(default_factory=lambda: socket.create_server((HOST, 0)))

    def __post_init__(self) -> None:
        self.port = self.listener.getsockname()[1]
        self._one_at_a_time = threading.Lock()

    def accept(self) -> None:
        while True:
            try:
                connection, address = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection, address), daemon=True).start()

    def _serve(self, connection: socket.socket, address: Any) -> None:
        with connection:
            try:
                _Handler(connection, address, self)  # type: ignore[arg-type]
            except ConnectionError:
                return

    def stop_listening(self) -> None:
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            return
        self.listener.close()

    def next_step(self, request: str) -> Step | None:
        with self._one_at_a_time:
            self.requests.append(request)
            return self.script.pop(0) if self.script else None

    def carry_out(self, method: str, target: str, headers: Any, body: bytes) -> tuple[int, bytes]:
        """What S3 does and answers: status and body, which is an error's code where the status is one."""
        split = urlsplit(target)
        key, query = split.path, parse_qs(split.query, keep_blank_values=True)
        with self._one_at_a_time:
            if method == "GET":
                return (200, self.objects[key]) if key in self.objects else (404, b"NoSuchKey")
            if method == "DELETE":
                self.parts.clear()
                return 204, b""
            if "uploads" in query:
                return 200, b"<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>"
            if "partNumber" in query:
                self.parts[int(query["partNumber"][0])] = body
                return 200, b""
            if "uploadId" in query:
                if not self.parts:
                    return 404, b"NoSuchUpload"
                self.objects[key] = b"".join(self.parts[number] for number in sorted(self.parts))
                self.parts.clear()
                return 200, b"<CompleteMultipartUploadResult></CompleteMultipartUploadResult>"
            if headers.get("If-None-Match") == "*" and key in self.objects:
                return 412, b"PreconditionFailed"
            self.objects[key] = body
            return 200, b""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ScriptedServer  # type: ignore[assignment]

    def handle_any(self) -> None:
        body = self._body()
        step = self.server.next_step(self.command)
        if step is None:
            self._answer(*self.server.carry_out(self.command, self.path, self.headers, body))
            return
        if step.lands:
            self.server.carry_out(self.command, self.path, self.headers, body)
        if step.halfway:
            self._answer(*self.server.carry_out(self.command, self.path, self.headers, body), parts=2)
        if step.then_gone:
            self.server.stop_listening()
            self.close_connection = True
        if step.answer is Silence.RESET:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            self.close_connection = True
        elif step.answer is Silence.WAIT:
            self.server.ended.wait()
            self.close_connection = True
        elif step.answer is Silence.CLOSE:
            self.close_connection = True
        else:
            self._answer(int(step.answer), step.code.encode())

    do_GET = do_PUT = do_POST = do_DELETE = handle_any  # noqa: N815 - names that the base class looks for

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _answer(self, status: int, body: bytes, parts: int = 1) -> None:
        """Answer, with one of so many parts of the body."""
        if status >= 300:
            body = b"<Error><Code>%s</Code></Error>" % body
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if status == 200 and asked:
            status, whole, start = 206, len(body), int(asked[1])
            body = body[start : int(asked[2]) + 1]
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{start + len(body) - 1}/{whole}")
        self.send_header("ETag", '"opaque"')
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body[: len(body) // parts])

    def log_message(self, *_: Any) -> None:
        """Nothing is logged."""


@contextmanager
def scripted_server(*script: Step) -> Iterator[ScriptedServer]:
    server = ScriptedServer(list(script))
    accepting = threading.Thread(target=server.accept)
    accepting.start()
    try:
        yield server
    finally:
        server.ended.set()
        server.stop_listening()
        accepting.join()
