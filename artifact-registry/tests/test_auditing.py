from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from conftest import refusal

from edustream_contracts.errors import NothingToServe, Unreachable
from edustream_registry import layout
from edustream_registry.auditing import Audit, Auditor, Severity
from edustream_registry.manifest import ReleaseContent
from edustream_registry.memory_store import MemoryStore
from edustream_registry.needs import Needs
from edustream_registry.reading import ReleaseReader
from edustream_registry.signing import Signer
from edustream_registry.store import ObjectInfo
from edustream_registry.testing.faults import FaultyStore
from edustream_registry.testing.simulator import RegistrySimulator

HEAD = layout.head_key("churn", "production")


def audit(registry: RegistrySimulator) -> Audit:
    return Auditor(registry.reader).audit()


def findings(registry: RegistrySimulator, severity: Severity) -> list[tuple[str, str]]:
    return [(one.kind, one.key) for one in audit(registry).findings if one.severity is severity]


def wrong(registry: RegistrySimulator) -> list[tuple[str, str]]:
    return findings(registry, Severity.WRONG)


def notes(registry: RegistrySimulator) -> list[tuple[str, str]]:
    return findings(registry, Severity.NOTE)


def entry_key(sequence: int) -> str:
    return layout.entry_key("churn", "production", sequence)


@pytest.fixture
def registry(registry: RegistrySimulator, release: Callable[..., str]) -> RegistrySimulator:
    """Three releases, all promoted; the first is yanked."""
    for model in ("one", "two", "three"):
        release(model)
    registry.yank("churn", "1.0.0")
    return registry


def test_a_whole_registry_is_clean_and_everything_was_looked_at(registry: RegistrySimulator) -> None:
    done = audit(registry)

    files = [key for key in registry.memory.objects if "/files/" in key]
    assert done.clean
    assert done.findings == []
    assert (done.models, done.releases, done.entries, done.tombstones) == (1, 3, 3, 1)
    assert (done.files, done.bytes) == (len(files), sum(len(registry.memory.objects[key]) for key in files))


def test_every_object_counts(registry: RegistrySimulator) -> None:
    """A changed byte in any object but the hint is found, and only there is something wrong."""
    for key, data in list(registry.memory.objects.items()):
        registry.memory.objects[key] = bytes([data[0] ^ 1]) + data[1:]
        done = audit(registry)
        registry.memory.objects[key] = data
        if key == HEAD:
            assert [finding.kind for finding in done.findings] == ["head"]
        else:
            assert not done.clean, key
            assert key in {finding.key for finding in done.findings}


def test_every_deletion_but_the_hints_is_found(registry: RegistrySimulator) -> None:
    unnoticed = set()
    for key, data in list(registry.memory.objects.items()):
        del registry.memory.objects[key]
        if audit(registry).clean:
            unnoticed.add(key)
        registry.memory.objects[key] = data

    # Nothing in the registry says how long a log is, or which versions were yanked.
    assert unnoticed == {HEAD, entry_key(3), layout.tombstone_key("churn", "1.0.0")}


def test_damage_stops_nothing(registry: RegistrySimulator) -> None:
    objects = registry.memory.objects
    objects[layout.manifest_key("churn", "1.0.0")] = b"{}"
    objects[entry_key(2)] = b"no JSON"
    broken = next(key for key in objects if key.endswith("/model.onnx") and objects[key] == b"three")
    objects[broken] = b"THREE"

    assert wrong(registry) == [
        ("malformed", layout.manifest_key("churn", "1.0.0")),
        ("digest", broken),
        ("manifest_missing", entry_key(1)),
        ("malformed", entry_key(2)),
    ]


def test_a_missing_file_is_told_with_the_releases_that_need_it(registry: RegistrySimulator) -> None:
    key = next(key for key in registry.memory.objects if key.endswith("/contract.json"))
    del registry.memory.objects[key]

    [finding] = audit(registry).findings

    assert (finding.kind, finding.key) == ("file_missing", key)
    assert "It is of churn@1.0.0, churn@1.0.1, churn@1.0.2" in finding.message


def test_a_gap_is_told_once_and_the_rest_is_checked(registry: RegistrySimulator) -> None:
    del registry.memory.objects[entry_key(1)]

    [finding] = audit(registry).findings

    assert (finding.kind, finding.key) == ("gap", entry_key(2))
    assert "entry 1 of churn@production are not there" in finding.message


def test_a_long_gap_names_its_ends(registry: RegistrySimulator) -> None:
    for sequence in (1, 2):
        del registry.memory.objects[entry_key(sequence)]

    assert "entries 1 to 2" in audit(registry).findings[0].message


def test_an_entry_in_another_place_is_wrong(registry: RegistrySimulator) -> None:
    registry.memory.objects[entry_key(4)] = registry.memory.objects[entry_key(3)]

    assert wrong(registry) == [("mix_and_match", entry_key(4))]


def test_a_broken_link_is_wrong(registry: RegistrySimulator) -> None:
    said = registry.reader.history("churn", "production")[2].statement
    forged = registry.signer.sign(said.payload() | {"previous": "0" * 64})
    registry.memory.objects[entry_key(3)] = forged

    assert wrong(registry) == [("mix_and_match", entry_key(3))]


def test_an_entry_of_another_manifest_is_wrong(registry: RegistrySimulator) -> None:
    said = registry.reader.history("churn", "production")[2].statement
    registry.memory.objects[entry_key(3)] = registry.signer.sign(said.payload() | {"manifest_digest": "0" * 64})

    assert wrong(registry) == [("manifest_differs", entry_key(3))]


def test_a_stranger_signed(registry: RegistrySimulator) -> None:
    key = layout.tombstone_key("churn", "1.0.0")
    tombstone = registry.reader.tombstone("churn", "1.0.0")
    assert tombstone is not None
    registry.memory.objects[key] = Signer.generate().sign(tombstone.statement.payload())

    assert wrong(registry) == [("signature", key)]


def test_what_nobody_needs_is_a_note(registry: RegistrySimulator, content: ReleaseContent, release_dir: Path) -> None:
    orphan = layout.file_key("churn", "0" * 64, "model.onnx")
    notice = layout.notice_key("churn", "0" * 32)
    unknown = ["elsewhere", "models/churn/files/short/model.onnx", "models/UPPER/x", "consumers/api/x.json"]
    for key in (orphan, notice, *unknown):
        registry.memory.objects[key] = b"x"
    expired = layout.needs_key("api", "0" * 32)
    registry.memory.objects[expired] = b"x"
    registry.memory.objects[HEAD] = json.dumps({"sequence": 9}).encode()

    done = audit(registry)

    assert done.clean
    assert sorted(notes(registry)) == sorted(
        [
            *(("unknown_key", key) for key in unknown),
            *(("orphan", orphan), ("collection", notice), ("head", HEAD), ("statement", expired)),
        ]
    )


def test_an_orphan_may_belong_to_a_manifest_that_cannot_be_read(registry: RegistrySimulator) -> None:
    registry.memory.objects[layout.manifest_key("churn", "1.0.2")] = b"{}"

    orphans = [finding for finding in audit(registry).findings if finding.kind == "orphan"]

    assert orphans
    assert all("one that cannot be read may" in finding.message for finding in orphans)


def test_one_model_alone(registry: RegistrySimulator) -> None:
    registry.memory.objects["models/fraud/releases/1.0.0.json"] = b"{}"

    assert Auditor(registry.reader).audit("churn").clean
    assert not Auditor(registry.reader).audit("fraud").clean
    assert refusal(lambda: Auditor(registry.reader).audit("nobody"))[:2] == (NothingToServe, "model_missing")


class _FailingStore(MemoryStore):
    """Gives no usable answer for some keys, as a server does whose disk is damaged."""

    def __init__(self, memory: MemoryStore, fails: Callable[[str], bool]) -> None:
        super().__init__()
        self.objects = memory.objects
        self._fails = fails

    def get(self, key: str, max_bytes: int) -> bytes:
        self._answer(key)
        return super().get(key, max_bytes)

    def stream(self, key: str) -> Iterator[bytes]:
        self._answer(key)
        return super().stream(key)

    def list(self, prefix: str, start_after: str = "") -> Iterator[ObjectInfo]:
        return super().list(prefix, start_after)

    def _answer(self, key: str) -> None:
        if self._fails(key):
            raise Unreachable("connection", f"No answer for {key}.", remedy="look at the server.")


def test_an_object_that_the_store_cannot_give_is_wrong(registry: RegistrySimulator) -> None:
    damaged = layout.manifest_key("churn", "1.0.1")
    reader = ReleaseReader(_FailingStore(registry.memory, lambda key: key == damaged), registry.trust)

    found = Auditor(reader).audit().findings

    assert ("connection", damaged) in [(one.kind, one.key) for one in found]


def test_an_outage_is_no_verdict(registry: RegistrySimulator) -> None:
    reader = ReleaseReader(_FailingStore(registry.memory, lambda key: "/files/" in key), registry.trust)

    with pytest.raises(Unreachable):
        Auditor(reader).audit()


def test_an_outage_from_the_beginning_is_told_by_one_request(registry: RegistrySimulator) -> None:
    """Each request that nobody answers takes all of a client's patience."""
    store = FaultyStore(registry.memory)
    store.cut_off = True

    with pytest.raises(Unreachable):
        Auditor(ReleaseReader(store, registry.trust)).audit()

    assert len(store.calls) == 1


def test_progress_is_told(registry: RegistrySimulator) -> None:
    told: list[int] = []

    done = Auditor(registry.reader, told.append).audit()

    assert sum(told) == done.bytes


def state_needs(registry: RegistrySimulator, lifetime: timedelta = timedelta(hours=1)) -> str:
    needs = Needs("churn", ("tenure",), ("prediction",), 1, "1.0.1", "production")
    return registry.consumer.state(needs, registry.clock() + lifetime).statement.key


def test_consumer_statements_are_verified(registry: RegistrySimulator) -> None:
    state_needs(registry)
    registry.consumer.end("churn")

    assert audit(registry).clean
    assert audit(registry).statements == 2
    assert Auditor(registry.reader).audit("churn").statements == 0


def test_a_damaged_statement_is_wrong_while_it_could_count(registry: RegistrySimulator) -> None:
    key = state_needs(registry)
    registry.memory.objects[key] = registry.memory.objects[key].replace(b'"major":1', b'"major":2')

    assert wrong(registry) == [("signature", key)]
    registry.clock.advance(3600)
    assert (wrong(registry), notes(registry)) == ([], [("statement", key)])


def test_junk_that_its_consumer_made_void_is_no_damage(registry: RegistrySimulator) -> None:
    key = layout.needs_key("api", "f" * 32)
    registry.memory.objects[key] = b"junk"
    assert wrong(registry) == [("malformed", key)]

    registry.consumer.end("churn")

    assert (wrong(registry), notes(registry)) == ([], [("statement", key)])


def test_a_statement_that_is_collected_meanwhile_is_no_damage(registry: RegistrySimulator) -> None:
    key = state_needs(registry)
    store = registry.memory

    class Collected(FaultyStore):
        def list(self, prefix: str, start_after: str = "") -> Iterator[ObjectInfo]:
            found = list(store.list(prefix, start_after))
            store.delete(key)
            return iter(found)

    reader = ReleaseReader(Collected(store), registry.trust, registry.clock)

    assert Auditor(reader).audit().clean
