from __future__ import annotations

import logging
import threading

import pytest

from edustream_api.polling import Poller

PATIENCE_S = 30


def test_polls_until_it_is_stopped() -> None:
    polled = threading.Semaphore(0)
    poller = Poller(polled.release, 0.001)
    poller.start()
    assert all(polled.acquire(timeout=PATIENCE_S) for _ in range(3))
    poller.stop()
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
    poller.stop()
    assert "poll_failed" in caplog.messages
