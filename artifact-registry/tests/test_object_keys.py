from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edustream_registry import layout
from edustream_registry.object_keys import KeyKind, ObjectKey, parse_key

DIGEST, ID = "0" * 64, "0" * 32


@pytest.mark.parametrize(
    ("key", "meaning"),
    [
        (layout.REGISTRY, ObjectKey(KeyKind.REGISTRY)),
        (layout.file_key("churn", DIGEST, "a.b"), ObjectKey(KeyKind.FILE, "churn", name="a.b")),
        (layout.manifest_key("churn", "1.0.0-rc.1"), ObjectKey(KeyKind.MANIFEST, "churn", name="1.0.0-rc.1")),
        (layout.tombstone_key("churn", "1.0.0"), ObjectKey(KeyKind.TOMBSTONE, "churn", name="1.0.0")),
        (layout.entry_key("churn", "production", 7), ObjectKey(KeyKind.ENTRY, "churn", "production", "7")),
        (layout.head_key("churn", "production"), ObjectKey(KeyKind.HEAD, "churn", "production")),
        (layout.notice_key("churn", ID), ObjectKey(KeyKind.NOTICE, "churn", name=f"{ID}.json")),
        (f"consumers/api/{ID}.json", ObjectKey(KeyKind.CONSUMER_STATEMENT, name=ID, consumer="api")),
    ],
)
def test_every_key_of_the_protocol_is_known(key: str, meaning: ObjectKey) -> None:
    assert parse_key(key) == meaning


@pytest.mark.parametrize(
    "key",
    [
        "",
        "HEAD",
        "models/churn",
        "models/Churn/releases/1.0.0.json",
        "models/churn/releases/1.0.json",
        "models/churn/releases/a/1.0.0.json",
        "models/churn/yanked/1.0.0",
        f"models/churn/files/{DIGEST}",
        f"models/churn/files/{DIGEST}/.hidden",
        f"models/churn/files/{DIGEST}/a/b",
        f"models/churn/files/{DIGEST.replace('0', 'A')}/a",
        f"models/churn/files/{DIGEST}/{'a' * 129}",
        "models/churn/channels/production/log/000000000000.json",
        "models/churn/channels/production/log/1.json",
        "models/churn/channels/Production/HEAD",
        f"models/churn/collections/{ID}",
        f"models/churn/collections/{ID}0.json",
        f"consumers/API/{ID}.json",
    ],
)
def test_other_keys_are_unknown(key: str) -> None:
    assert parse_key(key) is None


@given(st.text())
def test_no_key_is_too_strange(key: str) -> None:
    parse_key(key)
    parse_key(f"models/churn/{key}")
