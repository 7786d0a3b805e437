"""Whatever a release's golden vectors hold, they are replayed or refused; no other error comes out."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edustream_contracts.contract import ModelContract
from edustream_contracts.errors import Rejected
from edustream_registry.inference import golden
from edustream_registry.inference.session import Inference
from edustream_registry.testing.onnx_models import tenure_golden, tenure_model
from edustream_registry.testing.simulator import write_release

LIMITS = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
TOKENS = [
    b"NaN",
    b"1e999",
    b"9" * 5000,
    b'"\\ud800"',
    b"\xed\xa0\x80",
    b"\xff",
    b"[" * 3000,
    b"{}",
    b",",
    b"null",
    b"-0",
]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | st.just("\ud800"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def inference(contract: ModelContract, tmp_path_factory: pytest.TempPathFactory) -> Inference:
    directory: Path = tmp_path_factory.mktemp("release")
    return Inference(tenure_model(contract), write_release(directory, contract), contract)


@LIMITS
@given(data=st.data())
def test_golden_bytes_are_replayed_or_refused(
    data: st.DataObject, inference: Inference, contract: ModelContract
) -> None:
    found = json.dumps({"golden_format": 1, "rows": tenure_golden(contract)}).encode()
    for _ in range(data.draw(st.integers(0, 3))):
        start = data.draw(st.integers(0, len(found)))
        end = start + data.draw(st.integers(0, 30))
        found = found[:start] + data.draw(st.sampled_from(TOKENS) | st.binary(max_size=4)) + found[end:]

    with suppress(Rejected):
        golden.replay(found, inference, contract)


@LIMITS
@given(data=st.data())
def test_golden_values_are_replayed_or_refused(
    data: st.DataObject, inference: Inference, contract: ModelContract
) -> None:
    rows: list[dict[str, Any]] = json.loads(json.dumps(tenure_golden(contract)))
    for _ in range(data.draw(st.integers(1, 3))):
        side = data.draw(st.sampled_from(rows))[data.draw(st.sampled_from(["input", "output"]))]
        name = data.draw(st.sampled_from(sorted(side)) | st.text(max_size=4))
        side[name] = data.draw(VALUES | st.integers(0, 500) | st.floats(0, 500))

    with suppress(Rejected):
        golden.replay(json.dumps({"golden_format": 1, "rows": rows}).encode(), inference, contract)
