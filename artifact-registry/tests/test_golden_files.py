"""Objects as version 1 of the protocol wrote them; they stay readable for ever. Never regenerate them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edustream_contracts.canonical import sha256_hex
from edustream_contracts.schemas import ObjectName, object_validator
from edustream_registry import layout
from edustream_registry.memory_store import MemoryStore
from edustream_registry.names import Reference
from edustream_registry.reading import ReleaseReader, require_registry
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
    ],
)
def test_the_schemas_still_admit_them(name: str, schema: ObjectName) -> None:
    document = json.loads((GOLDEN / name).read_bytes())

    assert object_validator(schema).problems(document.get("signed", document)) == []
