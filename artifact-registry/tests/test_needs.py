"""What consumers state: who may state it, how long it counts, what makes it void, and what is passed over unread."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from contextlib import nullcontext
from datetime import timedelta
from typing import Any

import pytest
from conftest import refusal

from edustream_contracts.canonical import canonical_json
from edustream_contracts.errors import InvalidInput, OutcomeUnknown, Rejected
from edustream_registry import layout, needs
from edustream_registry.needs import (
    MAX_LIFETIME_S,
    ConsumerStatement,
    LivingNeeds,
    Needs,
    read_living,
    statement_id,
)
from edustream_registry.settings import RegistrySettings
from edustream_registry.signing import Signer
from edustream_registry.stating import ConsumerAuthor, open_consumer_author
from edustream_registry.store import WriteCondition
from edustream_registry.testing.faults import Fault, FaultyStore, PlannedFault
from edustream_registry.testing.simulator import RegistrySimulator
from edustream_registry.trust import TrustPolicy

CHURN = Needs("churn", ("tenure",), ("prediction",), 1, "1.0.0", "production")
HOUR_S = 3600
PUT = 1


def living(registry: RegistrySimulator) -> LivingNeeds:
    return read_living(registry.memory, registry.trust, registry.clock())


def stated(registry: RegistrySimulator) -> list[Needs]:
    return [one.statement.needs for one in living(registry).stated]


def later(registry: RegistrySimulator, seconds: float = HOUR_S) -> Any:
    return registry.clock() + timedelta(seconds=seconds)


def forge(registry: RegistrySimulator, key: str = "", signer: Signer | None = None, **changes: Any) -> str:
    """Put a statement with `changes` under `key`, or where it belongs; the key."""
    said = {
        **ConsumerStatement(
            consumer="api",
            model="churn",
            sends=("tenure",),
            reads=("prediction",),
            major=1,
            stated_at="2026-01-01T00:00:00+00:00",
            expires_at="2026-01-01T01:00:00+00:00",
            write_id="0" * 32,
        ).payload(),
        **changes,
    }
    if "write_id" not in changes:
        said["write_id"] = statement_id(said, int(later(registry).timestamp()))
    key = key or layout.needs_key(str(said["consumer"]), said["write_id"])
    registry.memory.objects[key] = (signer or registry.consumer_signer).sign(said)
    return key


def test_what_is_stated_is_read_back_until_it_expires(registry: RegistrySimulator) -> None:
    signed = registry.consumer.state(CHURN, later(registry))

    assert stated(registry) == [CHURN]
    assert signed.key_ids == (registry.consumer_signer.public.key_id,)
    registry.clock.advance(HOUR_S - 1)
    assert stated(registry) == [CHURN]
    registry.clock.advance(1)
    assert living(registry) == LivingNeeds()


def test_what_has_expired_is_not_read(registry: RegistrySimulator) -> None:
    registry.consumer.state(CHURN, later(registry))
    registry.clock.advance(HOUR_S)
    registry.store.calls.clear()

    read_living(registry.store, registry.trust, registry.clock())

    assert registry.store.calls == [("list", layout.CONSUMERS)]


def test_one_listing_and_one_read_for_each_living_statement(registry: RegistrySimulator) -> None:
    for number in range(3):
        registry.consumer.state(dataclasses.replace(CHURN, running=f"1.0.{number}"), later(registry))
    registry.store.calls.clear()

    read_living(registry.store, registry.trust, registry.clock())

    assert [operation for operation, _ in registry.store.calls] == ["list", "get", "get", "get"]


def test_a_consumer_looks_into_its_own_folder_alone(registry: RegistrySimulator) -> None:
    other = Signer.generate()
    trust = dataclasses.replace(registry.trust, consumers={**registry.trust.consumers, "billing": (other.public,)})
    ConsumerAuthor("billing", registry.memory, trust, other, registry.clock).state(CHURN, later(registry))

    assert registry.consumer.living() == LivingNeeds()
    assert len(read_living(registry.memory, trust, registry.clock()).stated) == 1


def test_the_same_said_twice_is_one_object(registry: RegistrySimulator) -> None:
    first = registry.consumer.state(CHURN, later(registry))
    registry.clock.advance(10)

    second = registry.consumer.state(CHURN, later(registry, HOUR_S - 10))

    assert second == first
    assert len(list(registry.memory.list(layout.CONSUMERS))) == 1


def test_a_statement_of_the_future_counts(registry: RegistrySimulator) -> None:
    """Its consumer's clock is ahead; its need is none the smaller."""
    forge(registry, stated_at="2026-01-01T00:30:00+00:00")

    assert len(stated(registry)) == 1


def test_statements_that_do_not_name_each_other_all_count(registry: RegistrySimulator) -> None:
    """Two replicas that run different releases, in whatever order their clocks put them."""
    newer = dataclasses.replace(CHURN, running="1.1.0")
    registry.consumer.state(newer, later(registry, 2 * HOUR_S))
    registry.consumer.state(CHURN, later(registry))

    assert set(stated(registry)) == {CHURN, newer}


def test_a_newer_statement_makes_void_what_it_names(registry: RegistrySimulator) -> None:
    old = registry.consumer.state(CHURN, later(registry))
    newer = dataclasses.replace(CHURN, running="1.1.0")

    registry.consumer.state(newer, later(registry), [old.statement.write_id])

    assert stated(registry) == [newer]


def test_what_was_made_void_does_not_come_back(registry: RegistrySimulator) -> None:
    """The one that replaces it expires first."""
    old = registry.consumer.state(CHURN, later(registry, 10 * HOUR_S))
    registry.consumer.state(dataclasses.replace(CHURN, major=2), later(registry), [old.statement.write_id])

    registry.clock.advance(2 * HOUR_S)

    assert stated(registry) == []
    assert living(registry).replaced == {old.statement.key}


def test_nothing_is_made_void_by_what_is_dropped_before_it(registry: RegistrySimulator) -> None:
    """Once nobody reads the replacing statement any more, the replaced need would count again."""
    old = registry.consumer.state(CHURN, later(registry, 10 * HOUR_S))

    forge(registry, major=2, replaces=[old.statement.write_id])

    assert stated(registry) == [CHURN]
    assert [one.error.fact for one in living(registry).unverified] == [
        f"{living(registry).unverified[0].key} replaces a statement that matters for longer than its id says."
    ]


def test_nothing_is_stated_for_longer_than_a_statement_may_live(registry: RegistrySimulator) -> None:
    for beyond in (later(registry, MAX_LIFETIME_S + 1), later(registry, 4000 * MAX_LIFETIME_S)):
        with pytest.raises(InvalidInput, match="366 days are the most"):
            registry.consumer.state(CHURN, beyond)
    assert not list(registry.memory.list(layout.CONSUMERS))

    registry.consumer.state(CHURN, later(registry, MAX_LIFETIME_S))

    assert stated(registry) == [CHURN]


def test_needs_are_withdrawn(registry: RegistrySimulator) -> None:
    old = registry.consumer.state(CHURN, later(registry))
    other = dataclasses.replace(CHURN, model="fraud")
    registry.consumer.state(other, later(registry))

    assert registry.consumer.end("churn") == (old.statement.write_id,)

    assert stated(registry) == [other]
    assert registry.consumer.end("churn") == ()


def test_needs_of_one_channel_are_withdrawn(registry: RegistrySimulator) -> None:
    staging = dataclasses.replace(CHURN, follows="staging")
    registry.consumer.state(CHURN, later(registry))
    registry.consumer.state(staging, later(registry))

    registry.consumer.end("churn", "staging")

    assert stated(registry) == [CHURN]


def test_a_withdrawal_states_no_needs_whatever_the_readers_clock_says(registry: RegistrySimulator) -> None:
    registry.consumer.state(CHURN, later(registry))
    registry.consumer.end("churn")

    assert read_living(registry.memory, registry.trust, registry.clock() - timedelta(hours=1)).stated == ()


def test_what_was_withdrawn_can_be_stated_again(registry: RegistrySimulator) -> None:
    expires = later(registry)
    registry.consumer.state(CHURN, expires)
    for _ in range(3):
        registry.consumer.end("churn")
        assert stated(registry) == []

        registry.consumer.state(CHURN, expires)

        assert stated(registry) == [CHURN]


def test_the_own_key_makes_foreign_bytes_in_the_own_folder_void(registry: RegistrySimulator) -> None:
    registry.memory.objects[layout.needs_key("api", "f" * 32)] = b"junk"
    assert [one.consumer for one in living(registry).unverified] == ["api"]

    assert registry.consumer.end("churn") == ("f" * 32,)

    assert living(registry).unverified == ()


@pytest.mark.parametrize(
    ("damage", "kind"),
    [
        (lambda registry: forge(registry, signer=Signer.generate()), "signature"),
        (lambda registry: forge(registry, signer=registry.signer), "signature"),
        (lambda registry: forge(registry, consumer="billing"), "signature"),
        (lambda registry: forge(registry, layout.needs_key("api", "f" * 32)), "mix_and_match"),
        (lambda registry: forge(registry, protocol=2), "protocol_version"),
        (lambda registry: forge(registry, major="1"), "malformed"),
        (lambda registry: forge(registry, type="log-entry"), "malformed"),
        (lambda registry: forge(registry, expires_at="2026-13-01T00:00:00Z"), "malformed"),
        (lambda registry: forge(registry, expires_at="2027-01-01T00:00:00Z"), "malformed"),
        (lambda registry: forge(registry, expires_at="7022-01-01T00:00:00Z", write_id="f" * 32), "malformed"),
        (lambda registry: forge(registry, replaces=["f" * 32]), "malformed"),
        (lambda registry: registry.memory.objects.update({layout.needs_key("api", "f" * 32): b"{}"}), "malformed"),
        (lambda registry: registry.memory.objects.update({layout.needs_key("api", "f" * 32): b" " * 2**21}), "digest"),
    ],
    ids=range(13),
)
def test_what_nobody_vouches_for_is_told_and_not_believed(
    registry: RegistrySimulator, damage: Callable[[RegistrySimulator], Any], kind: str
) -> None:
    damage(registry)

    found = living(registry)

    assert [one.error.kind for one in found.unverified] == [kind]
    assert found.stated == ()


def test_nobody_makes_void_what_another_consumer_states(registry: RegistrySimulator) -> None:
    mine = registry.consumer.state(CHURN, later(registry))
    other = Signer.generate()
    trust = dataclasses.replace(registry.trust, consumers={**registry.trust.consumers, "billing": (other.public,)})
    thief = ConsumerAuthor("billing", registry.memory, trust, other, registry.clock)

    thief.state(CHURN, later(registry), [mine.statement.write_id])

    assert [one.statement.consumer for one in read_living(registry.memory, trust, registry.clock()).stated] == [
        "api",
        "billing",
    ]


def test_keys_of_another_form_are_nobodys_statements(registry: RegistrySimulator) -> None:
    for key in ("consumers/api/1.json", "consumers/_doctor/x", "consumers/API/" + "f" * 32 + ".json"):
        registry.memory.put(key, b"x", WriteCondition.CREATE)

    assert living(registry) == LivingNeeds()


def test_a_statement_that_vanishes_while_it_is_read_is_passed_over(registry: RegistrySimulator) -> None:
    registry.consumer.state(CHURN, later(registry))
    key = next(iter(registry.memory.list(layout.CONSUMERS))).key

    class Vanishing(FaultyStore):
        def get(self, key: str, max_bytes: int) -> bytes:
            registry.memory.delete(key)
            return super().get(key, max_bytes)

    assert read_living(Vanishing(registry.memory), registry.trust, registry.clock()) == LivingNeeds()
    assert key not in registry.memory.objects


def test_more_statements_than_anybody_reads_are_refused(
    registry: RegistrySimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(needs, "MAX_LIVING", 2)
    for number in range(3):
        registry.consumer.state(dataclasses.replace(CHURN, major=number), later(registry))

    kind, name, text = refusal(registry.consumer.living)

    assert (kind, name) == (Rejected, "malformed")
    assert "consumers/api/ in memory://registry holds 3 statements that have not expired; 2 at one time" in text


def test_the_fullest_folders_beyond_the_bound_are_unverified_and_the_others_count(
    registry: RegistrySimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(needs, "MAX_LIVING", 2)
    registry.consumer.state(CHURN, later(registry))
    for name, count in (("flood", 3), ("also-too-full", 2)):
        for number in range(count):
            registry.memory.objects[layout.needs_key(name, f"{2**39 + number:010x}{'0' * 22}")] = b"junk"

    found = living(registry)

    assert [one.statement.consumer for one in found.stated] == ["api"]
    assert [(one.consumer, one.key) for one in found.unverified] == [
        ("also-too-full", "consumers/also-too-full/"),
        ("flood", "consumers/flood/"),
    ]
    assert [one.error.kind for one in found.unverified] == ["malformed", "malformed"]


def test_a_lost_reply_is_told_from_a_lost_request(registry: RegistrySimulator) -> None:
    for fault, lands in ((Fault.LOST_REQUEST, False), (Fault.LOST_REPLY, True)):
        author = dataclasses.replace(registry.consumer, store=FaultyStore(registry.memory, PlannedFault(PUT, fault)))
        with nullcontext() if lands else pytest.raises(OutcomeUnknown):
            author.state(CHURN, later(registry))
        assert stated(registry) == ([CHURN] if lands else [])


def test_a_key_that_the_own_trust_file_does_not_hold_states_nothing(registry: RegistrySimulator) -> None:
    stranger = dataclasses.replace(registry.consumer, signer=Signer.generate())

    kind, name, text = refusal(lambda: stranger.state(CHURN, later(registry)))

    assert (kind, name) == (Rejected, "signature")
    assert "keys trust FILE.public.pem --consumer api" in text
    assert not list(registry.memory.list(layout.CONSUMERS))


def test_a_consumer_is_opened_from_its_settings(registry: RegistrySimulator, tmp_path: Any) -> None:
    (tmp_path / "trust.json").write_bytes(registry.trust.to_json())
    (tmp_path / "key.pem").write_bytes(registry.consumer_signer.pem)
    settings = RegistrySettings("models", "", trust_file=tmp_path / "trust.json")
    with_key = dataclasses.replace(settings, signing_key_files=(tmp_path / "key.pem",))

    assert open_consumer_author(with_key, "api").signer.public == registry.consumer_signer.public
    for wrong, name in ((settings, "api"), (with_key, None)):
        with pytest.raises(InvalidInput, match="is not set, so no needs could be stated"):
            open_consumer_author(wrong, name)


def test_a_statement_is_stored_in_canonical_form(registry: RegistrySimulator) -> None:
    signed = registry.consumer.state(CHURN, later(registry))

    assert registry.memory.objects[signed.statement.key] == canonical_json(json.loads(signed.data))


def test_a_trust_policy_without_consumers_believes_none(registry: RegistrySimulator) -> None:
    registry.consumer.state(CHURN, later(registry))

    found = read_living(registry.memory, TrustPolicy((registry.signer.public,)), registry.clock())

    assert [one.error.kind for one in found.unverified] == ["signature"]
