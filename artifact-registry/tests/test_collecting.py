from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from conftest import refusal

from edustream_contracts.errors import Conflict, InvalidInput, OutcomeUnknown
from edustream_registry import layout
from edustream_registry.collecting import Collector
from edustream_registry.collection import DELETING_S, MIN_GRACE_S, NOTICE_S, REFRESH_AFTER_S
from edustream_registry.manifest import ReleaseContent
from edustream_registry.memory_store import MemoryStore
from edustream_registry.needs import Needs
from edustream_registry.publishing import PublicationStatus, Publisher
from edustream_registry.reading import ReleaseReader
from edustream_registry.store import WriteCondition
from edustream_registry.testing.simulator import RegistrySimulator

ORPHAN = layout.file_key("churn", "0" * 64, "model.onnx")
NOTICE = layout.notice_key("churn", "0" * 32)


def put(registry: RegistrySimulator, key: str) -> None:
    registry.memory.put(key, b"x", WriteCondition.OVERWRITE)


def collector(registry: RegistrySimulator, store: MemoryStore | None = None) -> Collector:
    store = store or registry.memory
    return Collector(store, ReleaseReader(store, registry.trust, registry.clock), MIN_GRACE_S, lambda: "0" * 32)


@pytest.fixture
def registry(registry: RegistrySimulator, release: Callable[..., str]) -> RegistrySimulator:
    """Two releases, one of them yanked, and an old orphan."""
    release("one")
    release("two")
    registry.yank("churn", "1.0.0")
    put(registry, ORPHAN)
    registry.clock.advance(MIN_GRACE_S + 1)
    return registry


def test_a_dry_run_deletes_and_writes_nothing(registry: RegistrySimulator) -> None:
    before = dict(registry.memory.objects)

    found = collector(registry).survey("churn")

    assert [orphan.key for orphan in found.old] == [ORPHAN]
    assert registry.memory.objects == before


def test_only_old_orphans_go(registry: RegistrySimulator) -> None:
    before = set(registry.memory.objects)
    young = layout.file_key("churn", "1" * 64, "model.onnx")
    unknown = ["models/churn/files/short/model.onnx", "models/churn/elsewhere", "models/fraud/files/x"]
    for key in (young, *unknown):
        put(registry, key)
    registry.clock.advance(1)

    done = collector(registry).collect("churn")

    assert done.deleted == (ORPHAN,)
    assert [orphan.key for orphan in done.young] == [young]
    assert set(registry.memory.objects) == (before - {ORPHAN}) | {young, *unknown}


def test_the_age_must_exceed_the_grace_period(registry: RegistrySimulator) -> None:
    put(registry, ORPHAN)
    registry.clock.advance(MIN_GRACE_S)

    assert collector(registry).collect("churn").deleted == ()


def test_a_grace_period_has_a_minimum(registry: RegistrySimulator) -> None:
    kind = refusal(lambda: Collector(registry.memory, registry.reader, MIN_GRACE_S - 1))

    assert kind[:2] == (InvalidInput, "argument")


@pytest.mark.parametrize("data", [b"{}", b"no JSON"])
def test_an_unreadable_manifest_protects_the_whole_model(registry: RegistrySimulator, data: bytes) -> None:
    registry.memory.objects[layout.manifest_key("churn", "1.0.1")] = data
    before = dict(registry.memory.objects)

    done = collector(registry).collect("churn")

    assert done.refusal is not None
    assert (done.deleted, registry.memory.objects) == ((), before)


class _EventfulStore(MemoryStore):
    """Something happens once, right after the notice was put."""

    def __init__(self, registry: RegistrySimulator, event: Callable[[], object]) -> None:
        super().__init__(registry.clock)
        self._registry = registry
        self._event = event
        self.objects = registry.memory.objects
        self._modified = registry.memory._modified

    def put(self, key: str, data: bytes, condition: WriteCondition) -> None:
        super().put(key, data, condition)
        self._event()


@pytest.mark.parametrize(
    ("event", "spared"),
    [
        (lambda registry: put(registry, ORPHAN), (ORPHAN,)),
        (lambda registry: registry.memory.delete(ORPHAN), (ORPHAN,)),
        (lambda registry: registry.clock.advance(DELETING_S + 1), ()),
        (lambda registry: registry.memory.delete(NOTICE), ()),
    ],
    ids=["refreshed", "gone", "too late", "notice taken away"],
)
def test_what_happens_in_between_spares_the_orphan(
    registry: RegistrySimulator, event: Callable[[RegistrySimulator], object], spared: tuple[str, ...]
) -> None:
    done = collector(registry, _EventfulStore(registry, lambda: event(registry))).collect("churn")

    assert (done.deleted, done.spared) == ((), spared)
    assert done.unfinished == (() if spared else (ORPHAN,))


def test_a_manifest_that_lands_in_between_spares_its_files(
    registry: RegistrySimulator, content: ReleaseContent, release_dir: Path
) -> None:
    file = content.file("model.onnx")
    orphan = layout.file_key("churn", file.sha256, file.name)
    registry.memory.upload(orphan, release_dir / file.name)
    registry.clock.advance(MIN_GRACE_S + 1)
    bare = RegistrySimulator()
    author = bare.author_with(registry.signer, ReleaseReader(bare.memory, registry.trust, registry.clock))
    Publisher(author, bundler=None).publish(content, release_dir, "1.0.2")
    key = layout.manifest_key("churn", "1.0.2")
    # A publisher that keeps to no rule: its manifest names a file that is still old.
    store = _EventfulStore(registry, lambda: registry.memory.objects.setdefault(key, bare.memory.objects[key]))

    done = collector(registry, store).collect("churn")

    assert orphan in done.spared
    assert orphan in registry.memory.objects


def test_a_manifest_that_is_damaged_in_between_stops_everything(registry: RegistrySimulator) -> None:
    key = layout.manifest_key("churn", "1.0.9")
    store = _EventfulStore(registry, lambda: registry.memory.objects.setdefault(key, b"{}"))

    done = collector(registry, store).collect("churn")

    assert done.refusal is not None
    assert ORPHAN in registry.memory.objects


class _SilentStore(MemoryStore):
    """Deletes, but gives no reply for files."""

    def __init__(self, registry: RegistrySimulator) -> None:
        super().__init__(registry.clock)
        self.objects = registry.memory.objects
        self._modified = registry.memory._modified

    def delete(self, key: str) -> None:
        super().delete(key)
        if "/files/" in key:
            raise OutcomeUnknown("write", "No reply.", remedy="run gc again.")


def test_after_a_lost_reply_publishers_wait_until_the_notice_is_dead(
    registry: RegistrySimulator, content: ReleaseContent, release_dir: Path
) -> None:
    done = collector(registry, _SilentStore(registry)).collect("churn")

    assert (done.deleted, done.unfinished) == ((), (ORPHAN,))
    publisher = Publisher(registry.author, patience_s=0)
    kind = refusal(lambda: publisher.publish(content, release_dir))
    assert kind[:2] == (Conflict, "collection")
    assert "at most 15 minutes" in kind[2]

    registry.clock.advance(NOTICE_S + 1)

    assert publisher.publish(content, release_dir).status is PublicationStatus.PUBLISHED
    collector(registry).collect("churn")
    assert NOTICE not in registry.memory.objects


def test_a_publisher_waits_for_a_collector_to_end(
    registry: RegistrySimulator, content: ReleaseContent, release_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(registry, NOTICE)
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda _: registry.memory.delete(NOTICE))

    assert registry.publish(content, release_dir).status is PublicationStatus.PUBLISHED


def test_a_publisher_refreshes_an_old_file_and_leaves_a_young_one(
    registry: RegistrySimulator, content: ReleaseContent, release_dir: Path
) -> None:
    keys = {file.name: layout.file_key("churn", file.sha256, file.name) for file in content.files}
    registry.memory.upload(keys["golden.json"], release_dir / "golden.json")
    registry.clock.advance(1)
    registry.memory.upload(keys["model.onnx"], release_dir / "model.onnx")
    registry.clock.advance(REFRESH_AFTER_S)

    registry.publish(content, release_dir)

    assert registry.memory.age_s(keys["golden.json"]) == 0
    assert registry.memory.age_s(keys["model.onnx"]) == REFRESH_AFTER_S


def state_needs(registry: RegistrySimulator, lifetime_s: float) -> str:
    needs = Needs("churn", ("tenure",), ("prediction",), 1, "1.0.1", "production")
    return registry.consumer.state(needs, registry.clock() + timedelta(seconds=lifetime_s)).statement.key


def test_statements_go_a_grace_period_after_they_expired(registry: RegistrySimulator) -> None:
    gone, young, living = (state_needs(registry, lifetime_s) for lifetime_s in (60, 3600, 10 * MIN_GRACE_S))
    junk = layout.needs_key("stranger", "f" * 32)
    put(registry, junk)
    registry.clock.advance(60 + MIN_GRACE_S)
    assert collector(registry).collect_statements().old == ()
    registry.clock.advance(1)

    found = collector(registry).survey_statements()
    done = collector(registry).collect_statements()

    assert [orphan.key for orphan in found.old] == [gone]
    assert done.deleted == (gone,)
    assert {young, living, junk, ORPHAN} <= registry.memory.objects.keys()
    assert gone not in registry.memory.objects


def test_a_statement_that_claims_to_be_old_stays_while_it_is_young(registry: RegistrySimulator) -> None:
    claimed = layout.needs_key("api", "0" * 32)
    put(registry, claimed)

    assert collector(registry).collect_statements().deleted == ()


def test_a_statement_whose_delete_got_no_answer_is_told(registry: RegistrySimulator) -> None:
    key = state_needs(registry, 60)
    registry.clock.advance(61 + MIN_GRACE_S)

    class Deaf(MemoryStore):
        def delete(self, key: str) -> None:
            raise OutcomeUnknown("write", "no reply", remedy="again")

    store = Deaf(registry.clock)
    store.objects, store._modified = registry.memory.objects, registry.memory._modified

    assert collector(registry, store).collect_statements().unfinished == (key,)
