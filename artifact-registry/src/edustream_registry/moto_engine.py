"""moto's S3 server, answering one request after the other: `python -m edustream_registry.moto_engine PORT`.

moto looks whether a key is free and writes it in two steps. Its own server answers in threads, so that of two creators
of one key both may be told that they won. Here a request waits for its turn once its body has come.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import run_simple

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

HOST: Final = "127.0.0.1"


def one_at_a_time(application: WSGIApplication) -> WSGIApplication:
    """`application`, called by one thread at a time, with the request's body read beforehand."""
    turn = threading.Lock()

    def serve(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        body = _body(environ)
        with turn:
            return application({**environ, "wsgi.input": BytesIO(body)}, start_response)

    return serve


def _body(environ: WSGIEnvironment) -> bytes:
    source: Any = environ["wsgi.input"]
    read: Callable[..., bytes] = source.read
    return read() if environ.get("wsgi.input_terminated") else read(int(environ.get("CONTENT_LENGTH") or 0))


if __name__ == "__main__":
    run_simple(
        HOST,
        int(sys.argv[1]),
        one_at_a_time(DomainDispatcherApplication(create_backend_app)),
        threaded=True,
        request_handler=MotoRequestHandler,
    )
