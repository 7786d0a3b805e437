"""Objects as version 1 of the protocol wrote them; they stay readable for ever. Never regenerate them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from edustream_contracts.canonical import sha256_hex
from edustream_contracts.schemas import ObjectName, object_validator
from edustream_registry import layout
from edustream_registry.announcement import require_registry
from edustream_registry.auditing import Auditor
from edustream_registry.local_copy import LocalCopy
from edustream_registry.memory_store import MemoryStore
from edustream_registry.names import Reference
from edustream_registry.needs import ConsumerStatement, LivingNeeds, Needs, read_living
from edustream_registry.reading import ReleaseReader
from edustream_registry.store import WriteCondition
from edustream_registry.testing.clock import ManualClock
from edustream_registry.trust import read_trust

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


def test_they_are_the_bytes_that_were_frozen() -> None:
    frozen = (GOLDEN / "SHA256SUMS").read_text().split()

    assert {path.name for path in GOLDEN.iterdir()} == {*frozen[1::2], "SHA256SUMS"}
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
