from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edustream_registry import layout
from edustream_registry.names import MAX_SEQUENCE


def test_the_keys_of_the_protocol() -> None:
    assert layout.REGISTRY == "registry.json"
    assert layout.file_key("churn", "ab", "model.onnx") == "models/churn/files/ab/model.onnx"
    assert layout.manifest_key("churn", "1.0.0") == "models/churn/releases/1.0.0.json"
    assert layout.entry_key("churn", "production", 7) == "models/churn/channels/production/log/000000000007.json"
    assert layout.head_key("churn", "production") == "models/churn/channels/production/HEAD"
    assert layout.tombstone_key("churn", "1.0.0") == "models/churn/yanked/1.0.0.json"


@given(st.integers(1, MAX_SEQUENCE), st.integers(1, MAX_SEQUENCE))
def test_key_order_is_sequence_order(one: int, other: int) -> None:
    keys = [layout.entry_key("churn", "production", sequence) for sequence in (one, other)]

    assert (keys[0] < keys[1]) == (one < other)
    assert layout.sequence(keys[0], layout.log_prefix("churn", "production")) == one


@pytest.mark.parametrize("name", ["1.json", "00000000000x.json", "000000000001", "a/000000000001.json", "HEAD"])
def test_keys_of_another_form_have_no_sequence(name: str) -> None:
    assert (
        layout.sequence(f"models/churn/channels/production/log/{name}", "models/churn/channels/production/log/") is None
    )


@pytest.mark.parametrize(("name", "stem"), [("1.0.0.json", "1.0.0"), ("1.0.0", None), ("x/1.0.0.json", None)])
def test_stems(name: str, stem: str | None) -> None:
    assert layout.stem(f"models/churn/releases/{name}", "models/churn/releases/") == stem
