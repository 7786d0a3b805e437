"""The parent of several worker processes: starts them, replaces those that hang, ends them."""

from __future__ import annotations

import logging
import signal
import socket
import time
from collections.abc import Callable
from multiprocessing.connection import wait
from typing import Final
from weakref import WeakKeyDictionary

import uvicorn
from edustream_contracts.exit_codes import INTERRUPTED
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors.multiprocess import Multiprocess, Process

LOG: Final = logging.getLogger("edustream_api.parent")
GRACE_S: Final = 30
"""How long requests that are under way may take to be answered once the server is told to stop."""
SILENCE_S: Final = 30
"""How long a worker may take to answer its parent before it counts as hung: a busy machine starts one slowly."""
LAST_S: Final = 10
"""How much longer than its requests a worker may take to end."""
LOOK_S: Final = 0.2
"""How long a second Ctrl-C may go unheard while workers end."""


class Parent(Multiprocess):
    """uvicorn's parent of workers, but that it waits for none of them while it has signals to hear.

    A second Ctrl-C ends it at once, with the exit code that says so.
    """

    def __init__(
        self, config: uvicorn.Config, sockets: list[socket.socket], clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(config, sockets)
        self._clock = clock
        self._interrupts = 0
        self._asked_at: WeakKeyDictionary[Process, float] = WeakKeyDictionary()

    def handle_int(self) -> None:
        """Begin to end."""
        self._interrupts += 1
        super().handle_int()

    def keep_subprocess_alive(self) -> None:
        """Replace the workers that have ended or hang; where one could not start, no other one could either."""
        for index, worker in enumerate(self.processes):
            if self.should_exit.is_set():
                return
            if self._is_alive(worker):
                continue
            worker.kill()
            worker.join()
            if worker.exitcode == STARTUP_FAILURE:
                LOG.error("worker_cannot_start", extra={"worker": worker.pid})
                self.should_exit.set()
                return
            self.processes[index] = Process(self.config, self.sockets)
            self.processes[index].start()
            LOG.error("worker_replaced", extra={"worker": worker.pid, "by": self.processes[index].pid})

    def join_all(self) -> None:
        """Wait until the workers have finished what is under way, unless told not to; one that hangs never has."""
        # What waits for a process without end hears no signal.
        until = self._clock() + GRACE_S + LAST_S
        while (alive := self._running()) and not self._hurried() and self._clock() < until:
            wait([worker.process.sentinel for worker in alive], LOOK_S)
        for worker in self._running():
            worker.kill()
        super().join_all()
        if self._hurried():
            raise SystemExit(INTERRUPTED)

    def _is_alive(self, worker: Process) -> bool:
        """Whether a worker runs, and has answered within `SILENCE_S` whenever it was asked to."""
        if not worker.process.is_alive():
            return False
        try:
            if worker in self._asked_at and worker.parent_conn.poll():
                worker.parent_conn.recv()
                del self._asked_at[worker]
            if worker not in self._asked_at:
                worker.parent_conn.send(b"ping")
                self._asked_at[worker] = self._clock()
        except (OSError, EOFError):
            return False
        return self._clock() - self._asked_at[worker] < SILENCE_S

    def _running(self) -> list[Process]:
        return [worker for worker in self.processes if worker.process.is_alive()]

    def _hurried(self) -> bool:
        return self._interrupts + self.signal_queue.count(signal.SIGINT) > 1
