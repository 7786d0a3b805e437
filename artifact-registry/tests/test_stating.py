"""What a consumer that states its needs keeps of its own folder, and what it reads anew."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import datetime, timedelta

from edustream_registry.needs import LivingNeeds, Needs, read_living
from edustream_registry.testing.simulator import RegistrySimulator

CHURN = Needs("churn", ("tenure",), ("prediction",), 1, "1.0.0", "production")


def later(registry: RegistrySimulator) -> datetime:
    return registry.clock() + timedelta(hours=1)


def reads(registry: RegistrySimulator, look: Callable[[], object]) -> int:
    registry.store.calls.clear()
    look()
    return [operation for operation, _ in registry.store.calls].count("get")


def test_an_author_reads_a_statement_once(registry: RegistrySimulator) -> None:
    for number in range(3):
        registry.consumer.state(dataclasses.replace(CHURN, major=number), later(registry))
    author = dataclasses.replace(registry.consumer)

    assert reads(registry, author.living) == 3
    assert reads(registry, author.living) == 0
    mine = author.state(dataclasses.replace(CHURN, major=3), later(registry))
    registry.consumer.state(dataclasses.replace(CHURN, major=4), later(registry), [mine.statement.write_id])
    assert reads(registry, author.living) == 2
    assert author.living() == registry.consumer.living()
    assert author.living() == read_living(registry.memory, registry.trust, registry.clock())


def test_what_is_deleted_is_known_no_more(registry: RegistrySimulator) -> None:
    signed = registry.consumer.state(CHURN, later(registry))
    author = dataclasses.replace(registry.consumer)
    author.living()
    kept = registry.memory.objects.pop(signed.statement.key)

    assert author.living() == LivingNeeds()
    registry.memory.objects[signed.statement.key] = kept
    assert reads(registry, author.living) == 1


def test_what_was_overwritten_is_read_again_and_again_while_nobody_vouches_for_it(registry: RegistrySimulator) -> None:
    signed = registry.consumer.state(CHURN, later(registry))
    author = dataclasses.replace(registry.consumer)
    author.living()

    registry.memory.objects[signed.statement.key] += b" "

    assert [one.key for one in author.living().unverified] == [signed.statement.key]
    assert reads(registry, author.living) == 1
