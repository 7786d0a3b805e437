"""A champion, 1.0.0 in production, and a challenger, 1.1.0 as candidate, whose answers a test can work out by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from consumers import ConsumerBench
from edustream_registry.testing.onnx_models import tenure_golden, tenure_model
from onnx import TensorProto, helper, numpy_helper

from edustream_api.challenger.shadow import Shadow
from edustream_api.challenger.split import Split
from edustream_api.consumer import Consumer
from edustream_api.hosting import HostedModel

CHAMPION_SCALE = -0.05
CHALLENGER_SCALE = 0.05
FIRST_UNKNOWN_TENURE = 100


def challenge(bench: ConsumerBench, **changes: Any) -> None:
    bench.release("1.0.0", scale=CHAMPION_SCALE)
    bench.release("1.1.0", promote=False, **{"scale": CHALLENGER_SCALE, **changes})
    bench.registry.promote("churn", "1.1.0", "candidate")


def forgetful(bench: ConsumerBench) -> dict[str, Any]:
    """A challenger that fails on rows of a tenure from 100 on: it looks tenure up in a table of 100 entries."""
    table = numpy_helper.from_array(np.zeros(FIRST_UNKNOWN_TENURE, dtype=np.float32))
    nodes = [
        helper.make_node("Constant", [], ["table"], value=table),
        helper.make_node("Cast", ["score"], ["place"], to=TensorProto.INT64),
        helper.make_node("Gather", ["table", "place"], ["found"]),
    ]
    model = tenure_model(bench.contract, scale=CHALLENGER_SCALE, extra_nodes=nodes, extra_outputs=[("found", 1)])
    return {"model": model, "golden": tenure_golden(bench.contract, CHALLENGER_SCALE)[:2]}


def hosted_of(consumer: Consumer) -> HostedModel:
    (hosted,) = consumer.hosting.models
    return hosted


def shadow_of(consumer: Consumer) -> Shadow:
    shadow = hosted_of(consumer).shadow
    assert shadow is not None
    return shadow


def split_of(consumer: Consumer) -> Split:
    split = hosted_of(consumer).split
    assert split is not None
    return split


def rows_of(row: Mapping[str, Any], *tenures: int) -> dict[str, Any]:
    return {"rows": [{**row, "tenure": tenure} for tenure in tenures]}
