from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from edustream_lab.load import Load
from edustream_lab.processes import ProgramFailed

ROW = {"tenure": 1}
OF_ONE = (200, b'{"model_version": "1.0.0"}')


@contextmanager
def answering(*answers: tuple[int, bytes]) -> Iterator[tuple[str, Callable[[], None]]]:
    """A server that gives these answers, the last one for ever; its address, and what waits until all were given."""
    left, given = list(answers), threading.Semaphore(0)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            status, body = left.pop(0) if len(left) > 1 else left[0]
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            given.release()

        def log_message(self, *_: object) -> None:
            """Tests are silent."""

    def wait() -> None:
        for _ in answers:
            assert given.acquire(timeout=30)

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", wait
        finally:
            server.shutdown()
            thread.join()


def test_every_status_and_every_version_is_counted() -> None:
    with answering((503, b"{}"), (200, b'{"model_version": "0.9.0"}'), OF_ONE) as (url, wait):
        with Load(url, ROW) as load:
            wait()
        assert load.failed == load.statuses[503] == 1
        assert load.versions["0.9.0"] == 1
        assert load.versions["1.0.0"] == load.statuses[200] - 1 >= 1


def test_a_request_that_nobody_answers_counts_as_failed() -> None:
    with answering(OF_ONE) as (url, _):
        pass
    asked = threading.Event()

    class Told(Load):
        def _ask(self, client: object) -> None:
            super()._ask(client)  # type: ignore[arg-type]
            asked.set()

    with Told(url, ROW) as load:
        assert asked.wait(30)
    assert load.failed == load.statuses["ConnectError"] >= 1


def test_an_answer_that_cannot_be_read_is_no_success_and_ends_the_block() -> None:
    with answering(OF_ONE, (200, b"<html>")) as (url, wait):
        load = Load(url, ROW)
        with pytest.raises(ProgramFailed, match=f"An answer of {url}/predict could not be read.*JSONDecodeError"), load:
            wait()
    assert (load.failed, load.statuses["JSONDecodeError"], load.statuses[200]) == (1, 1, 1)


def test_what_failed_in_the_block_is_told_first() -> None:
    def block(url: str, wait: Callable[[], None]) -> None:
        with Load(url, ROW):
            wait()
            raise ZeroDivisionError

    with answering(OF_ONE, (200, b"<html>")) as (url, wait), pytest.raises(ZeroDivisionError):
        block(url, wait)
