"""Counts the requests of each caller: in this process, or in a Redis that several processes share."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

from limits import RateLimitItemPerSecond
from limits.aio.storage import RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter as SharedLimiter
from limits.errors import ConfigurationError
from limits.strategies import SlidingWindowCounterRateLimiter as OwnLimiter
from redis.asyncio import BlockingConnectionPool, SSLConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from edustream_api.access.own_counts import OwnCounts
from edustream_api.access.quota import Quota

LOG: Final = logging.getLogger("edustream_api.access.rate_limits")

REDIS_BUDGET_S: Final = 0.25
"""What a request waits for Redis at most, connection included."""
REDIS_CONNECTIONS: Final = 16
RETRY_S: Final = 5.0
"""How long Redis is left alone after it failed: one request in that time waits for it, and no other."""
KEY_PREFIX: Final = "edustream"
PARAMETERS: Final = frozenset(
    (
        *("client_name", "db", "password", "protocol", "username"),
        *("health_check_interval", "max_connections", "timeout"),
        *("socket_connect_timeout", "socket_keepalive", "socket_read_size", "socket_timeout"),
        *("ssl_ca_certs", "ssl_ca_data", "ssl_ca_path", "ssl_cert_reqs", "ssl_certfile", "ssl_check_hostname"),
        *("ssl_ciphers", "ssl_exclude_verify_flags", "ssl_include_verify_flags", "ssl_keyfile", "ssl_min_version"),
        "ssl_password",
    )
)
"""What an address may ask for: redis-py takes the name of every argument, also of those that no text can be."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """Whether a request is within its quota, and what is left of that; `more_in_s` seconds later it is more."""

    admitted: bool
    remaining: int
    more_in_s: int


class RateLimits:
    """Counts by a sliding window: no burst of twice the quota at the border of two, and two numbers a caller.

    (A log of every request would be exact; it would also hold a day's requests of every caller.)
    Redis that fails is told of once, and this process counts by itself until it is back: a limit that is too generous
    for a while is better than a service that stops because its counter did.
    """

    def __init__(
        self,
        redis_url: str = "",
        on_fallback: Callable[[], object] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`on_fallback` is told of each request that should have been counted in Redis and was not.

        Raises `ValueError` for a `redis_url` that no connection can be made of; nothing is sent yet.
        """
        # Memory needs no waiting, and its asynchronous form would start a task for every request.
        self._own = OwnLimiter(OwnCounts())
        self._pool = _pool(redis_url) if redis_url else None
        self._shared = _shared(redis_url, self._pool) if self._pool else None
        self._on_fallback = on_fallback
        self._clock = clock
        self._retry_at: float | None = None

    async def take(self, caller: str, quota: Quota) -> Allowance:
        """Count one request of `caller`, unless that would be one too many."""
        item = RateLimitItemPerSecond(quota.requests, quota.window_s)
        if self._shared is not None:
            allowance = await self._taken_in_redis(self._shared, item, caller)
            if allowance is not None:
                return allowance
            self._on_fallback()
        admitted = self._own.hit(item, caller)
        return _allowance(admitted, *self._own.get_window_stats(item, caller))

    def report(self) -> dict[str, Any]:
        """Where is counted, for people."""
        if self._shared is None:
            return {"counted_in": "memory"}
        return {"counted_in": "redis" if self._retry_at is None else "memory, since Redis fails"}

    async def aclose(self) -> None:
        """Leave Redis."""
        if self._pool is not None:
            await self._pool.aclose()

    async def _taken_in_redis(
        self, limiter: SharedLimiter, item: RateLimitItemPerSecond, caller: str
    ) -> Allowance | None:
        if self._retry_at is not None:
            if self._clock() < self._retry_at:
                return None
            # Others go on without Redis while this request finds out.
            self._retry_at = self._clock() + RETRY_S
        try:
            async with asyncio.timeout(REDIS_BUDGET_S):
                admitted = await limiter.hit(item, caller)
                stats = await limiter.get_window_stats(item, caller)
        except (RedisError, OSError) as error:
            if self._retry_at is None:
                LOG.error("rate_limits_without_redis", extra={"kind": type(error).__name__, "retry_s": RETRY_S})
            self._retry_at = self._clock() + RETRY_S
            return None
        if self._retry_at is not None:
            LOG.info("rate_limits_with_redis_again")
            self._retry_at = None
        return _allowance(admitted, *stats)


class _Storage(RedisStorage):
    """Redis, in which a window is never over as soon as it begins."""

    async def get_sliding_window(self, key: str, expiry: int) -> tuple[int, float, int, float]:
        """See `RedisStorage`."""
        previous_count, previous_expires_in, current_count, current_expires_in = await super().get_sliding_window(
            key, expiry
        )
        # What is left of a window is told from the remainder of this by `expiry`. In its first millisecond, the finest
        # that Redis tells, that would be nothing, and not the whole window.
        return previous_count, previous_expires_in, current_count, min(current_expires_in, 2 * expiry - 0.001)


def _pool(url: str) -> BlockingConnectionPool:
    _refuse_other_databases(url)
    _refuse_other_parameters(url)
    try:
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=REDIS_CONNECTIONS,
            timeout=REDIS_BUDGET_S,
            socket_timeout=REDIS_BUDGET_S,
            socket_connect_timeout=REDIS_BUDGET_S,
            # The client's own retries wait for seconds.
            retry=Retry(NoBackoff(), 0),
        )
        # A pool looks at what the address asks for only when it connects, which is in the first request.
        connection = pool.make_connection()  # type: ignore[no-untyped-call]
        if isinstance(connection, SSLConnection):
            connection.ssl_context.get()
    except (TypeError, AttributeError, ValueError, OSError, RedisError) as error:
        raise ValueError(f"no connection can be made of the address: {error}") from error
    return pool


def _refuse_other_databases(url: str) -> None:
    """Raise `ValueError` for a database that is no number: redis-py would silently take the first one."""
    database = unquote(urlsplit(url).path).strip("/")
    if database and not (database.isascii() and database.isdecimal()):
        raise ValueError(f"the database {database!r} is no number")


def _refuse_other_parameters(url: str) -> None:
    """Raise `ValueError` for a parameter that is not one of `PARAMETERS`."""
    for name in parse_qs(urlsplit(url).query):
        if name not in PARAMETERS:
            raise ValueError(f"{name!r} is no parameter; {', '.join(sorted(PARAMETERS))} are")


def _shared(url: str, pool: BlockingConnectionPool) -> SharedLimiter:
    options: dict[str, Any] = {"connection_pool": pool}
    try:
        storage = _Storage(f"async+{url}", implementation="redispy", key_prefix=KEY_PREFIX, **options)
    except ConfigurationError as error:
        raise ValueError(str(error)) from error
    return SharedLimiter(storage)


def _allowance(admitted: bool, reset_at: float, remaining: int) -> Allowance:
    # limits measures by the wall clock; a caller who is told to wait is never told to wait for nothing.
    return Allowance(admitted, remaining, max(1, math.ceil(reset_at - time.time())))
