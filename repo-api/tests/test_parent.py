"""What the parent of several workers does about those that hang."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from processes import Process, Registry, serving

from edustream_api import parent
from edustream_api.parent import SILENCE_S, Parent


@contextmanager
def hung(process: Process) -> Iterator[None]:
    """All of its workers stopped, as if each waited for something without end."""
    workers = [
        int(number) for number in process.children() if b"spawn_main" in Path(f"/proc/{number}/cmdline").read_bytes()
    ]
    assert len(workers) == 3
    for worker in workers:
        os.kill(worker, signal.SIGSTOP)
    try:
        yield
    finally:
        for worker in workers:
            with suppress(ProcessLookupError):
                os.kill(worker, signal.SIGKILL)


def test_signals_are_heard_while_workers_hang(registry: Registry) -> None:
    registry.release("1.0.0")
    with serving(registry, "--workers", "3") as process:
        for _ in range(3):
            process.until("Application startup complete")
        with hung(process):
            process.tell(signal.SIGINT)
            process.until("Received SIGINT")
            assert process.end(signal.SIGINT) == 130


class StandIn:
    """A worker that answers what it is asked as long as it is well."""

    exitcode = -9

    def __init__(self, *_: object) -> None:
        self.process = self
        self.parent_conn, self._child_conn = Pipe()
        self.pid = id(self)
        self.well = self.runs = True

    def start(self) -> None:
        pass

    def is_alive(self) -> bool:
        while self.well and self._child_conn.poll():
            self._child_conn.recv()
            self._child_conn.send(True)
        return self.runs

    def kill(self) -> None:
        self.runs = False

    def join(self) -> None:
        assert not self.runs


@pytest.fixture
def handlers() -> Iterator[None]:
    """Signals are handled afterwards as they were before."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("handlers")
def test_a_worker_that_says_nothing_is_replaced_when_its_time_is_over_and_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 0.0
    monkeypatch.setattr(parent, "Process", StandIn)
    workers = [StandIn(), StandIn(), StandIn()]
    served = Parent(uvicorn.Config("none:none", workers=3), [], lambda: now)
    processes: list[Any] = served.processes
    processes[:] = workers
    served.keep_subprocess_alive()
    workers[1].well = False
    now = SILENCE_S - 1
    served.keep_subprocess_alive()
    assert processes == workers
    now = SILENCE_S
    served.keep_subprocess_alive()
    assert [one is other for one, other in zip(processes, workers, strict=True)] == [True, False, True]
    assert not workers[1].runs
