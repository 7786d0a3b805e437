from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path

import pytest
from redis_servers import RedisServer, redis_server

from edustream_api.access.own_counts import OwnCounts
from edustream_api.access.quota import Quota
from edustream_api.access.rate_limits import RETRY_S, Allowance, RateLimits

HOURLY = Quota(3, 3600)


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    with redis_server(tmp_path) as server:
        yield server


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def taken(limits: RateLimits, count: int, caller: str = "key:a", quota: Quota = HOURLY) -> list[Allowance]:
    return [await limits.take(caller, quota) for _ in range(count)]


def admitted(allowances: list[Allowance]) -> list[bool]:
    return [allowance.admitted for allowance in allowances]


class TestMemory:
    def test_admits_the_quota_and_says_what_is_left(self) -> None:
        allowances = asyncio.run(taken(RateLimits(), 5))
        assert admitted(allowances) == [True, True, True, False, False]
        assert [allowance.remaining for allowance in allowances] == [2, 1, 0, 0, 0]
        assert all(1 <= allowance.more_in_s <= 3600 for allowance in allowances)

    def test_callers_have_quotas_of_their_own(self) -> None:
        async def both() -> list[bool]:
            limits = RateLimits()
            await taken(limits, 4)
            return admitted(await taken(limits, 1, "key:b"))

        assert asyncio.run(both()) == [True]

    def test_callers_who_came_no_more_are_forgotten(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """What is remembered grows with the callers of two windows, and not with those of all time."""
        now = 1_000_000_007.25
        monkeypatch.setattr("time.time", lambda: now)
        limits = RateLimits()
        storage = limits._own.storage
        assert isinstance(storage, OwnCounts)
        held = []
        for generation in range(4):
            for caller in range(200):
                asyncio.run(taken(limits, 1, f"address:{generation}.{caller}"))
            now += 2 * HOURLY.window_s + 1
            # Each request forgets some of them.
            asyncio.run(taken(limits, 3, "key:a"))
            held.append((len(storage.storage), len(storage.expirations), len(storage.locks)))
        assert held == [(1, 1, 0)] * 4

    def test_what_was_said_to_be_free_is_free(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Whoever waits as long as told is admitted, again and again, over many windows."""
        now = 1_000_000_007.25
        monkeypatch.setattr("time.time", lambda: now)

        async def patient() -> None:
            nonlocal now
            limits, quota = RateLimits(), Quota(7, 60)
            await taken(limits, 7, quota=quota)
            for _ in range(40):
                refused = await limits.take("key:a", quota)
                assert not refused.admitted
                now += refused.more_in_s
                assert (await limits.take("key:a", quota)).admitted

        asyncio.run(patient())

    def test_holds_two_numbers_a_caller_however_many_requests(self) -> None:
        limits = RateLimits()
        asyncio.run(taken(limits, 500, quota=Quota(100_000, 3600)))
        assert len(limits._own.storage.storage) <= 2  # type: ignore[attr-defined]

    def test_says_where_it_counts(self) -> None:
        assert RateLimits().report() == {"counted_in": "memory"}


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis answers within this, also on a machine that does much else."""
    monkeypatch.setattr("edustream_api.access.rate_limits.REDIS_BUDGET_S", 60.0)


class TestRedis:
    @pytest.mark.parametrize(
        "address",
        [
            "redis://here:1",
            "redis://:p@here:1/15?client_name=x",
            "rediss://here:1/0/?ssl_cert_reqs=none",
            "redis://here:1?username=a&password=p&db=1&protocol=3&timeout=0.1&max_connections=4&health_check_interval=9",
            "redis://here:1?socket_timeout=0.1&socket_connect_timeout=0.1&socket_keepalive=yes&socket_read_size=4096",
            "rediss://here:1?ssl_check_hostname=no&ssl_min_version=771&ssl_include_verify_flags=VERIFY_X509_STRICT",
        ],
    )
    def test_an_address_is_judged_without_a_word_to_the_server(self, address: str) -> None:
        assert RateLimits(address).report() == {"counted_in": "redis"}

    @pytest.mark.parametrize("name", ["credential_provider", "redis_connect_func", "event_dispatcher", "host"])
    def test_a_parameter_that_no_text_can_be_is_refused_by_its_name(self, name: str) -> None:
        with pytest.raises(ValueError, match=f"^'{name}' is no parameter; client_name, "):
            RateLimits(f"redis://here:1?{name}=x")

    @pytest.mark.usefixtures("patience")
    def test_processes_share_the_quota(self, redis: RedisServer) -> None:
        async def two() -> list[bool]:
            one, other = RateLimits(redis.url), RateLimits(redis.url)
            assert one.report() == {"counted_in": "redis"}
            async with aclosing(one), aclosing(other):
                return admitted([*await taken(one, 2), *await taken(other, 2)])

        assert asyncio.run(two()) == [True, True, True, False]

    @pytest.mark.usefixtures("patience")
    def test_what_redis_holds_names_the_product_and_expires(self, redis: RedisServer) -> None:
        async def one() -> None:
            async with aclosing(RateLimits(redis.url)) as limits:
                await taken(limits, 1)

        asyncio.run(one())
        held = redis.held()
        assert held
        assert all(b"edustream" in name and 0 < seconds <= 7200 for name, seconds in held.items())

    @pytest.mark.usefixtures("patience")
    def test_the_first_request_of_a_window_is_told_of_the_whole_window(self, redis: RedisServer) -> None:
        """Often enough that some are told of it in the very millisecond in which it begins."""

        async def fresh() -> list[int]:
            async with aclosing(RateLimits(redis.url)) as limits:
                return [(await limits.take(f"key:{caller}", HOURLY)).more_in_s for caller in range(100)]

        assert min(asyncio.run(fresh())) > HOURLY.window_s - 60

    @pytest.mark.usefixtures("patience")
    def test_many_at_once_are_admitted_as_often_as_the_quota_says(self, redis: RedisServer) -> None:
        async def many() -> list[Allowance]:
            async with aclosing(RateLimits(redis.url)) as limits:
                return list(await asyncio.gather(*(limits.take("key:a", Quota(10, 3600)) for _ in range(40))))

        assert sum(admitted(asyncio.run(many()))) == 10

    @pytest.mark.parametrize("fault", ["stop", "freeze"])
    def test_without_redis_this_process_counts_until_it_is_back(
        self, redis: RedisServer, fault: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # A server that is frozen is waited for as long as this.
        monkeypatch.setattr("edustream_api.access.rate_limits.REDIS_BUDGET_S", 2.0)
        clock, fallbacks = Clock(), []
        caplog.set_level(logging.INFO, "edustream_api")

        async def outage() -> None:
            limits = RateLimits(redis.url, lambda: fallbacks.append(1), clock)
            await taken(limits, 3)
            redis.stop() if fault == "stop" else redis.freeze()
            # Redis had counted three; this process begins anew.
            assert admitted(await taken(limits, 4)) == [True, True, True, False]
            assert limits.report() == {"counted_in": "memory, since Redis fails"}
            redis.stop()
            redis.start()
            assert admitted(await taken(limits, 1)) == [False]
            clock.now += RETRY_S
            assert admitted(await taken(limits, 1)) == [True]
            assert limits.report() == {"counted_in": "redis"}
            await limits.aclose()

        asyncio.run(outage())
        assert len(fallbacks) == 5
        told = [record.getMessage() for record in caplog.records]
        assert told == ["rate_limits_without_redis", "rate_limits_with_redis_again"]
        assert redis.url not in caplog.text
