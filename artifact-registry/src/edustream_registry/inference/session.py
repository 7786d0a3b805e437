"""Runs a model: rows that satisfy the contract go in, answers that satisfy the contract come out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import inf, isfinite
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as failures

from edustream_contracts.contract import Field, ModelContract
from edustream_contracts.errors import Incompatible, Problem, Rejected
from edustream_registry.inference.admission import Admission, NotAdmitted
from edustream_registry.inference.tensors import Row, TensorLayout, Tensors
from edustream_registry.manifest import InputTensor, ReleaseContent

ONNX_TYPES: Final = {"float32": "tensor(float)", "string": "tensor(string)"}
TEXT: Final = "tensor(string)"
PROBABILITY_TYPES: Final = ("tensor(float)", "tensor(double)")
# What an output's number becomes where the contract's field is of this kind.
LABELS: Final = {"integer": int, "boolean": bool}
LABEL_TYPES: Final = {"string": object, "number": np.float64, "integer": np.int64, "boolean": np.bool_}

# A float32 sum of products may step over the bounds of a probability by this much.
ROUNDING: Final = 1e-5

Answer = dict[str, Any]
Column = npt.NDArray[Any]
Admit = Callable[[list[Any]], list[Any]]

LOAD_FAILURES: Final = (
    failures.Fail,
    failures.InvalidArgument,
    failures.InvalidGraph,
    failures.InvalidProtobuf,
    failures.NotImplemented,
    failures.RuntimeException,
)
RUN_FAILURES: Final = (failures.Fail, failures.InvalidArgument, failures.NotImplemented, failures.RuntimeException)


class AnswerUnusable(ArithmeticError):
    """The model failed on a valid row, or answered it with something that the contract does not admit."""


class Inference:
    """One loaded model: an ONNX session, and the way from rows to answers."""

    def __init__(self, model: bytes, content: ReleaseContent, contract: ModelContract) -> None:
        """Load the graph in `model` (ONNX bytes).

        Raises `Rejected` (kind `malformed`) for bytes that are no model, `Incompatible` (kind `tensors`) where the
        graph, the release's description of it and the contract disagree; every disagreement is named.
        """
        self._session = _session(model)
        problems = list(_disagreements(self._session, content, contract))
        if problems:
            raise Incompatible(
                "tensors",
                f"The model's tensors are not those of its contract ({len(problems)} disagreements).",
                remedy="have the model exported again from the contract and published.",
                problems=problems,
            )
        self._layout = TensorLayout(content.inputs)
        classes = content.outputs.classes
        self._label = content.outputs.label
        self._classes = len(classes)
        self._fetch = [name for name in (content.outputs.label, content.outputs.probabilities) if name]
        self._label_field = _label_field(contract)
        specs = contract.output_schema["properties"]
        self._admission = Admission(self._label_field, specs[self._label_field.name])
        self._class_columns = tuple(
            _ClassColumn.of(field.name, classes.index(field.for_class), Admission(field, specs[field.name]))
            for field in contract.outputs
            if field.for_class is not None
        )
        self._any_probability = tuple(column._replace(low=0.0, high=1.0) for column in self._class_columns)

    def answer(self, row: Row) -> Answer:
        """The answer for one row that satisfies the contract. Raises `AnswerUnusable`."""
        return self.answers([row])[0]

    def answers(self, rows: Sequence[Row]) -> list[Answer]:
        """The answers for `rows`, each of which satisfies the contract, in their order. Raises `AnswerUnusable`."""
        return self._answers(rows, self._admitted, self._class_columns)

    def estimates(self, rows: Sequence[Row]) -> list[Answer]:
        """What the model makes of rows that nobody asks for, whether or not the contract admits it for an answer.

        Raises `AnswerUnusable` where it fails on one of them, or gives no finite number, or no probability.
        """
        return self._answers(rows, list, self._any_probability)

    def columns(self, numeric: npt.NDArray[np.float32], categorical: npt.NDArray[Any]) -> dict[str, Column]:
        """The answers for many rows, one array (n,) for each field of an answer, in the order of the rows.

        `numeric`: float32 (n, k), NaN for null and absent; `categorical`: (n, m), empty for null and absent, either
        object of str, or bytes of fixed width (`S`, which costs less) of UTF-8 with a zero byte after the longest.
        Their columns are in the contract's order, and every row satisfies the contract. The values are those of
        `answers`. Raises `AnswerUnusable` where one of the rows has no usable answer.
        """
        rows = len(numeric)
        outputs = self._run(self._layout.of_columns(numeric, categorical))
        if outputs[0].size != rows:
            raise AnswerUnusable(f"{self._label} has {outputs[0].size} values for {rows} rows")
        columns = {self._label_field.name: self._label_column(outputs[0])}
        if self._class_columns and outputs[1].shape != (rows, self._classes):
            raise AnswerUnusable(f"the probabilities of {rows} rows have the shape {outputs[1].shape}")
        for column in self._class_columns:
            columns[column.name] = _probability_column(outputs[1][:, column.position], column)
        return columns

    def _run(self, tensors: Tensors) -> list[npt.NDArray[Any]]:
        try:
            outputs: list[npt.NDArray[Any]] = self._session.run(self._fetch, tensors)
        except RUN_FAILURES as error:
            raise AnswerUnusable(str(error)) from error
        return outputs

    def _answers(self, rows: Sequence[Row], admitted: Admit, class_columns: Sequence[_ClassColumn]) -> list[Answer]:
        if not rows:
            return []
        outputs = self._run(self._layout.tensors(rows))
        answers: list[Answer] = [{self._label_field.name: label} for label in admitted(self._labels(outputs[0]))]
        if len(answers) != len(rows):
            raise AnswerUnusable(f"{self._label} has {len(answers)} values for {len(rows)} rows")
        if class_columns:
            if outputs[1].shape != (len(rows), self._classes):
                raise AnswerUnusable(f"the probabilities of {len(rows)} rows have the shape {outputs[1].shape}")
            # On one row, plain numbers are several times faster than array operations.
            for answer, probabilities in zip(answers, outputs[1].tolist(), strict=True):
                for column in class_columns:
                    answer[column.name] = _probability(probabilities[column.position], column)
        return answers

    def _label_column(self, label: npt.NDArray[Any]) -> Column:
        if self._label_field.kind == "number" and label.size:
            column = label.ravel().astype(np.float64)
            if self._admission.spans(column.min(), column.max()):
                return column
        return np.array(self._admitted(self._labels(label)), dtype=LABEL_TYPES[self._label_field.kind])

    def _admitted(self, labels: list[Any]) -> list[Any]:
        try:
            return self._admission.usable(labels)
        except NotAdmitted as error:
            raise AnswerUnusable(str(error)) from error

    def _labels(self, label: npt.NDArray[Any]) -> list[Any]:
        values: list[Any] = label.ravel().tolist()
        if self._label_field.kind == "string":
            return values if label.dtype == object else [str(value) for value in values]
        if not all(map(isfinite, values)):
            raise AnswerUnusable(f"{self._label} has values that are not finite")
        if self._label_field.kind == "number":
            return values
        return [LABELS[self._label_field.kind](value) for value in values]


class _ClassColumn(NamedTuple):
    """Where a field's probability stands, and the bounds of it."""

    name: str
    position: int
    low: float
    high: float
    admission: Admission

    @classmethod
    def of(cls, name: str, position: int, admission: Admission) -> _ClassColumn:
        """The column of a field whose contract may ask for less than a probability can be.

        Where it lists what it admits, bounds admit nothing.
        """
        low, high = (inf, -inf) if admission.lists else (max(0.0, admission.low), min(1.0, admission.high))
        return cls(name, position, low, high, admission)

    def listed(self, value: float) -> float:
        """A value that no bounds admit, if it is one of those that are listed. Raises `AnswerUnusable`."""
        if not self.admission.lists or not -ROUNDING <= value <= 1.0 + ROUNDING:
            raise self.unusable(value)
        try:
            (usable,) = self.admission.usable([min(max(value, 0.0), 1.0)])
        except NotAdmitted as error:
            raise AnswerUnusable(str(error)) from error
        return float(usable)

    def unusable(self, value: float) -> AnswerUnusable:
        """Why there is no answer with this value."""
        if -ROUNDING <= value <= 1.0 + ROUNDING:
            return AnswerUnusable(str(self.admission.refusal(value)))
        return AnswerUnusable(f"a probability is {value}")


def _probability(value: float, column: _ClassColumn) -> float:
    if column.low <= value <= column.high:
        return value
    if column.low - ROUNDING <= value <= column.high + ROUNDING:
        return min(max(value, column.low), column.high)
    return column.listed(value)


def _probability_column(values: npt.NDArray[np.floating[Any]], column: _ClassColumn) -> Column:
    probabilities = values.astype(np.float64)
    if column.admission.lists:
        return np.array([column.listed(value) for value in probabilities.tolist()], dtype=np.float64)
    # Comparisons with NaN are false.
    unusable = ~((probabilities >= column.low - ROUNDING) & (probabilities <= column.high + ROUNDING))
    if unusable.any():
        raise column.unusable(float(probabilities[unusable][0]))
    return np.clip(probabilities, column.low, column.high)


def _session(model: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    # One request is tens of microseconds of work: handing it to other threads costs more than it saves.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    # The arena would hold the memory of the largest batch for ever, and gains nothing on one row.
    options.enable_cpu_mem_arena = False
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except LOAD_FAILURES as error:
        raise Rejected(
            "malformed",
            f"The file model.onnx cannot be loaded: {error}",
            remedy="have the model exported again and published.",
        ) from error


def _disagreements(
    session: onnxruntime.InferenceSession, content: ReleaseContent, contract: ModelContract
) -> list[Problem]:
    return [
        *_input_disagreements({node.name: node for node in session.get_inputs()}, content.inputs, contract),
        *_output_disagreements({node.name: node for node in session.get_outputs()}, content, contract),
    ]


def _input_disagreements(
    nodes: Mapping[str, Any], tensors: Sequence[InputTensor], contract: ModelContract
) -> list[Problem]:
    problems = []
    for dtype, columns in (("float32", contract.numeric), ("string", contract.categorical)):
        stated = tuple(name for tensor in tensors if tensor.dtype == dtype for name in tensor.columns)
        if stated != columns:
            problems.append(Problem(f"inputs ({dtype})", f"has the columns {stated}; the contract has {columns}"))
    if {tensor.name for tensor in tensors} != set(nodes):
        stated_names = sorted(tensor.name for tensor in tensors)
        problems.append(Problem("inputs", f"are {stated_names}; the graph's are {sorted(nodes)}"))
        return problems
    for tensor in tensors:
        node = nodes[tensor.name]
        if node.type != ONNX_TYPES[tensor.dtype]:
            problems.append(Problem(tensor.name, f"is {node.type} in the graph, {tensor.dtype} in the manifest"))
        width = node.shape[1] if len(node.shape) == 2 else None
        if len(node.shape) != 2 or (isinstance(width, int) and width != len(tensor.columns)):
            problems.append(Problem(tensor.name, f"has the shape {node.shape}; (n, {len(tensor.columns)}) is expected"))
    return problems


def _output_disagreements(nodes: Mapping[str, Any], content: ReleaseContent, contract: ModelContract) -> list[Problem]:
    outputs = content.outputs
    problems = [
        Problem(name, f"is not among the graph's outputs {sorted(nodes)}")
        for name in (outputs.label, outputs.probabilities)
        if name and name not in nodes
    ]
    problems.extend(_label_disagreements(nodes.get(outputs.label), _label_field(contract)))
    probabilities = nodes.get(outputs.probabilities) if outputs.probabilities else None
    if probabilities and probabilities.type not in PROBABILITY_TYPES:
        problems.append(Problem(probabilities.name, f"is {probabilities.type}; tensor(float) is expected"))
    asked = [field.for_class for field in contract.outputs if field.for_class is not None]
    problems.extend(
        Problem("outputs", f"has no class {name!r}; its classes are {outputs.classes}")
        for name in asked
        if name not in outputs.classes
    )
    if asked and outputs.probabilities is None:
        problems.append(Problem("outputs", "has no probabilities, which the contract asks for"))
    return problems


def _label_field(contract: ModelContract) -> Field:
    """The one output field that is no class's probability; the contract profile sees to it that there is one."""
    return next(field for field in contract.outputs if field.for_class is None)


def _label_disagreements(node: Any, field: Field) -> list[Problem]:
    if node is None or (node.type.startswith("tensor(") and (field.kind == "string" or node.type != TEXT)):
        return []
    return [Problem(node.name, f"is {node.type}, from which {field.name} ({field.kind}) cannot be made")]
