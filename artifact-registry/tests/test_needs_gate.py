"""May this be promoted? What consumers state decides, and what is not known means no."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from changed_contracts import narrower, poorer, wider
from conftest import refusal

from edustream_contracts.contract import ModelContract
from edustream_contracts.errors import GateRefused, InvalidInput, NothingToServe, Rejected
from edustream_registry import layout
from edustream_registry.manifest import Manifest
from edustream_registry.names import Reference
from edustream_registry.needs import Needs
from edustream_registry.needs_gate import Assessment, Effect, NeedsGate
from edustream_registry.promotion import Promoter
from edustream_registry.store import WriteCondition
from edustream_registry.testing.simulator import RegistrySimulator, write_release

PRODUCTION = Reference.parse("churn@production")
Publish = Callable[[str, ModelContract], None]


@pytest.fixture
def release_as(registry: RegistrySimulator, tmp_path: Path) -> Publish:
    """Releases under a number that the publisher here might refuse: by hand, or by another implementation."""

    def release(version: str, contract: ModelContract) -> None:
        directory = tmp_path / version
        content = write_release(directory, contract, version.encode())
        for file in content.files:
            registry.memory.upload(layout.file_key("churn", file.sha256, file.name), directory / file.name)
        manifest = Manifest(
            version=version,
            content=content,
            published_at=registry.author.now(),
            published_by="tester",
            write_id=registry.author.write_id(),
        )
        registry.memory.objects[layout.manifest_key("churn", version)] = registry.signer.sign(manifest.payload())

    return release


@pytest.fixture
def publish(registry: RegistrySimulator, tmp_path: Path) -> Publish:
    def release(version: str, contract: ModelContract) -> None:
        directory = tmp_path / version
        registry.publish(write_release(directory, contract, version.encode()), directory, version)

    return release


@pytest.fixture
def running(registry: RegistrySimulator, publish: Publish, contract: ModelContract) -> Needs:
    """The needs of a consumer of churn@production, which is at 1.0.0; they are stated for an hour."""
    publish("1.0.0", contract)
    registry.promote("churn", "1.0.0")
    needs = Needs.of(PRODUCTION, "1.0.0", contract)
    state(registry, needs)
    return needs


def state(registry: RegistrySimulator, needs: Needs, *replaces: str) -> str:
    expires = registry.clock() + timedelta(hours=1)
    return registry.consumer.state(needs, expires, replaces).statement.write_id


def assess(registry: RegistrySimulator, version: str, channel: str = "production") -> Assessment:
    release = registry.reader.manifest("churn", version).statement
    return NeedsGate(registry.reader).assess(release, channel, registry.clock())


def effects(registry: RegistrySimulator, version: str, channel: str = "production") -> list[tuple[str, Effect]]:
    return [(one.consumer, one.effect) for one in assess(registry, version, channel).effects]


def reasons(registry: RegistrySimulator) -> list[str]:
    return [one.statement.reason for one in registry.reader.history("churn", "production")]


def test_nobody_is_asked_where_nobody_states_anything(
    registry: RegistrySimulator, publish: Publish, contract: ModelContract
) -> None:
    publish("1.0.0", contract)

    assert assess(registry, "1.0.0").effects == ()
    registry.promote("churn", "1.0.0")


def test_a_wider_input_breaks_nobody(
    registry: RegistrySimulator, publish: Publish, contract: ModelContract, running: Needs
) -> None:
    publish("1.1.0", wider(contract))

    assert effects(registry, "1.1.0") == [("api", Effect.NONE)]
    assert registry.promote("churn", "1.1.0").broken == ()
    assert reasons(registry) == ["a test", "a test"]


def test_a_narrower_input_breaks_who_sends_the_field(
    registry: RegistrySimulator, release_as: Publish, contract: ModelContract, running: Needs
) -> None:
    release_as("1.0.1", narrower(contract))

    (found,) = assess(registry, "1.0.1").effects

    assert (found.consumer, found.effect) == ("api", Effect.BREAKS)
    (reason,) = found.reasons
    assert reason.pointer == "/input/properties/tenure/maximum"
    assert reason.counterexample is not None
    assert contract.input_validator.is_valid(reason.counterexample)
    assert not narrower(contract).input_validator.is_valid(reason.counterexample)
    kind, name, text = refusal(lambda: registry.promote("churn", "1.0.1"))
    assert (kind, name) == (GateRefused, "needs")
    assert "churn@1.0.1 may not be promoted to production: it would break api. The release stays published" in text
    assert "api /input/properties/tenure/maximum" in text
    assert "For example" in text
    assert "--break api" in text
    assert registry.reader.resolve(PRODUCTION).version == "1.0.0"


def test_an_answer_that_nobody_reads_may_go(
    registry: RegistrySimulator, release_as: Publish, contract: ModelContract, running: Needs
) -> None:
    release_as("1.0.1", poorer(contract))
    assert effects(registry, "1.0.1") == [("api", Effect.BREAKS)]

    registry.consumer.end("churn")
    state(registry, dataclasses.replace(running, reads=("prediction",)))

    assert effects(registry, "1.0.1") == [("api", Effect.NONE)]


def test_a_pinned_major_is_kept_whatever_the_contract_says(
    registry: RegistrySimulator, release_as: Publish, contract: ModelContract, running: Needs
) -> None:
    release_as("2.0.0", contract)

    (found,) = assess(registry, "2.0.0").effects

    assert found.effect is Effect.BREAKS
    assert found.sentence == "pins the major version 1; runs churn@1.0.0, which keeps the same contract"


def test_a_new_major_says_what_it_breaks_too(
    registry: RegistrySimulator, release_as: Publish, contract: ModelContract, running: Needs
) -> None:
    release_as("2.0.0", narrower(contract))

    _, _, text = refusal(lambda: registry.promote("churn", "2.0.0"))

    assert "api: pins the major version 1; runs churn@1.0.0, whose contract this one breaks" in text
    assert "api /input/properties/tenure/maximum" in text
    assert '"tenure": 61' in text


@pytest.mark.parametrize(
    ("follows", "asked"),
    [("production", True), (None, True), ("staging", False), ("^1", False), ("1.0.0", False)],
)
def test_who_follows_something_else_is_not_hit(
    registry: RegistrySimulator,
    release_as: Publish,
    contract: ModelContract,
    running: Needs,
    follows: str | None,
    asked: bool,
) -> None:
    registry.consumer.end("churn")
    state(registry, dataclasses.replace(running, follows=follows))
    release_as("2.0.0", contract)

    assert bool(effects(registry, "2.0.0")) is asked


def test_needs_of_another_model_count_there_alone(
    registry: RegistrySimulator, release_as: Publish, contract: ModelContract, running: Needs
) -> None:
    registry.consumer.end("churn")
    state(registry, dataclasses.replace(running, model="fraud"))
    release_as("2.0.0", contract)

    assert effects(registry, "2.0.0") == []


def test_replicas_that_say_the_same_are_asked_once(registry: RegistrySimulator, running: Needs) -> None:
    registry.clock.advance(60)
    state(registry, running)

    assert effects(registry, "1.0.0") == [("api", Effect.NONE)]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"running": None}, "does not say which release it runs"),
        ({"running": "1.9.0"}, "runs churn@1.9.0, whose contract cannot be read"),
        ({"sends": ("age",)}, "sends: names 'age', which is no input field; sends: lacks"),
        ({"reads": ("score",)}, "states what does not fit its contract: reads: names 'score'"),
    ],
)
def test_what_is_not_known_means_no(
    registry: RegistrySimulator, publish: Publish, contract: ModelContract, running: Needs, change: Any, sentence: str
) -> None:
    registry.consumer.end("churn")
    state(registry, dataclasses.replace(running, **change))
    publish("1.1.0", wider(contract))

    (found,) = assess(registry, "1.1.0").effects

    assert found.effect is Effect.UNKNOWN
    assert sentence in found.sentence
    assert refusal(lambda: registry.promote("churn", "1.1.0"))[:2] == (GateRefused, "needs")


def test_a_damaged_contract_of_the_running_release_means_no(
    registry: RegistrySimulator, publish: Publish, contract: ModelContract, running: Needs
) -> None:
    publish("1.1.0", wider(contract))
    (key,) = (
        layout.file_key("churn", file.sha256, file.name)
        for file in registry.reader.manifest("churn", "1.0.0").statement.content.files
        if file.name == "contract.json"
    )
    registry.memory.objects[key] = b"{}"

    assert effects(registry, "1.1.0") == [("api", Effect.UNKNOWN)]


def test_a_lost_contract_that_stays_the_same_harms_nobody(
    registry: RegistrySimulator, publish: Publish, contract: ModelContract, running: Needs
) -> None:
    publish("1.0.1", contract)
    for key in [key for key in registry.memory.objects if key.endswith("contract.json")]:
        del registry.memory.objects[key]

    assert effects(registry, "1.0.1") == [("api", Effect.NONE)]


def test_what_cannot_be_verified_means_no_for_every_model(
    registry: RegistrySimulator, publish: Publish, contract: ModelContract
) -> None:
    publish("1.0.0", contract)
    registry.memory.put(layout.needs_key("stranger", "f" * 32), b"junk", WriteCondition.CREATE)

    kind, name, text = refusal(lambda: registry.promote("churn", "1.0.0"))

    assert (kind, name) == (GateRefused, "needs")
    assert "whether it breaks stranger is not known" in text
    assert registry.reader.last_entry("churn", "production") is None
    assert Promoter(registry.author).promote("churn", "production", "1.0.0", "known", ["stranger"]).moved


def test_breaking_a_consumer_on_purpose_is_recorded(
    registry: RegistrySimulator, release_as: Publish, contract: ModelContract, running: Needs
) -> None:
    release_as("2.0.0", contract)
    promoter = Promoter(registry.author)

    refusal(lambda: promoter.promote("churn", "production", "2.0.0", "agreed", ["aip"]))
    done = promoter.promote("churn", "production", "2.0.0", "agreed", ["api", "nobody"])

    assert done.broken == ("api",)
    assert reasons(registry)[-1] == "agreed (against the needs of api)"


def test_a_reason_that_grows_too_long_is_refused_before_anything_is_sent(
    registry: RegistrySimulator, release_as: Publish, contract: ModelContract, running: Needs
) -> None:
    release_as("2.0.0", contract)

    kind, _, _ = refusal(lambda: Promoter(registry.author).promote("churn", "production", "2.0.0", "x" * 4096, ["api"]))

    assert kind is InvalidInput


def test_a_channel_that_stands_there_already_asks_nobody(registry: RegistrySimulator, running: Needs) -> None:
    state(registry, dataclasses.replace(running, major=7))

    assert not registry.promote("churn", "1.0.0").moved
    assert Promoter(registry.author).renew("churn", "production", "1.0.0", "still good").moved


def test_going_back_waits_for_nobody_and_says_whom_it_breaks(
    registry: RegistrySimulator, publish: Publish, contract: ModelContract, running: Needs
) -> None:
    publish("1.1.0", wider(contract))
    registry.promote("churn", "1.1.0")
    registry.consumer.end("churn")
    state(registry, Needs.of(PRODUCTION, "1.1.0", wider(contract)))

    done = Promoter(registry.author).rollback("churn", "production", "complaints")

    assert (done.entry.statement.version, done.broken) == ("1.0.0", ("api",))
    assert reasons(registry)[-1] == "complaints (against the needs of api)"


def test_going_back_needs_no_answer(
    registry: RegistrySimulator, publish: Publish, contract: ModelContract, running: Needs
) -> None:
    publish("1.1.0", wider(contract))
    registry.promote("churn", "1.1.0")
    state(registry, Needs.of(PRODUCTION, "1.1.0", wider(contract)))
    file = registry.reader.manifest("churn", "1.0.0").statement.content.file("contract.json")
    registry.memory.objects[layout.file_key("churn", file.sha256, file.name)] += b" "

    assert refusal(lambda: registry.promote("churn", "1.0.0"))[:2] == (Rejected, "digest")
    done = Promoter(registry.author).rollback("churn", "production", "complaints")
    assert (done.moved, done.broken) == (True, None)
    assert reasons(registry)[-1] == "complaints (consumers could not be asked for their needs)"


def test_a_folder_with_too_many_objects_is_accepted_by_its_name(
    registry: RegistrySimulator, publish: Publish, contract: ModelContract, monkeypatch: Any
) -> None:
    monkeypatch.setattr("edustream_registry.needs.MAX_LIVING", 2)
    publish("1.1.0", wider(contract))
    for number in range(3):
        registry.memory.objects[layout.needs_key("flood", f"{2**39 + number:010x}{'0' * 22}")] = b"junk"
    promoter = Promoter(registry.author)

    error, kind, text = refusal(lambda: promoter.promote("churn", "production", "1.1.0", "why not"))
    done = promoter.promote("churn", "production", "1.1.0", "looked at", accepted=["flood"])

    assert (error, kind) == (GateRefused, "needs")
    assert "whether it breaks flood is not known" in text
    assert "holds 3 statements that have not expired" in text
    assert (done.moved, done.broken) == (True, ("flood",))


def test_going_back_to_where_the_channel_never_was_is_a_promotion(
    registry: RegistrySimulator, release_as: Publish, contract: ModelContract, running: Needs
) -> None:
    release_as("2.0.0", contract)
    promoter = Promoter(registry.author)

    assert refusal(lambda: promoter.rollback("churn", "production", "why not", "2.0.0"))[:2] == (GateRefused, "needs")
    assert refusal(lambda: promoter.rollback("churn", "production", "why not", "3.0.0"))[:2] == (
        NothingToServe,
        "release_missing",
    )


def test_needs_that_expired_hold_nobody_up(
    registry: RegistrySimulator, release_as: Publish, contract: ModelContract, running: Needs
) -> None:
    release_as("2.0.0", contract)
    registry.clock.advance(3600)

    assert registry.promote("churn", "2.0.0").moved


def test_a_consumers_key_signs_no_release_and_no_promotion(registry: RegistrySimulator, running: Needs) -> None:
    """Not even for those who believe what it says about needs."""
    for key in (layout.manifest_key("churn", "1.0.0"), layout.entry_key("churn", "production", 1)):
        payload = registry.trust.verify(registry.memory.objects[key], key).payload
        registry.memory.objects[key] = registry.consumer_signer.sign(payload)

    assert refusal(lambda: registry.reader.manifest("churn", "1.0.0"))[:2] == (Rejected, "signature")
    assert refusal(lambda: registry.reader.resolve(PRODUCTION))[:2] == (Rejected, "signature")


def test_the_producers_key_states_no_needs(registry: RegistrySimulator, running: Needs) -> None:
    author = dataclasses.replace(registry.consumer, signer=registry.signer)

    assert refusal(lambda: author.state(running, registry.clock()))[:2] == (Rejected, "signature")
