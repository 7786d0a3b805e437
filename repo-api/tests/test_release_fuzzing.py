"""Whatever a release's golden vectors hold, they are replayed or refused; no other error comes out."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from consumers import ConsumerBench
from edustream_contracts.contract import ModelContract
from edustream_contracts.errors import Rejected
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edustream_api import golden
from edustream_api.loading import ServedModel

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


@LIMITS
@given(data=st.data())
def test_golden_bytes_are_replayed_or_refused(
    data: st.DataObject, bench: ConsumerBench, served: ServedModel, contract: ModelContract
) -> None:
    found = json.dumps({"golden_format": 1, "rows": bench.golden(-0.05)}).encode()
    for _ in range(data.draw(st.integers(0, 3))):
        start = data.draw(st.integers(0, len(found)))
        end = start + data.draw(st.integers(0, 30))
        found = found[:start] + data.draw(st.sampled_from(TOKENS) | st.binary(max_size=4)) + found[end:]

    with suppress(Rejected):
        golden.replay(found, served.inference, contract)


@LIMITS
@given(data=st.data())
def test_golden_values_are_replayed_or_refused(
    data: st.DataObject, bench: ConsumerBench, served: ServedModel, contract: ModelContract
) -> None:
    rows: list[dict[str, Any]] = json.loads(json.dumps(bench.golden(-0.05)))
    for _ in range(data.draw(st.integers(1, 3))):
        side = data.draw(st.sampled_from(rows))[data.draw(st.sampled_from(["input", "output"]))]
        name = data.draw(st.sampled_from(sorted(side)) | st.text(max_size=4))
        side[name] = data.draw(VALUES | st.integers(0, 500) | st.floats(0, 500))

    with suppress(Rejected):
        golden.replay(json.dumps({"golden_format": 1, "rows": rows}).encode(), served.inference, contract)
