"""Exports a fitted pipeline as ONNX, byte for byte the same for the same pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from onnx import GraphProto, ModelProto, TensorProto, helper
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.base import is_classifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

from edustream_contracts.contract import ModelContract
from edustream_ml.features.pipeline import DerivedFeatures
from edustream_ml.features.target import ScaledTarget
from edustream_ml.tensors import CATEGORICAL, NUMERIC

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
        custom_shape_calculators={DerivedFeatures: _derived_shape, OneHotEncoder: _one_hot_shape},
        custom_conversion_functions={DerivedFeatures: _derived_nodes, OneHotEncoder: _one_hot_nodes},
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
    bounds = {"minimum": target.minimum, "maximum": target.maximum}
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


def _derived_shape(operator: Any) -> None:
    transformer: DerivedFeatures = operator.raw_operator
    columns = transformer.n_features_in_ + len(transformer.ratios) + len(transformer.counts)
    operator.outputs[0].type = FloatTensorType([operator.inputs[0].get_first_dimension(), columns])


def _derived_nodes(scope: Any, operator: Any, container: Any) -> None:
    transformer: DerivedFeatures = operator.raw_operator
    graph = _GraphWriter(scope, container)
    matrix = operator.inputs[0].full_name
    parts = [matrix]
    for top, bottom, floor in transformer.ratios:
        numerator = graph.columns(matrix, [top])
        denominator = graph.node("Max", [graph.columns(matrix, [bottom]), graph.constant(TensorProto.FLOAT, [floor])])
        parts.append(graph.node("Div", [numerator, denominator]))
    for members in transformer.counts:
        axes = graph.constant(TensorProto.INT64, [1])
        parts.append(graph.node("ReduceSum", [graph.columns(matrix, list(members)), axes], keepdims=1))
    container.add_node(
        "Concat", parts, operator.outputs[0].full_name, name=scope.get_unique_operator_name("Derived"), axis=1
    )


def _one_hot_shape(operator: Any) -> None:
    columns = sum(map(len, operator.raw_operator.categories_))
    operator.outputs[0].type = FloatTensorType([operator.inputs[0].get_first_dimension(), columns])


def _one_hot_nodes(scope: Any, operator: Any, container: Any) -> None:
    """Every text is looked up once, in the categories of all columns, and compared with those of its own.

    The converter's own graph has two nodes a column, which would take a third of the time of a prediction.
    """
    categories = [list(map(str, column)) for column in operator.raw_operator.categories_]
    numbers = {text: number for number, text in enumerate(sorted({text for column in categories for text in column}))}
    graph = _GraphWriter(scope, container)
    encoded = graph.lookup(operator.inputs[0].full_name, numbers)
    repeated = graph.columns(encoded, [index for index, column in enumerate(categories) for _ in column])
    expected = graph.constant(TensorProto.INT64, [numbers[text] for column in categories for text in column])
    container.add_node(
        "Cast",
        graph.node("Equal", [repeated, expected]),
        operator.outputs[0].full_name,
        name=scope.get_unique_operator_name("OneHot"),
        to=TensorProto.FLOAT,
    )


class _GraphWriter:
    """Adds nodes and constants to the graph that skl2onnx is building, under names of their own."""

    def __init__(self, scope: Any, container: Any) -> None:
        self._scope = scope
        self._container = container

    def constant(self, kind: int, values: list[Any]) -> str:
        name = str(self._scope.get_unique_variable_name("constant"))
        self._container.add_initializer(name, kind, [len(values)], values)
        return name

    def columns(self, matrix: str, numbers: list[int]) -> str:
        return self.node("Gather", [matrix, self.constant(TensorProto.INT64, numbers)], axis=1)

    def lookup(self, texts: str, numbers: Mapping[str, int]) -> str:
        """The number of each text; -1 for one that has none."""
        name = str(self._scope.get_unique_variable_name("lookup"))
        self._container.add_node(
            "LabelEncoder",
            texts,
            name,
            name=self._scope.get_unique_operator_name("LabelEncoder"),
            op_domain="ai.onnx.ml",
            op_version=2,
            keys_strings=list(numbers),
            values_int64s=list(numbers.values()),
            default_int64=-1,
        )
        return name

    def node(self, operation: str, inputs: list[str], **attributes: int) -> str:
        name = str(self._scope.get_unique_variable_name(operation.lower()))
        self._container.add_node(
            operation, inputs, name, name=self._scope.get_unique_operator_name(operation), **attributes
        )
        return name
