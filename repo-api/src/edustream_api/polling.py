"""Asks the registry again and again, in a thread of its own, until told to stop."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Final

LOG: Final = logging.getLogger("edustream_api.polling")
STOP_TIMEOUT_S: Final = 1.0
LESS_URGENT: Final = 10
"""What is added to the niceness of the threads that fetch, verify, load and compare.

Where answering takes all of a core it leaves each a tenth of what it takes itself: a swap takes longer, and those who
ask wait less for it.
"""
MOST_NICE: Final = 19


class Poller:
    """Calls `poll` every `interval_s` seconds. The thread is a daemon: a hanging network delays no shutdown."""

    def __init__(self, poll: Callable[[], object], interval_s: float, name: str = "registry-poller") -> None:
        self._poll = poll
        self._interval_s = interval_s
        self._stopped = False
        self._due = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin; the first poll comes after one interval."""
        self._thread.start()

    @property
    def interval_s(self) -> float:
        """Seconds between two polls."""
        return self._interval_s

    def poll(self) -> None:
        """Poll once, in the caller's thread."""
        try:
            self._poll()
        except Exception:
            # A defect in one round must not silently end all later ones: the consumer would never heal.
            LOG.exception("poll_failed")

    def tell_to_stop(self) -> None:
        """Have no further poll begin."""
        self._stopped = True
        self._due.set()

    def wait(self, seconds: float) -> None:
        """Wait for the end of a poll under way, and no longer than this."""
        self._thread.join(seconds)

    def _run(self) -> None:
        yield_to_answers()
        while True:
            self._due.wait(self._interval_s)
            self._due.clear()
            if self._stopped:
                return
            self.poll()


def stop(pollers: Sequence[Poller]) -> None:
    """End all of them after the polls under way, without waiting for these longer than a second."""
    for poller in pollers:
        poller.tell_to_stop()
    deadline = monotonic() + STOP_TIMEOUT_S
    for poller in pollers:
        poller.wait(max(deadline - monotonic(), 0.0))


def yield_to_answers() -> None:
    """Make the thread that calls this less urgent than those that answer, where a thread can be."""
    if sys.platform == "linux":
        niceness = min(os.getpriority(os.PRIO_PROCESS, 0) + LESS_URGENT, MOST_NICE)
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), niceness)
