"""What a reader takes for the log of a channel: entries in their places, no gaps, each linked to the one before."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from attacked import entry_key, resigned
from conftest import refusal

from edustream_contracts.errors import Rejected
from edustream_registry.channel import LogEntry
from edustream_registry.log_reading import LogReader
from edustream_registry.statement import Signed
from edustream_registry.testing.simulator import RegistrySimulator

LAST = 5


@pytest.fixture
def log(registry: RegistrySimulator, release: Callable[..., str]) -> LogReader:
    """Reads the log of churn@production, which has `LAST` entries."""
    for number in range(1, LAST + 1):
        release(f"model {number}")
    registry.store.calls.clear()
    return LogReader(registry.store, registry.trust)


def found(log: LogReader, sequence: int) -> Signed[LogEntry]:
    entry = log.entry("churn", "production", sequence)
    assert entry is not None
    return entry


@pytest.mark.parametrize("followed", [0, LAST - 2, LAST - 1, LAST])
@pytest.mark.parametrize("known", range(1, LAST + 1))
def test_the_newest_entry_is_the_last_one(log: LogReader, known: int, followed: int) -> None:
    assert log.newest(found(log, known), followed) == found(log, LAST)


@pytest.mark.parametrize("unlinked", range(2, LAST + 1))
def test_each_link_is_checked_where_there_are_as_many_as_are_followed(
    registry: RegistrySimulator, log: LogReader, unlinked: int
) -> None:
    first, key = found(log, 1), entry_key(unlinked)
    registry.memory.objects[key] = resigned(registry, key, registry.signer, previous="0" * 64)

    category, kind, message = refusal(lambda: log.newest(first, LAST - 1))

    assert (category, kind) == (Rejected, "mix_and_match")
    assert f"Entry {unlinked} of churn@production does not follow entry {unlinked - 1}" in message


@pytest.mark.parametrize("unlinked", [LAST - 1, LAST])
def test_two_links_are_checked_even_where_none_is_followed(
    registry: RegistrySimulator, log: LogReader, unlinked: int
) -> None:
    known, key = found(log, LAST - 2), entry_key(unlinked)
    registry.memory.objects[key] = resigned(registry, key, registry.signer, previous="0" * 64)

    assert refusal(lambda: log.newest(known))[:2] == (Rejected, "mix_and_match")


def test_what_lies_between_is_not_read_where_there_are_more_than_are_followed(
    registry: RegistrySimulator, log: LogReader
) -> None:
    first = found(log, 1)
    del registry.memory.objects[entry_key(3)]

    assert log.newest(first, LAST - 2) == found(log, LAST)


@pytest.mark.parametrize("missing", range(3, LAST))
def test_a_gap_behind_what_is_known_is_refused(registry: RegistrySimulator, log: LogReader, missing: int) -> None:
    """The entry before the gap is genuine, and yet not what the channel stands at."""
    first = found(log, 1)
    del registry.memory.objects[entry_key(missing)]

    category, kind, message = refusal(lambda: log.newest(first, LAST - 1))

    assert (category, kind) == (Rejected, "mix_and_match")
    assert f"The log of churn@production lacks entry {missing}." in message


@pytest.mark.parametrize("sequence", [1, 3, LAST + 1])
def test_a_genuine_entry_in_the_place_of_another_is_refused(
    registry: RegistrySimulator, log: LogReader, sequence: int
) -> None:
    registry.memory.objects[entry_key(sequence)] = registry.memory.objects[entry_key(2)]

    category, kind, message = refusal(lambda: log.entry("churn", "production", sequence))

    assert (category, kind) == (Rejected, "mix_and_match")
    assert f"speaks of the sequence 2, not of {sequence}" in message
