"""A channel's log only grows, without gaps and without doubles, whatever dies in between."""

from __future__ import annotations

import itertools
import threading
from pathlib import Path

import pytest

from edustream_contracts.contract import ModelContract
from edustream_contracts.errors import (
    Conflict,
    GateRefused,
    InvalidInput,
    NothingToServe,
    OutcomeUnknown,
    Rejected,
    Unreachable,
)
from edustream_registry import layout, promotion
from edustream_registry.manifest import GateRecord
from edustream_registry.memory_store import MemoryStore
from edustream_registry.names import Reference
from edustream_registry.promotion import Promoter
from edustream_registry.reading import ReleaseReader
from edustream_registry.store import WriteCondition
from edustream_registry.testing.faults import Crash, Fault, FaultyStore, PlannedFault
from edustream_registry.testing.simulator import RegistrySimulator, write_release

HEAD = layout.head_key("churn", "production")
REGISTRY_GET, NEEDS_LIST, ENTRY_PUT, HEAD_PUT = 0, 8, 9, 10
CALLS_OF_A_PROMOTION = 11


@pytest.fixture
def registry(tmp_path: Path, contract: ModelContract) -> RegistrySimulator:
    """A registry with three releases; nothing is promoted."""
    simulator = RegistrySimulator()
    for name in "abc":
        simulator.publish(write_release(tmp_path / name, contract, name.encode()), tmp_path / name)
    simulator.store.calls.clear()
    return simulator


def promoter(registry: RegistrySimulator, *faults: PlannedFault) -> Promoter:
    store = FaultyStore(registry.memory, *faults)
    return Promoter(registry.author_with(registry.signer, ReleaseReader(store, registry.trust, registry.clock)))


def log(registry: RegistrySimulator) -> list[str]:
    """The versions in the log; its chain is checked on the way."""
    reader = ReleaseReader(registry.memory, registry.trust, registry.clock)
    return [one.statement.version for one in reader.history("churn", "production")]


def test_a_promotion_appends_an_entry(registry: RegistrySimulator) -> None:
    first = registry.promote("churn", "1.0.0")
    second = registry.promote("churn", "1.0.2")

    assert (first.moved, second.moved) == (True, True)
    assert (first.entry.statement.sequence, second.entry.statement.sequence) == (1, 2)
    assert first.entry.statement.previous is None
    assert second.entry.statement.previous == first.entry.digest
    assert second.entry.statement.manifest_digest == registry.reader.manifest("churn", "1.0.2").digest
    assert registry.memory.objects[HEAD] == b'{"sequence": 2}'
    assert log(registry) == ["1.0.0", "1.0.2"]


def test_promoting_what_stands_there_already_writes_nothing(registry: RegistrySimulator) -> None:
    first = registry.promote("churn", "1.0.0")
    before = dict(registry.memory.objects)

    again = registry.promote("churn", "1.0.0")

    assert not again.moved
    assert again.entry == first.entry
    assert registry.memory.objects == before


def test_channels_are_independent(registry: RegistrySimulator) -> None:
    registry.promote("churn", "1.0.0")
    registry.promote("churn", "1.0.1", "staging")

    assert registry.reader.resolve(Reference.parse("churn@production")).version == "1.0.0"
    assert registry.reader.resolve(Reference.parse("churn@staging")).version == "1.0.1"


def test_what_cannot_be_served_is_not_promoted(registry: RegistrySimulator) -> None:
    with pytest.raises(
        NothingToServe, match=r"churn@9\.9\.9 is not in memory://registry; released: 1\.0\.0"
    ) as missing:
        registry.promote("churn", "9.9.9")
    registry.yank("churn", "1.0.0")
    with pytest.raises(NothingToServe, match="was yanked: a test") as yanked:
        registry.promote("churn", "1.0.0")
    file = registry.reader.manifest("churn", "1.0.1").statement.content.file("model.onnx")
    del registry.memory.objects[layout.file_key("churn", file.sha256, file.name)]
    with pytest.raises(NothingToServe, match=r"churn@1\.0\.1 lacks its file model\.onnx") as incomplete:
        registry.promote("churn", "1.0.1")

    assert [one.value.kind for one in (missing, yanked, incomplete)] == ["release_missing", "yanked", "file_missing"]
    assert log(registry) == []


@pytest.mark.parametrize("reason", ["", "  \n"])
def test_a_promotion_needs_a_reason(registry: RegistrySimulator, reason: str) -> None:
    with pytest.raises(InvalidInput, match=r"needs a reason.*\nNext: say why with --reason"):
        Promoter(registry.author).promote("churn", "production", "1.0.0", reason)


@pytest.mark.parametrize(
    ("model", "channel", "version"), [("../a", "b", "1.0.0"), ("a", "b/c", "1.0.0"), ("a", "b", "1")]
)
def test_bad_names(registry: RegistrySimulator, model: str, channel: str, version: str) -> None:
    with pytest.raises((InvalidInput, NothingToServe)):
        Promoter(registry.author).promote(model, channel, version, "a test")


# --- rolling back ---


def test_a_rollback_is_a_promotion_of_the_version_before(registry: RegistrySimulator) -> None:
    for version in ("1.0.0", "1.0.1", "1.0.2"):
        registry.promote("churn", version)

    done = Promoter(registry.author).rollback("churn", "production", "it was bad")

    assert (done.entry.statement.sequence, done.entry.statement.version) == (4, "1.0.1")
    assert log(registry) == ["1.0.0", "1.0.1", "1.0.2", "1.0.1"]


def test_a_rollback_passes_over_yanked_versions_or_goes_where_it_is_told(registry: RegistrySimulator) -> None:
    for version in ("1.0.0", "1.0.1", "1.0.2"):
        registry.promote("churn", version)
    registry.yank("churn", "1.0.1")

    assert Promoter(registry.author).rollback("churn", "production", "bad").entry.statement.version == "1.0.0"
    told = Promoter(registry.author).rollback("churn", "production", "good after all", "1.0.2")
    assert told.entry.statement.version == "1.0.2"


def test_who_rolls_back_twice_goes_two_steps_back(registry: RegistrySimulator) -> None:
    for version in ("1.0.0", "1.0.1", "1.0.2"):
        registry.promote("churn", version)

    for before in ("1.0.1", "1.0.0"):
        assert Promoter(registry.author).rollback("churn", "production", "bad").entry.statement.version == before
    with pytest.raises(NothingToServe, match=r"stands at 1\.0\.0"):
        Promoter(registry.author).rollback("churn", "production", "bad")


def test_what_was_promoted_again_after_a_rollback_is_rolled_back_again(registry: RegistrySimulator) -> None:
    for version in ("1.0.0", "1.0.1"):
        registry.promote("churn", version)
    Promoter(registry.author).rollback("churn", "production", "bad")
    registry.promote("churn", "1.0.1")
    Promoter(registry.author).renew("churn", "production", "1.0.1", "still right")

    done = Promoter(registry.author).rollback("churn", "production", "bad after all")

    assert done.entry.statement.version == "1.0.0"


def test_there_may_be_nothing_to_go_back_to(registry: RegistrySimulator) -> None:
    with pytest.raises(NothingToServe, match="Nothing was ever promoted") as empty:
        Promoter(registry.author).rollback("churn", "production", "bad")
    registry.promote("churn", "1.0.0")
    with pytest.raises(NothingToServe, match=r"stands at 1\.0\.0, with no usable version before it") as alone:
        Promoter(registry.author).rollback("churn", "production", "bad")

    assert (empty.value.kind, alone.value.kind) == ("channel_empty", "release_missing")


def test_a_rollback_passes_over_no_version_for_a_name_in_a_listing(registry: RegistrySimulator) -> None:
    for version in ("1.0.0", "1.0.1", "1.0.2"):
        registry.promote("churn", version)
    registry.memory.objects[layout.tombstone_key("churn", "1.0.1")] = b"junk"

    with pytest.raises(Rejected, match=r"yanked/1\.0\.1\.json") as caught:
        Promoter(registry.author).rollback("churn", "production", "bad")

    assert caught.value.kind == "malformed"
    assert log(registry) == ["1.0.0", "1.0.1", "1.0.2"]


@pytest.mark.parametrize("named", [None, "1.0.0"])
@pytest.mark.parametrize("at", ["history read", "entry created"])
def test_a_rollback_does_not_take_back_what_it_has_not_seen(
    registry: RegistrySimulator, at: str, named: str | None
) -> None:
    """Between the reading of the history and the new entry somebody mends what was wrong with 1.0.1."""
    for version in ("1.0.0", "1.0.1"):
        registry.promote("churn", version)

    class Meanwhile(MemoryStore):
        done = False

        def get(self, key: str, max_bytes: int) -> bytes:
            if at == "history read" and key == layout.manifest_key("churn", "1.0.0"):
                self.mend()
            return super().get(key, max_bytes)

        def put(self, key: str, data: bytes, condition: WriteCondition) -> None:
            self.mend()
            super().put(key, data, condition)

        def mend(self) -> None:
            if not self.done:
                self.done = True
                registry.promote("churn", "1.0.2")

    store = Meanwhile()
    store.objects = registry.memory.objects
    late = Promoter(registry.author_with(registry.signer, ReleaseReader(store, registry.trust, registry.clock)))

    with pytest.raises(
        Conflict, match=r"stood at churn@1\.0\.1 \(entry 2\).*points at churn@1\.0\.2 \(entry 3\)"
    ) as lost:
        late.rollback("churn", "production", "bad", named)

    assert lost.value.kind == "promotion_race"
    assert log(registry) == ["1.0.0", "1.0.1", "1.0.2"]


# --- dying in between ---


def test_the_calls_of_a_promotion(registry: RegistrySimulator) -> None:
    registry.promote("churn", "1.0.0")

    calls = registry.store.calls
    assert len(calls) == CALLS_OF_A_PROMOTION
    assert calls[REGISTRY_GET] == ("get", layout.REGISTRY)
    assert calls[NEEDS_LIST] == ("list", layout.CONSUMERS)
    assert calls[ENTRY_PUT] == ("put", layout.entry_key("churn", "production", 1))
    assert calls[HEAD_PUT] == ("put", HEAD)


def test_a_renewal_is_a_new_entry_for_the_same_release(registry: RegistrySimulator) -> None:
    registry.promote("churn", "1.0.0")
    registry.clock.advance(3600)

    done = promoter(registry).renew("churn", "production", "1.0.0", "still right")

    first, second = registry.reader.history("churn", "production")
    assert done.moved
    assert done.entry == second
    assert second.statement.manifest_digest == first.statement.manifest_digest
    assert (second.statement.sequence, second.statement.reason) == (2, "still right")
    assert second.statement.promoted_at > first.statement.promoted_at


def test_a_renewal_never_moves_a_channel(registry: RegistrySimulator) -> None:
    with pytest.raises(Conflict, match=r"production is empty, so churn@1\.0\.0 cannot be renewed"):
        promoter(registry).renew("churn", "production", "1.0.0", "a test")
    registry.promote("churn", "1.0.1")

    with pytest.raises(
        Conflict, match=r"points at churn@1\.0\.1 \(entry 1\), so churn@1\.0\.0 cannot be renewed"
    ) as caught:
        promoter(registry).renew("churn", "production", "1.0.0", "a test")

    assert caught.value.kind == "promotion_race"
    assert len(registry.reader.history("churn", "production")) == 1


@pytest.mark.parametrize("call", range(CALLS_OF_A_PROMOTION))
@pytest.mark.parametrize("fault", [Fault.CRASH_BEFORE, Fault.CRASH_AFTER])
def test_a_crash_at_any_call_leaves_a_sound_log_and_a_retry_appends_at_most_once(
    registry: RegistrySimulator, call: int, fault: Fault
) -> None:
    with pytest.raises(Crash):
        promoter(registry, PlannedFault(call, fault)).promote("churn", "production", "1.0.0", "a test")
    landed = call > ENTRY_PUT or (call == ENTRY_PUT and fault is Fault.CRASH_AFTER)
    assert log(registry) == (["1.0.0"] if landed else [])

    assert registry.promote("churn", "1.0.0").moved is not landed
    registry.promote("churn", "1.0.1")

    assert log(registry) == ["1.0.0", "1.0.1"]
    assert registry.reader.resolve(Reference.parse("churn@production")).version == "1.0.1"


@pytest.mark.parametrize("call", range(CALLS_OF_A_PROMOTION))
@pytest.mark.parametrize("fault", [Fault.REFUSED, Fault.LOST_REQUEST, Fault.LOST_REPLY])
def test_an_outage_at_any_call_gives_no_double_entry(registry: RegistrySimulator, call: int, fault: Fault) -> None:
    try:
        promoter(registry, PlannedFault(call, fault)).promote("churn", "production", "1.0.0", "a test")
    except (Unreachable, OutcomeUnknown):
        assert log(registry) == []
    else:
        assert call == HEAD_PUT or (call, fault) == (ENTRY_PUT, Fault.LOST_REPLY)

    registry.promote("churn", "1.0.0")

    assert log(registry) == ["1.0.0"]


# --- racing ---


def test_promoters_at_once_make_one_gapless_chain(registry: RegistrySimulator) -> None:
    versions = ["1.0.0", "1.0.1", "1.0.2"] * 2
    threads = [threading.Thread(target=registry.promote, args=("churn", version)) for version in versions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    entries = log(registry)
    assert set(entries) == set(versions)
    assert 3 <= len(entries) <= 6
    assert all(one != other for one, other in itertools.pairwise(entries))


def test_a_promoter_who_always_comes_too_late_gives_up(
    registry: RegistrySimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(promotion, "MAX_WAIT_S", 0.0)
    rivals = ["1.0.1", "1.0.2"]

    class AlwaysFirst(MemoryStore):
        def put(self, key: str, data: bytes, condition: WriteCondition) -> None:
            rivals.reverse()
            registry.promote("churn", rivals[0])
            super().put(key, data, condition)

    store = AlwaysFirst()
    store.objects = registry.memory.objects
    late = Promoter(registry.author_with(registry.signer, ReleaseReader(store, registry.trust, registry.clock)))

    with pytest.raises(Conflict, match=f"{promotion.ATTEMPTS} times in a row") as caught:
        late.promote("churn", "production", "1.0.0", "a test")

    assert caught.value.kind == "promotion_race"
    assert len(log(registry)) == promotion.ATTEMPTS


def test_a_release_that_its_own_gate_refused_goes_to_candidate_alone(
    registry: RegistrySimulator, tmp_path: Path, contract: ModelContract
) -> None:
    content = write_release(tmp_path / "refused", contract, b"refused")
    gate = GateRecord(
        name="roc_auc",
        kind="floor",
        value=0.7,
        limit=0.8,
        relation="at least",
        kept=False,
        explanation="is 0.7; at least 0.8 is asked",
    )
    registry.publish(content.model_copy(update={"gates": (gate,)}), tmp_path / "refused", "9.0.0")
    before = dict(registry.memory.objects)

    with pytest.raises(GateRefused, match=r"1 of the 1 gates of churn@9\.0\.0 said no .* to production") as refused:
        registry.promote("churn", "9.0.0")
    assert refused.value.kind == "threshold"
    assert registry.memory.objects == before
    with pytest.raises(GateRefused):
        Promoter(registry.author).promote("churn", "candidates", "9.0.0", "a test", accepted=("api",))

    assert registry.promote("churn", "9.0.0", "candidate").moved
    assert registry.reader.resolve(Reference.parse("churn@candidate")).version == "9.0.0"
