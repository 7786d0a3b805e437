"""How long a yanked release is served on: at most one poll interval and four requests, while the registry answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from consumers import ConsumerBench
from edustream_registry.reading import ReleaseReader
from edustream_registry.testing.faults import FaultyStore

from edustream_api.keeper import Keeper

INTERVAL_S = 5.0
REQUEST_S = 9.0
BOUND_S = INTERVAL_S + 4 * REQUEST_S
POLLS = 2


class SlowStore(FaultyStore):
    """Every request takes `REQUEST_S` of the bench's own clock, half of it before the store acts.

    `tell` is called right before and right after the store acts; it may do what others do to the registry meanwhile.
    """

    def __init__(self, bench: ConsumerBench, tell: Callable[[], None]) -> None:
        super().__init__(bench.registry.memory)
        self._clock = bench.registry.clock
        self._tell = tell

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name not in {"get", "stream", "size", "list", "folders"}:
            return found

        def slowly(*arguments: Any) -> Any:
            self._clock.advance(REQUEST_S / 2)
            self._tell()
            try:
                return found(*arguments)
            finally:
                self._tell()
                self._clock.advance(REQUEST_S / 2)

        return slowly


class Story:
    """A consumer that polls in virtual time; the release that it serves is yanked at the moment number `at`."""

    def __init__(self, bench: ConsumerBench, reference: str, at: int) -> None:
        self._bench = bench
        self._at = at
        self._moments: int | None = None
        self.yanked_at: float | None = None
        bench.release("1.0.0")
        reader = ReleaseReader(SlowStore(bench, self._moment), bench.registry.trust, bench.registry.clock)
        self.keeper: Keeper = bench.keeper(reference, reader=reader)
        self.keeper.start()
        self._moments = 0

    @property
    def now(self) -> float:
        return self._bench.registry.clock().timestamp()

    def run(self) -> float | None:
        """Poll until nothing is served any more; seconds from the tombstone to then. None if it is never yanked."""
        for _ in range(POLLS + 2):
            self._moment()
            self._bench.registry.clock.advance(INTERVAL_S)
            self.keeper.poll()
            if self.keeper.snapshot.serving is None:
                assert self.yanked_at is not None
                return self.now - self.yanked_at
        return None

    def _moment(self) -> None:
        if self._moments is None:
            return
        if self._moments == self._at:
            self._bench.registry.yank("churn", "1.0.0")
            self.yanked_at = self.now
        self._moments += 1


@pytest.mark.parametrize("reference", ["churn@production", "churn@1.0.0", "churn@^1"])
@pytest.mark.parametrize("at", range(POLLS * 3))
def test_a_yank_is_obeyed_within_the_bound_whenever_it_comes(bench: ConsumerBench, reference: str, at: int) -> None:
    delay_s = Story(bench, reference, at).run()

    assert delay_s is not None
    assert 0 < delay_s <= BOUND_S


def test_without_a_yank_it_is_served_on(bench: ConsumerBench) -> None:
    assert Story(bench, "churn@production", -1).run() is None
