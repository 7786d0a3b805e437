"""Several workers that are told to stop while they are asked: whoever they took a request from is answered."""

from __future__ import annotations

import json
import os
import signal
import socket
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from typing import Any
from urllib.parse import urlsplit

import pytest
from processes import PATIENCE_S, Process, Registry, serving, waiting_for_a_body

from edustream_api import ending

CALLERS = 12
CLIENTS = 2


class Client(Thread):
    """Asks one row after the other until its connection is closed or refused; `answers` are the statuses.

    Of an answer that it was sent a part of, `broken` tells.
    """

    def __init__(self, process: Process, row: dict[str, Any], begun: Event) -> None:
        super().__init__()
        self.answers: list[int] = []
        self.broken: Exception | None = None
        self._connection = HTTPConnection(urlsplit(process.address).netloc, timeout=PATIENCE_S)
        self._body = json.dumps(row)
        self._begun = begun

    def run(self) -> None:
        try:
            while True:
                self._connection.request("POST", "/predict", self._body, {"content-type": "application/json"})
                response = self._connection.getresponse()
                json.loads(response.read())
                self.answers.append(response.status)
                self._begun.set()
        except OSError:
            # Closed between two requests, or before the first byte of an answer.
            self._connection.close()
        except Exception as error:
            self.broken = error


def rest_of(connection: socket.socket) -> bytes:
    return b"".join(iter(lambda: connection.recv(65536), b""))


def test_workers_under_load_answer_what_they_took_before_they_end(registry: Registry, row: dict[str, Any]) -> None:
    registry.release("1.0.0")
    body = json.dumps({"rows": [row, row]}).encode()
    with serving(registry, "--workers", "2") as process, ExitStack() as stack:
        for _ in range(2):
            process.until("Application startup complete")
        begun = Event()
        clients = [Client(process, row, begun) for _ in range(CLIENTS)]
        for client in clients:
            client.start()
        asking = [stack.enter_context(waiting_for_a_body(process, body)) for _ in range(CALLERS)]
        assert begun.wait(PATIENCE_S)
        process.tell(signal.SIGTERM)
        for _ in range(2):
            process.until("Shutting down")
        for connection in asking:
            connection.sendall(body)
        answers = [rest_of(connection) for connection in asking]
        assert [answer.partition(b"\r\n")[0] for answer in answers] == [b"HTTP/1.1 200 OK"] * CALLERS
        for answer in answers:
            assert len(json.loads(answer.partition(b"\r\n\r\n")[2])["predictions"]) == 2
        assert process.ended() == 0
        for client in clients:
            client.join(PATIENCE_S)
            assert client.broken is None
            assert set(client.answers) <= {200}


def test_workers_end_when_their_parent_was_killed_and_leave_nothing(registry: Registry, row: dict[str, Any]) -> None:
    registry.release("1.0.0")
    # pytest's own folders have paths that are too long for a socket.
    with TemporaryDirectory(prefix="workers-") as folder:
        registry.environ |= {"TMPDIR": folder}
        with serving(registry, "--workers", "2", "--split", "candidate=10") as process:
            for _ in range(2):
                process.until("Application startup complete")
            assert process.predict(row)["model_version"] == "1.0.0"
            # What one that died has counted is there until the end.
            worker = next(one for one in process.children() if "onnxruntime" in Path("/proc", one, "maps").read_text())
            os.kill(int(worker), signal.SIGKILL)
            process.until("Application startup complete")
            process.tell(signal.SIGKILL)
            # The log ends with the last process that can write to it.
            assert process.ended() == -signal.SIGKILL
        assert list(Path(folder).rglob("*")) == []


def test_what_a_living_worker_counts_is_not_taken_for_that_of_a_number_in_a_models_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    living, dead = 4000001, 4000002
    monkeypatch.setattr(ending, "runs", lambda process: process == living)
    own = os.getpid()
    for name in (f"drift.2.{living}.json", f"counter_{living}.db", f"shadow.model_2.{living}.json.part"):
        (tmp_path / name).touch()
    gone = [
        "lender",
        *(f"drift.{living}.{process}.json" for process in (own, dead)),
        f"gauge_liveall_{dead}.db",
        f"shadow.model_2.{dead}.json.part",
    ]
    for name in gone:
        (tmp_path / name).touch()
    ending._clean_up(tmp_path / "lender")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"counter_{living}.db",
        f"drift.2.{living}.json",
        f"shadow.model_2.{living}.json.part",
    ]
