from __future__ import annotations

import pytest

from edustream_contracts.errors import InvalidInput, OutcomeUnknown, Rejected, Unreachable
from edustream_registry import layout
from edustream_registry.channel import Tombstone
from edustream_registry.creation import Landing, timestamp
from edustream_registry.memory_store import MemoryStore
from edustream_registry.reading import ReleaseReader
from edustream_registry.signing import Signer
from edustream_registry.store import ObjectExists, WriteCondition
from edustream_registry.testing.faults import Fault, FaultyStore, PlannedFault
from edustream_registry.testing.simulator import RegistrySimulator
from edustream_registry.trust import TrustPolicy
from edustream_registry.writing import Author, create, new_write_id

KEY = layout.tombstone_key("churn", "1.0.0")


class RepeatingStore(MemoryStore):
    """Carries a create out and then sends it again, as a client does whose first reply was lost."""

    def put(self, key: str, data: bytes, condition: WriteCondition) -> None:
        super().put(key, data, condition)
        if condition is WriteCondition.CREATE:
            raise ObjectExists(key)


def author_on(registry: RegistrySimulator, store: MemoryStore, *faults: PlannedFault) -> Author:
    faulty = FaultyStore(store, *faults)
    return registry.author_with(registry.signer, ReleaseReader(faulty, registry.trust, registry.clock))


def tombstone(author: Author, reason: str = "a test") -> Tombstone:
    return Tombstone(
        model="churn",
        version="1.0.0",
        yanked_at=author.now(),
        yanked_by=author.who,
        reason=reason,
        write_id=author.write_id(),
    )


def test_a_new_object_is_mine(registry: RegistrySimulator) -> None:
    statement = tombstone(registry.author)

    landing, found = create(registry.author, KEY, statement)

    assert landing is Landing.MINE
    assert found.statement == statement
    assert found.data == registry.memory.objects[KEY]


def test_somebody_elses_object_is_theirs(registry: RegistrySimulator) -> None:
    first = tombstone(registry.author, "first")
    create(registry.author, KEY, first)

    landing, found = create(registry.author, KEY, tombstone(registry.author, "second"))

    assert landing is Landing.THEIRS
    assert found.statement == first


def test_a_lost_reply_is_found_out(registry: RegistrySimulator) -> None:
    author = author_on(registry, registry.memory, PlannedFault(0, Fault.LOST_REPLY))

    assert create(author, KEY, tombstone(author))[0] is Landing.MINE


def test_a_refusal_of_the_clients_own_second_attempt_is_found_out(registry: RegistrySimulator) -> None:
    author = author_on(registry, RepeatingStore(registry.clock))

    assert create(author, KEY, tombstone(author))[0] is Landing.MINE


def test_a_refusal_that_cannot_be_explained_leaves_the_outcome_unknown(registry: RegistrySimulator) -> None:
    author = author_on(registry, RepeatingStore(registry.clock), PlannedFault(1, Fault.REFUSED))

    with pytest.raises(OutcomeUnknown, match="cannot be read back whether this write put it there"):
        create(author, KEY, tombstone(author))


def test_a_lost_request_leaves_the_outcome_unknown(registry: RegistrySimulator) -> None:
    author = author_on(registry, registry.memory, PlannedFault(0, Fault.LOST_REQUEST))

    with pytest.raises(OutcomeUnknown, match="No reply came"):
        create(author, KEY, tombstone(author))


def test_a_lost_reply_and_no_reading_back_leave_the_outcome_unknown(registry: RegistrySimulator) -> None:
    author = author_on(registry, registry.memory, PlannedFault(0, Fault.LOST_REPLY), PlannedFault(1, Fault.REFUSED))

    with pytest.raises(OutcomeUnknown, match="No reply came"):
        create(author, KEY, tombstone(author))
    assert KEY in registry.memory.objects


def test_what_was_never_sent_is_no_unknown(registry: RegistrySimulator) -> None:
    author = author_on(registry, registry.memory, PlannedFault(0, Fault.REFUSED))

    with pytest.raises(Unreachable):
        create(author, KEY, tombstone(author))


def test_junk_in_the_way_is_rejected_not_overwritten(registry: RegistrySimulator) -> None:
    registry.memory.objects[KEY] = b"junk"

    with pytest.raises(Rejected, match="is no JSON document"):
        create(registry.author, KEY, tombstone(registry.author))
    assert registry.memory.objects[KEY] == b"junk"


def test_an_author_whom_nobody_would_believe_writes_nothing(registry: RegistrySimulator) -> None:
    reader = ReleaseReader(registry.store, TrustPolicy((Signer.generate().public,)), registry.clock)
    author = registry.author_with(registry.signer, reader)

    with pytest.raises(Rejected, match="valid signatures"):
        create(author, KEY, tombstone(author))
    assert KEY not in registry.memory.objects


def test_a_statement_that_no_reader_would_take_is_the_callers_mistake(registry: RegistrySimulator) -> None:
    with pytest.raises(InvalidInput, match="is no valid tombstone; nothing was sent") as caught:
        create(registry.author, KEY, tombstone(registry.author, "x" * 5000))

    assert [problem.pointer for problem in caught.value.problems] == ["/reason"]
    assert KEY not in registry.memory.objects


def test_write_ids_differ_and_times_are_whole_seconds(registry: RegistrySimulator) -> None:
    registry.clock.advance(0.25)

    assert new_write_id() != new_write_id()
    assert timestamp(registry.clock()) == "2026-01-01T00:00:00+00:00"
