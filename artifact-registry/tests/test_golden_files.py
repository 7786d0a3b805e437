"""Objects as version 1 of the protocol wrote them; they stay readable for ever. Never regenerate them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from model_signing.verifying import Config

from edustream_contracts.canonical import sha256_hex
from edustream_contracts.schemas import ObjectName, object_validator
from edustream_registry import layout
from edustream_registry.announcement import require_registry
from edustream_registry.auditing import Auditor
from edustream_registry.collection import NOTICE_S, live_notices
from edustream_registry.inference.loading import prove_directory
from edustream_registry.local_copy import LocalCopy
from edustream_registry.memory_store import MemoryStore
from edustream_registry.names import Reference
from edustream_registry.needs import ConsumerStatement, LivingNeeds, Needs, read_living
from edustream_registry.reading import ReleaseReader
from edustream_registry.store import WriteCondition
from edustream_registry.testing.clock import ManualClock
from edustream_registry.trust import read_trust
from edustream_registry.verification import verify

GOLDEN = Path(__file__).parent / "golden" / "v1"
KEYS = {
    "registry.json": layout.REGISTRY,
    "manifest.json": layout.manifest_key("churn", "1.0.1"),
    "log-entry-1.json": layout.entry_key("churn", "production", 1),
    "log-entry-2.json": layout.entry_key("churn", "production", 2),
    "tombstone.json": layout.tombstone_key("churn", "1.0.0"),
    "HEAD": layout.head_key("churn", "production"),
}


@pytest.fixture
def reader() -> ReleaseReader:
    store = MemoryStore()
    for name, key in KEYS.items():
        store.put(key, (GOLDEN / name).read_bytes(), WriteCondition.CREATE)
    return ReleaseReader(store, read_trust(GOLDEN / "trust.json"), ManualClock())


def test_the_channel_still_resolves(reader: ReleaseReader) -> None:
    found = reader.resolve(Reference.parse("churn@production"))

    assert (found.model, found.version, found.sequence) == ("churn", "1.0.1", 2)
    assert found.manifest_digest == sha256_hex((GOLDEN / "manifest.json").read_bytes())
    assert found.manifest.published_by == "tester"
    assert found.manifest.published_at == "2026-01-01T00:02:00+00:00"
    assert [file.name for file in found.manifest.content.files] == ["contract.json", "golden.json", "model.onnx"]
    assert found.manifest.content.metrics == {"roc_auc": 0.85}


def test_the_history_still_links(reader: ReleaseReader) -> None:
    entries = reader.history("churn", "production")

    assert [(one.statement.sequence, one.statement.version) for one in entries] == [(1, "1.0.0"), (2, "1.0.1")]
    assert [one.statement.reason for one in entries] == ["a test", "a test"]


def test_the_tombstone_still_counts(reader: ReleaseReader) -> None:
    tombstone = reader.tombstone("churn", "1.0.0")

    assert tombstone is not None
    assert tombstone.statement.reason == "a test"


def test_the_registry_still_announces_itself(reader: ReleaseReader) -> None:
    require_registry(reader.store)


def test_the_trust_file_still_reads() -> None:
    trust = read_trust(GOLDEN / "trust.json")

    assert (len(trust.keys), trust.threshold, trust.max_entry_age_s) == (1, 1, 3600.0)


def test_the_audit_still_finds_them_sound(reader: ReleaseReader) -> None:
    """All but the files themselves, and the manifest of 1.0.0, which are not kept here."""
    found = Auditor(reader).audit().findings

    assert {finding.kind for finding in found} == {"file_missing", "manifest_missing"}


def test_the_consumer_statement_still_verifies() -> None:
    trust = read_trust(GOLDEN / "consumer-trust.json")

    statement = trust.verify((GOLDEN / "consumer-statement.json").read_bytes(), "the statement")

    assert (statement.payload["consumer"], statement.payload["major"]) == ("api", 1)
    said = ConsumerStatement.read(statement, "the statement")
    assert said.needs == Needs("churn", ("tenure",), ("prediction", "probability"), 1, "1.0.1")


def test_the_needs_still_count_and_replace_each_other() -> None:
    store, trust = MemoryStore(), read_trust(GOLDEN / "needs-trust.json")
    for name in ("needs-1.json", "needs-2.json"):
        data = (GOLDEN / name).read_bytes()
        store.put(layout.needs_key("api", json.loads(data)["signed"]["write_id"]), data, WriteCondition.CREATE)

    living = read_living(store, trust, datetime(2026, 1, 2, tzinfo=UTC))

    assert [one.statement.needs for one in living.stated] == [
        Needs("churn", ("contract", "tenure"), ("prediction", "probability"), 1, "1.0.2", "production")
    ]
    assert living.unverified == ()
    assert len(living.replaced) == 1
    assert read_living(store, trust, datetime(2026, 1, 2, 12, tzinfo=UTC)) == LivingNeeds()


def test_the_local_copys_state_is_still_recalled(tmp_path: Path) -> None:
    state = tmp_path / "state" / "churn.at.production.json"
    state.parent.mkdir()
    state.write_bytes((GOLDEN / "local-copy-state.json").read_bytes())
    copy = LocalCopy(tmp_path, read_trust(GOLDEN / "trust.json"), ManualClock())

    recalled = copy.recall(Reference.parse("churn@production"))

    assert recalled is not None
    assert recalled.contacted_at == datetime(2026, 1, 1, 0, 3, tzinfo=UTC)
    resolved = recalled.release.resolved
    assert (resolved.version, resolved.sequence) == ("1.0.1", 2)
    assert resolved.manifest_digest == sha256_hex((GOLDEN / "manifest.json").read_bytes())


def test_a_whole_release_still_verifies_and_answers_as_recorded() -> None:
    """With its contract, golden vectors and profile."""
    folder = GOLDEN / "release"
    signed = json.loads((folder / "manifest.json").read_bytes())["signed"]
    store = MemoryStore()
    store.put(layout.REGISTRY, (GOLDEN / "registry.json").read_bytes(), WriteCondition.CREATE)
    manifest_key = layout.manifest_key("churn", "2.1.0")
    store.put(manifest_key, (folder / "manifest.json").read_bytes(), WriteCondition.CREATE)
    for file in signed["content"]["files"]:
        store.upload(layout.file_key("churn", file["sha256"], file["name"]), folder / file["name"])
    reader = ReleaseReader(store, read_trust(GOLDEN / "release-trust.json"), ManualClock())

    found = reader.resolve(Reference.parse("churn@^2"))
    verify(reader, found)

    assert {path.name for path in folder.iterdir()} - {"manifest.json"} == {
        "contract.json",
        "golden.json",
        "model.onnx",
        "model.sig",
        "profile.json",
    }
    assert found.manifest.content.contract_digest == "ddad2d10a83f47e26c8a8a05b80f0cf5aedc88f56e3ec2855d662f0e8347c934"
    assert prove_directory(found.manifest.content, folder) == 3
    assert Auditor(reader).audit().findings == []


def test_the_bundle_still_verifies(tmp_path: Path) -> None:
    folder, key = GOLDEN / "release", tmp_path / "key.pem"
    key.write_text(read_trust(GOLDEN / "release-trust.json").keys[0].pem)

    Config().use_elliptic_key_verifier(public_key=key).verify(folder, folder / "model.sig")  # type: ignore[no-untyped-call]


def test_a_notice_still_counts() -> None:
    clock = ManualClock()
    store = MemoryStore(clock)
    key = layout.notice_key("churn", "a" * 32)
    store.put(key, (GOLDEN / "notice.json").read_bytes(), WriteCondition.CREATE)

    assert live_notices(store, "churn") == [key]
    clock.advance(NOTICE_S + 1)
    assert live_notices(store, "churn") == []


def test_they_are_the_bytes_that_were_frozen() -> None:
    frozen = (GOLDEN / "SHA256SUMS").read_text().split()

    files = {path.relative_to(GOLDEN).as_posix() for path in GOLDEN.rglob("*") if path.is_file()}
    assert files == {*frozen[1::2], "SHA256SUMS"}
    for digest, name in zip(frozen[::2], frozen[1::2], strict=True):
        assert sha256_hex((GOLDEN / name).read_bytes()) == digest, name


@pytest.mark.parametrize(
    ("name", "schema"),
    [
        ("registry.json", "registry"),
        ("manifest.json", "manifest"),
        ("log-entry-1.json", "log-entry"),
        ("log-entry-2.json", "log-entry"),
        ("tombstone.json", "tombstone"),
        ("HEAD", "channel-head"),
        ("trust.json", "trust"),
        ("release-trust.json", "trust"),
        ("release/manifest.json", "manifest"),
        ("release/golden.json", "golden"),
        ("release/profile.json", "profile"),
        ("consumer-statement.json", "consumer-statement"),
        ("consumer-trust.json", "trust"),
        ("needs-1.json", "consumer-statement"),
        ("needs-2.json", "consumer-statement"),
        ("needs-trust.json", "trust"),
    ],
)
def test_the_schemas_still_admit_them(name: str, schema: ObjectName) -> None:
    document = json.loads((GOLDEN / name).read_bytes())

    assert object_validator(schema).problems(document.get("signed", document)) == []
