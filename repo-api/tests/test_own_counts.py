from __future__ import annotations

import threading
from random import Random

import pytest
from limits import RateLimitItemPerSecond
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from edustream_api.access.own_counts import MOST_FORGOTTEN, OwnCounts

SEED = 5


class WallClock:
    def __init__(self) -> None:
        self.now = 1_000_000_007.25

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> WallClock:
    clock = WallClock()
    monkeypatch.setattr("time.time", clock)
    return clock


@pytest.fixture
def scans(monkeypatch: pytest.MonkeyPatch) -> list[threading.Timer]:
    """The threads in which the package would look at all counts; none of them runs."""
    begun: list[threading.Timer] = []
    monkeypatch.setattr(threading.Timer, "start", lambda timer: begun.append(timer))
    return begun


def test_a_hit_has_nobody_look_at_all_counts(scans: list[threading.Timer]) -> None:
    limiter = SlidingWindowCounterRateLimiter(OwnCounts())
    # The package begins one with every store, which is empty then.
    scans.clear()
    for caller in range(50):
        limiter.hit(RateLimitItemPerSecond(3, 60), f"address:{caller}")
    assert scans == []


def test_a_hit_asks_for_no_count_that_goes_on(clock: WallClock, monkeypatch: pytest.MonkeyPatch) -> None:
    counts, asked = OwnCounts(), []
    for caller in range(200):
        counts.incr(f"address:{caller}", 60)

    def noted(key: str) -> int:
        asked.append(key)
        return MemoryStorage.get(counts, key)

    monkeypatch.setattr(counts, "get", noted)
    clock.now += 59
    assert counts.incr("address:7", 60) == 2
    assert asked == ["address:7"]


def test_counts_that_ended_are_forgotten_some_by_each_hit(clock: WallClock) -> None:
    counts = OwnCounts()
    for caller in range(2 * MOST_FORGOTTEN + 1):
        counts.incr(f"address:{caller}", 60)
    counts.incr("address:daily", 86400)
    clock.now += 61
    held = []
    for _ in range(3):
        counts.incr("key:a", 60)
        held.append((len(counts.storage), len(counts.expirations)))
    # Beside these two: the caller of the day, and the one who hits.
    assert held == [(MOST_FORGOTTEN + 3,) * 2, (3, 3), (2, 2)]
    assert not counts.locks


def test_a_count_that_began_anew_outlives_the_end_of_the_one_before(clock: WallClock) -> None:
    counts = OwnCounts()
    counts.incr("key:a", 60)
    clock.now += 60
    assert counts.get("key:a") == 0
    counts.incr("key:a", 60)
    assert counts.incr("key:a", 60) == 2


@pytest.mark.usefixtures("scans")
def test_quotas_are_those_of_the_package(clock: WallClock) -> None:
    random = Random(SEED)
    own, package = (SlidingWindowCounterRateLimiter(storage()) for storage in (OwnCounts, MemoryStorage))
    items = [RateLimitItemPerSecond(3, 1), RateLimitItemPerSecond(5, 60), RateLimitItemPerSecond(100, 3600)]
    admitted = 0
    for _ in range(5000):
        clock.now += random.expovariate(2)
        item, caller = random.choice(items), f"key:{random.randrange(5)}"
        assert own.hit(item, caller) == package.hit(item, caller)
        assert own.get_window_stats(item, caller) == package.get_window_stats(item, caller)
        admitted += own.hit(item, caller)
        package.hit(item, caller)
    assert 0 < admitted < 5000
