"""An HTTP proxy in front of an S3 server that breaks one promise of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

BY_THE_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "server"})


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True)
class Request:
    """One request; its body is read from the client only when it is asked for."""

    method: str
    path: str
    headers: dict[str, str]
    read: Callable[[], bytes]

    @property
    def creates(self) -> bool:
        return self.method == "PUT" and "If-None-Match" in self.headers

    @property
    def lists(self) -> bool:
        return self.method == "GET" and "list-type=2" in self.path

    def without(self, header: str) -> Request:
        rest = {name: value for name, value in self.headers.items() if name != header}
        return Request(self.method, self.path, rest, self.read)


Forward = Callable[[Request], Answer]
Fault = Callable[[Request, Forward], Answer]


@contextmanager
def proxy(upstream: str, fault: Fault) -> Iterator[str]:
    """Serve on a free port of 127.0.0.1; the block gets the address."""
    to = urlsplit(upstream)
    assert to.hostname

    def forward(request: Request) -> Answer:
        connection = HTTPConnection(str(to.hostname), to.port, timeout=30)
        try:
            connection.putrequest(request.method, request.path, skip_host=True, skip_accept_encoding=True)
            for name, value in request.headers.items():
                connection.putheader(name, value)
            connection.endheaders(request.read())
            found = connection.getresponse()
            return Answer(found.status, dict(found.getheaders()), found.read())
        finally:
            connection.close()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            bodies: list[bytes] = []

            def read() -> bytes:
                if not bodies:
                    bodies.append(self.rfile.read(length))
                return bodies[0]

            answer = fault(Request(self.command, self.path, dict(self.headers.items()), read), forward)
            read()
            self.send_response_only(answer.status)
            for name, value in answer.headers.items():
                if name.lower() not in BY_THE_HOP and (name.lower() != "content-length" or self.command == "HEAD"):
                    self.send_header(name, value)
            if self.command != "HEAD":
                self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.body)

        def log_message(self, *_: object) -> None:
            pass

    for method in ("GET", "HEAD", "PUT", "POST", "DELETE"):
        setattr(Handler, f"do_{method}", Handler.answer)

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 64

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
