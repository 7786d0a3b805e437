from __future__ import annotations

import logging
import os
import sys
import threading

import pytest

from edustream_api import polling
from edustream_api.polling import LESS_URGENT, Poller

PATIENCE_S = 30


def test_polls_until_it_is_stopped() -> None:
    polled = threading.Semaphore(0)
    poller = Poller(polled.release, 0.001)
    poller.start()
    assert all(polled.acquire(timeout=PATIENCE_S) for _ in range(3))
    polling.stop([poller])
    assert not poller._thread.is_alive()


def test_a_defect_in_one_round_does_not_end_the_next(caplog: pytest.LogCaptureFixture) -> None:
    rounds = 0
    healed = threading.Event()

    def poll() -> None:
        nonlocal rounds
        rounds += 1
        if rounds == 1:
            raise ZeroDivisionError
        healed.set()

    poller = Poller(poll, 0.001)
    with caplog.at_level(logging.ERROR):
        poller.start()
        assert healed.wait(PATIENCE_S)
    polling.stop([poller])
    assert "poll_failed" in caplog.messages


@pytest.mark.skipif(sys.platform != "linux", reason="threads have a niceness of their own on Linux alone")
def test_is_less_urgent_than_what_answers() -> None:
    polled = threading.Semaphore(0)
    poller = Poller(polled.release, 0.001)
    poller.start()
    assert polled.acquire(timeout=PATIENCE_S)
    own = os.getpriority(os.PRIO_PROCESS, 0)
    assert poller._thread.native_id is not None
    assert own < 19
    assert own < os.getpriority(os.PRIO_PROCESS, poller._thread.native_id) == min(own + LESS_URGENT, 19)
    polling.stop([poller])
    assert os.getpriority(os.PRIO_PROCESS, 0) == own


def test_polls_that_hang_delay_the_end_by_one_wait_and_not_by_one_each(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, released = threading.Semaphore(0), threading.Event()

    def hang() -> None:
        begun.release()
        released.wait(PATIENCE_S)

    hanging = [Poller(hang, 0.001) for _ in range(3)]
    for poller in hanging:
        poller.start()
        assert begun.acquire(timeout=PATIENCE_S)
    now, waited = [0.0], list[float]()

    def wait(_: Poller, seconds: float) -> None:
        waited.append(seconds)
        now[0] += seconds

    monkeypatch.setattr(polling, "monotonic", lambda: now[0])
    monkeypatch.setattr(Poller, "wait", wait)
    polling.stop(hanging)
    assert waited == [polling.STOP_TIMEOUT_S, 0.0, 0.0]
    assert all(poller._stopped for poller in hanging)
    released.set()
    for poller in hanging:
        poller._thread.join(PATIENCE_S)
        assert not poller._thread.is_alive()
