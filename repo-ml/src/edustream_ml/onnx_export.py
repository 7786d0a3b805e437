"""Exports a fitted pipeline as ONNX, byte for byte the same for the same pipeline."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from onnx import GraphProto, ModelProto, TensorProto, helper
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.base import is_classifier
from sklearn.pipeline import Pipeline

from edustream_contracts.contract import ModelContract
from edustream_ml.features.converters import CONVERTERS, SHAPES
from edustream_ml.features.target import ScaledTarget
from edustream_ml.tensors import CATEGORICAL, NUMERIC
from edustream_ml.tree_ensembles import tree_converters

LABEL: Final = "label"
PROBABILITIES: Final = "probabilities"
SCALED: Final = "scaled"
OUTPUTS: Final = (LABEL, PROBABILITIES, SCALED)
OPSETS: Final = {"": 20, "ai.onnx.ml": 3}
PRODUCER: Final = "edustream-ml"


def export_onnx(pipeline: Pipeline, contract: ModelContract) -> bytes:
    """The ONNX model of a fitted pipeline over `Tensors.frame()`.

    Inputs: `numeric` float32 (n, k) and `categorical` string (n, m); a contract without fields of a kind has no such
    input. Outputs: `label` string (n,) and `probabilities` float32 (n, classes); of a regression `label` float32 (n,)
    alone, in the contract's unit.
    """
    estimator = pipeline[-1]
    if isinstance(estimator, ScaledTarget):
        model = _converted(Pipeline([*pipeline.steps[:-1], ("estimate", estimator.regressor_)]), contract)
        _append_target(model.graph, estimator)
    else:
        model = _converted(pipeline, contract)
    model.producer_name = PRODUCER
    model.producer_version = ""
    model.domain = ""
    model.doc_string = contract.description
    # The converter collects the operator sets in a Python set, whose order changes from one process to the next.
    model.opset_import.sort(key=lambda opset: opset.domain)
    return bytes(model.SerializeToString(deterministic=True))


def _converted(pipeline: Pipeline, contract: ModelContract) -> ModelProto:
    inputs = []
    if contract.numeric:
        inputs.append((NUMERIC, FloatTensorType([None, len(contract.numeric)])))
    if contract.categorical:
        inputs.append((CATEGORICAL, StringTensorType([None, len(contract.categorical)])))
    if is_classifier(pipeline):
        width = len(pipeline.classes_)
        outputs = [(LABEL, StringTensorType([None])), (PROBABILITIES, FloatTensorType([None, width]))]
        options = {"zipmap": False}
    else:
        outputs, options = [(SCALED, FloatTensorType([None, 1]))], {}
    model: ModelProto = convert_sklearn(
        pipeline,
        name=contract.model,
        initial_types=inputs,
        final_types=outputs,
        target_opset=OPSETS,
        options=options,
        custom_shape_calculators=dict(SHAPES),
        custom_conversion_functions={**CONVERTERS, **tree_converters(pipeline[-1])},
    )
    _drop_casts(model.graph)
    return model


def _drop_casts(graph: GraphProto) -> None:
    """Let whatever computes an output name it itself.

    The converter casts each output to the type that was asked for, which it has; onnxruntime would refuse another type
    when it loads the model.
    """
    for cast in [node for node in graph.node if node.op_type == "Cast" and node.output[0] in OUTPUTS]:
        source = next(node for node in graph.node if cast.input[0] in node.output)
        source.output[list(source.output).index(cast.input[0])] = cast.output[0]
        graph.node.remove(cast)


def _float32_from(bound: float | None, inside: float) -> float | None:
    """The float32 nearest to a bound that is not beyond it; `inside` is the direction in which numbers may lie."""
    if bound is None:
        return None
    nearest = np.float32(bound)
    # As float64: NumPy compares a float32 with a Python number as float32.
    beyond = float(nearest) < bound if inside > 0 else float(nearest) > bound
    return float(np.nextafter(nearest, np.float32(inside)) if beyond else nearest)


def _append_target(graph: GraphProto, target: ScaledTarget) -> None:
    """Turn what the regressor says into the answer: to the target's scale, unit, and bounds, as float32 (n,)."""
    last = SCALED

    def append(operation: str, *constants: tuple[str, int, list[Any], list[int]]) -> None:
        nonlocal last
        names = [f"target_{name}" if name else "" for name, *_ in constants]
        for name, (_, kind, values, shape) in zip(names, constants, strict=True):
            if name:
                graph.initializer.append(helper.make_tensor(name, kind, shape, values))
        output = f"target_{operation.lower()}"
        graph.node.append(helper.make_node(operation, [last, *names], [output], name=output))
        last = output

    append("Reshape", ("shape", TensorProto.INT64, [-1], [1]))
    append("Add", ("mean", TensorProto.FLOAT, [target.mean_], []))
    if target.scale == "log":
        append("Exp")
    bounds = {"minimum": _float32_from(target.minimum, np.inf), "maximum": _float32_from(target.maximum, -np.inf)}
    if any(bound is not None for bound in bounds.values()):
        append(
            "Clip",
            *(
                ("", 0, [], []) if bound is None else (name, TensorProto.FLOAT, [bound], [])
                for name, bound in bounds.items()
            ),
        )
    graph.node[-1].output[0] = LABEL
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info(LABEL, TensorProto.FLOAT, [None]))
