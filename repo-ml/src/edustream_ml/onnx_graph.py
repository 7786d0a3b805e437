"""Writes nodes and constants into an ONNX graph that skl2onnx is building."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from onnx import TensorProto


class GraphWriter:
    """Adds nodes and constants to the graph that a converter is given, under names of their own.

    `scope` and `container` are those that skl2onnx hands to every converter.
    """

    def __init__(self, scope: Any, container: Any) -> None:
        self._scope = scope
        self._container = container

    def constant(self, kind: int, values: Sequence[Any]) -> str:
        """A constant vector; `kind` is a type of `TensorProto`."""
        name = str(self._scope.get_unique_variable_name("constant"))
        self._container.add_initializer(name, kind, [len(values)], list(values))
        return name

    def node(self, operation: str, inputs: Sequence[str], domain: str = "", **attributes: Any) -> str:
        """The first output of a new node."""
        return self.nodes(operation, inputs, 1, domain, **attributes)[0]

    def nodes(
        self, operation: str, inputs: Sequence[str], outputs: int, domain: str = "", **attributes: Any
    ) -> list[str]:
        """All outputs of a new node."""
        names = [str(self._scope.get_unique_variable_name(operation.lower())) for _ in range(outputs)]
        self.into(operation, inputs, names, domain, **attributes)
        return names

    def into(
        self, operation: str, inputs: Sequence[str], outputs: Sequence[str], domain: str = "", **attributes: Any
    ) -> None:
        """A new node whose outputs have names already: those that the converter must fill."""
        self._container.add_node(
            operation,
            list(inputs),
            list(outputs),
            op_domain=domain,
            name=self._scope.get_unique_operator_name(operation),
            **attributes,
        )

    def columns(self, matrix: str, numbers: Sequence[int]) -> str:
        """The columns of a matrix (n, k) with these numbers, in this order."""
        return self.node("Gather", [matrix, self.constant(TensorProto.INT64, numbers)], axis=1)

    def lookup(self, texts: str, numbers: Mapping[str, int], default: int = -1) -> str:
        """The number (int64) of each text; `default` for one that has none."""
        return self.node(
            "LabelEncoder",
            [texts],
            "ai.onnx.ml",
            op_version=2,
            keys_strings=list(numbers),
            values_int64s=list(numbers.values()),
            default_int64=default,
        )

    def table(self, texts: str, kind: int, columns: Sequence[Mapping[str, Any]], defaults: Sequence[Any]) -> str:
        """What each text (n, k) stands for in its column: a matrix (n, k) of `kind`; the column's default for others.

        All columns are looked up in one node, however many there are: that is what a prediction of one row costs.
        """
        known = sorted({text for column in columns for text in column})
        numbers = {text: number for number, text in enumerate(known)}
        width = len(known) + 1
        flat = [
            value
            for column, default in zip(columns, defaults, strict=True)
            for value in (*(column.get(text, default) for text in known), default)
        ]
        offsets = self.constant(TensorProto.INT64, [number * width for number in range(len(columns))])
        places = self.node("Add", [self.lookup(texts, numbers, default=len(known)), offsets])
        return self.node("Gather", [self.constant(kind, flat), places], axis=0)
