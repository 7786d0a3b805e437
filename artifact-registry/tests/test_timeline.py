from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from conftest import refusal

from edustream_contracts.errors import InvalidInput, NothingToServe
from edustream_registry.promotion import Promoter
from edustream_registry.testing.clock import ManualClock
from edustream_registry.testing.simulator import RegistrySimulator
from edustream_registry.timeline import Reign, Window, live
from edustream_registry.writing import Author

HOUR = 3600.0
START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def registry(registry: RegistrySimulator, release: Callable[..., str]) -> RegistrySimulator:
    """1.0.0 from 01:00, 1.0.1 from 02:00, 1.0.0 again from 03:00; 1.0.1 is yanked at 04:00; now it is 3 January."""
    release("one", promote=False)
    release("two", promote=False)
    for version in ("1.0.0", "1.0.1", "1.0.0"):
        registry.clock.advance(HOUR)
        registry.promote("churn", version)
    registry.clock.advance(HOUR)
    registry.yank("churn", "1.0.1")
    registry.clock.advance(44 * HOUR)
    return registry


def at(registry: RegistrySimulator, text: str) -> list[Reign]:
    return live(registry.reader, "churn", "production", Window.parse(text), registry.clock())


def entries(found: list[Reign]) -> list[int]:
    return [one.entry.statement.sequence for one in found]


@pytest.mark.parametrize(
    ("moment", "sequences"),
    [
        ("2026-01-01T00:59:59", []),
        ("2026-01-01T01:00:00", [1]),
        ("2026-01-01T01:59:59Z", [1]),
        ("2026-01-01T02:00:00", [2]),
        ("2026-01-01T04:00:00+01:00", [3]),
        ("2026-01-01T04:00:00+02:00", [2]),
        ("2026-01-02T23:59", [3]),
    ],
)
def test_what_was_live_at_a_moment(registry: RegistrySimulator, moment: str, sequences: list[int]) -> None:
    assert entries(at(registry, moment)) == sequences


@pytest.mark.parametrize(
    ("day", "sequences"), [("2025-12-31", []), ("2026-01-01", [1, 2, 3]), ("20260101", [1, 2, 3]), ("2026-01-02", [3])]
)
def test_a_date_is_that_day_in_utc(registry: RegistrySimulator, day: str, sequences: list[int]) -> None:
    assert entries(at(registry, day)) == sequences


def test_an_answer_says_from_when_until_when_who_and_why(registry: RegistrySimulator) -> None:
    [found] = at(registry, "2026-01-01T02:30")

    assert (found.since, found.until) == (START + timedelta(hours=2), START + timedelta(hours=3))
    assert (found.entry.statement.promoted_by, found.entry.statement.reason) == ("tester", "a test")
    assert found.yanked is not None
    assert found.yanked.statement.yanked_at == "2026-01-01T04:00:00+00:00"
    [last] = at(registry, "2026-01-02")
    assert (last.until, last.yanked) == (None, None)


def test_a_clock_that_lags_does_not_turn_the_order_round(
    registry: RegistrySimulator, release: Callable[..., str]
) -> None:
    release("three", promote=False)
    slow = ManualClock(START)
    author = registry.author
    Promoter(Author(author.store, author.reader, author.signer, "slow", slow)).promote(
        "churn", "production", "1.0.2", "by a slow clock"
    )

    assert entries(at(registry, "2026-01-01T00:30")) == []
    assert entries(at(registry, "2026-01-02")) == [4]


def test_the_future_is_not_known(registry: RegistrySimulator) -> None:
    assert refusal(lambda: at(registry, "2026-02-01"))[:2] == (InvalidInput, "argument")


@pytest.mark.parametrize("text", ["9999-12-31", "9999-12-31T23:59:59-14:00"])
def test_the_end_of_time_lies_in_the_future(registry: RegistrySimulator, text: str) -> None:
    error, kind, said = refusal(lambda: at(registry, text))

    assert (error, kind) == (InvalidInput, "argument")
    assert "lies in the future" in said


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+14:00", "0001-01-01"])
def test_the_beginning_of_time_is_before_every_entry(registry: RegistrySimulator, text: str) -> None:
    assert Window.parse(text).start == datetime(1, 1, 1, tzinfo=UTC)
    assert entries(at(registry, text)) == []


def test_a_channel_that_never_was_has_no_past(registry: RegistrySimulator) -> None:
    window = Window.parse("2026-01-02")

    for model, channel, kind in (("churn", "nosuch", "channel_empty"), ("nosuch", "production", "model_missing")):
        found = refusal(partial(live, registry.reader, model, channel, window, registry.clock()))
        assert found[:2] == (NothingToServe, kind)


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01", "2026-01-01T25:00"])
def test_what_is_no_time(text: str) -> None:
    assert refusal(lambda: Window.parse(text))[:2] == (InvalidInput, "argument")
