"""Tiny ONNX models with the churn contract's tensors, whose answers a test can work out by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edustream_contracts.contract import ModelContract

IR_VERSION = 10
OPSET = 17


def tenure_model(
    contract: ModelContract,
    *,
    column: int = 4,
    scale: float = -0.05,
    classes: Sequence[str] = ("No", "Yes"),
    extra_nodes: Sequence[onnx.NodeProto] = (),
    extra_outputs: Sequence[tuple[str, int]] = (),
) -> bytes:
    """P(second class) = sigmoid(scale * numeric[:, column]); the likelier class is the label.

    The graph reads `categorical` too, without letting it change the answer.
    """
    nodes = [
        helper.make_node("Gather", ["numeric", "column"], ["score"], axis=1),
        helper.make_node("Mul", ["score", "scale"], ["scaled"]),
        helper.make_node("Sigmoid", ["scaled"], ["second"]),
        helper.make_node("Sub", ["one", "second"], ["first"]),
        helper.make_node("Concat", ["first", "second"], ["raw_probabilities"], axis=1),
        helper.make_node("Identity", ["raw_probabilities"], ["probabilities"]),
        helper.make_node("ArgMax", ["probabilities"], ["winner"], axis=1, keepdims=0),
        helper.make_node(
            "LabelEncoder",
            ["winner"],
            ["label"],
            domain="ai.onnx.ml",
            keys_int64s=list(range(len(classes))),
            values_strings=list(classes),
        ),
        helper.make_node("Identity", ["categorical"], ["unused"]),
        *extra_nodes,
    ]
    constants = [
        numpy_helper.from_array(np.array([column], dtype=np.int64), "column"),
        numpy_helper.from_array(np.array(scale, dtype=np.float32), "scale"),
        numpy_helper.from_array(np.array(1.0, dtype=np.float32), "one"),
    ]
    return _serialized(nodes, constants, contract, len(classes), extra_outputs)


def tenure_probability(tenure: float, scale: float = -0.05) -> float:
    """What `tenure_model` answers, in float64."""
    return float(1 / (1 + np.exp(-scale * tenure)))


def tenure_golden(contract: ModelContract, scale: float = -0.05, **changes: Any) -> list[Mapping[str, Any]]:
    """Three golden rows of `tenure_model`; `changes` are put into every answer."""
    rows = [{**contract.example(), "tenure": tenure} for tenure in (0, 12, 120)]
    answers = []
    for row in rows:
        probability = tenure_probability(row["tenure"], scale)
        answers.append({"prediction": "Yes" if probability > 0.5 else "No", "probability": probability, **changes})
    return [{"input": row, "output": answer} for row, answer in zip(rows, answers, strict=True)]


def constant_model(contract: ModelContract, value: float, width: int = 2) -> bytes:
    """Every entry of `probabilities`, float32 (n, width), is `value`; the label is always Yes."""
    nodes = [
        helper.make_node("Shape", ["numeric"], ["rows"], start=0, end=1),
        helper.make_node("Concat", ["rows", "width"], ["shape"], axis=0),
        helper.make_node("Expand", ["value", "shape"], ["probabilities"]),
        helper.make_node("Expand", ["yes", "rows"], ["label"]),
        helper.make_node("Identity", ["categorical"], ["unused"]),
    ]
    constants = [
        numpy_helper.from_array(np.array([width], dtype=np.int64), "width"),
        numpy_helper.from_array(np.array(value, dtype=np.float32), "value"),
        numpy_helper.from_array(np.array(["Yes"], dtype=object), "yes"),
    ]
    return _serialized(nodes, constants, contract, width)


def _serialized(
    nodes: Sequence[onnx.NodeProto],
    constants: Sequence[onnx.TensorProto],
    contract: ModelContract,
    width: int,
    extra_outputs: Sequence[tuple[str, int]] = (),
) -> bytes:
    graph = helper.make_graph(
        nodes,
        "tiny",
        [
            helper.make_tensor_value_info("numeric", TensorProto.FLOAT, [None, len(contract.numeric)]),
            helper.make_tensor_value_info("categorical", TensorProto.STRING, [None, len(contract.categorical)]),
        ],
        [
            helper.make_tensor_value_info("label", TensorProto.STRING, [None]),
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, width]),
            *(helper.make_tensor_value_info(name, kind, None) for name, kind in extra_outputs),
        ],
        constants,
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", 3)]
    model = helper.make_model(graph, ir_version=IR_VERSION, opset_imports=opsets)
    return bytes(model.SerializeToString(deterministic=True))
