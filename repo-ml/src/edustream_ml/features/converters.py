"""The ONNX counterparts of the transformers: the same numbers from the same float32 operations.

Each pair of functions is what skl2onnx calls for a transformer: one says the shape of its output, one adds its nodes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from onnx import TensorProto
from skl2onnx.common.data_types import FloatTensorType
from sklearn.preprocessing import OneHotEncoder

from edustream_ml.features.dates import ISO_DATE, PARTS, DateParts
from edustream_ml.features.derived import DerivedFeatures
from edustream_ml.features.logarithms import Logarithms
from edustream_ml.features.target_encoding import CrossFittedTargetEncoder
from edustream_ml.onnx_graph import GraphWriter

NO_DATE: Final = "nan-nan-nan"


def _width(operator: Any, columns: int) -> None:
    operator.outputs[0].type = FloatTensorType([operator.inputs[0].get_first_dimension(), columns])


def _derived_shape(operator: Any) -> None:
    transformer: DerivedFeatures = operator.raw_operator
    derived = (transformer.ratios, transformer.counts, transformer.sums)
    _width(operator, transformer.n_features_in_ + sum(map(len, derived)))


def _derived_nodes(scope: Any, operator: Any, container: Any) -> None:
    transformer: DerivedFeatures = operator.raw_operator
    graph = GraphWriter(scope, container)
    matrix = operator.inputs[0].full_name
    parts = [matrix]
    for top, bottom, floor in transformer.ratios:
        numerator = graph.columns(matrix, [top])
        denominator = graph.node("Max", [graph.columns(matrix, [bottom]), graph.constant(TensorProto.FLOAT, [floor])])
        parts.append(graph.node("Div", [numerator, denominator]))
    for members in transformer.counts:
        axes = graph.constant(TensorProto.INT64, [1])
        parts.append(graph.node("ReduceSum", [graph.columns(matrix, members), axes], keepdims=1))
    for members in transformer.sums:
        total = graph.columns(matrix, [members[0]])
        for member in members[1:]:
            total = graph.node("Add", [total, graph.columns(matrix, [member])])
        parts.append(total)
    graph.into("Concat", parts, [operator.outputs[0].full_name], axis=1)


def _one_hot_shape(operator: Any) -> None:
    _width(operator, sum(len(_expected(*pair)) for pair in _grouped(operator.raw_operator)))


def _one_hot_nodes(scope: Any, operator: Any, container: Any) -> None:
    """Every text is looked up once, in the categories of all columns, and compared with those of its own.

    The converter's own graph has two nodes a column, which would take a third of the time of a prediction, and knows
    no groups.
    """
    graph = GraphWriter(scope, container)
    texts = operator.inputs[0].full_name
    columns = _grouped(operator.raw_operator)
    if any(rare for _, rare in columns):
        codes = [_codes(categories, rare) for categories, rare in columns]
        encoded = graph.table(texts, TensorProto.INT64, codes, [-1] * len(codes))
        numbers = [_expected(categories, rare) for categories, rare in columns]
    else:
        known = sorted({text for categories, _ in columns for text in categories})
        places = {text: number for number, text in enumerate(known)}
        encoded = graph.lookup(texts, places)
        numbers = [[places[text] for text in categories] for categories, _ in columns]
    repeated = graph.columns(encoded, [index for index, expected in enumerate(numbers) for _ in expected])
    expected = graph.constant(TensorProto.INT64, [number for column in numbers for number in column])
    equal = graph.node("Equal", [repeated, expected])
    graph.into("Cast", [equal], [operator.outputs[0].full_name], to=TensorProto.FLOAT)


def _grouped(encoder: OneHotEncoder) -> list[tuple[list[str], frozenset[str]]]:
    """The categories of each column, and which of them share the column of the rare ones."""
    categories = [list(map(str, column)) for column in encoder.categories_]
    # Without a minimum frequency, scikit-learn has no such attribute.
    found = encoder.infrequent_categories_ if encoder.min_frequency is not None else [None] * len(categories)
    rare = [frozenset(map(str, column)) if column is not None else frozenset() for column in found]
    return list(zip(categories, rare, strict=True))


def _codes(categories: list[str], rare: frozenset[str]) -> dict[str, int]:
    """The output column of each category, counted within those of its input column; the rare ones share the last."""
    frequent = [text for text in categories if text not in rare]
    return {**{text: number for number, text in enumerate(frequent)}, **dict.fromkeys(sorted(rare), len(frequent))}


def _expected(categories: list[str], rare: frozenset[str]) -> list[int]:
    return sorted(set(_codes(categories, rare).values()))


def _target_shape(operator: Any) -> None:
    _width(operator, len(operator.raw_operator.encoder_.encodings_))


def _target_nodes(scope: Any, operator: Any, container: Any) -> None:
    encoder = operator.raw_operator.encoder_
    graph = GraphWriter(scope, container)
    means = np.atleast_1d(encoder.target_mean_)
    # Of several classes, each input column has one output column a class; else it has one.
    classes = len(means)
    columns = [
        dict(zip(map(str, encoder.categories_[number // classes]), map(float, encodings), strict=True))
        for number, encodings in enumerate(encoder.encodings_)
    ]
    texts = operator.inputs[0].full_name
    if classes > 1:
        texts = graph.columns(texts, [number // classes for number in range(len(columns))])
    defaults = [float(means[number % classes]) for number in range(len(columns))]
    encoded = graph.table(texts, TensorProto.FLOAT, columns, defaults)
    graph.into("Identity", [encoded], [operator.outputs[0].full_name])


def _date_shape(operator: Any) -> None:
    _width(operator, len(operator.raw_operator.outputs))


def _date_nodes(scope: Any, operator: Any, container: Any) -> None:
    """See `DateParts`: any text that is no date becomes NaN, so that no text ends a prediction with an error."""
    transformer: DateParts = operator.raw_operator
    graph = GraphWriter(scope, container)
    texts = operator.inputs[0].full_name

    def number(value: float) -> str:
        return graph.constant(TensorProto.FLOAT, [value])

    def floor(numerator: str, denominator: float) -> str:
        return graph.node("Floor", [graph.node("Div", [numerator, number(denominator)])])

    is_date = graph.node("RegexFullMatch", [texts], pattern=ISO_DATE)
    dates = graph.node("Where", [is_date, texts, graph.constant(TensorProto.STRING, [NO_DATE])])
    split, _ = graph.nodes("StringSplit", [dates], 2, delimiter="-")
    numbers = graph.node("Cast", [split], to=TensorProto.FLOAT)
    year, month, day = (
        graph.node("Gather", [numbers, graph.constant(TensorProto.INT64, [place])], axis=2) for place in range(3)
    )
    before_march = floor(graph.node("Sub", [number(14), month]), 12)
    shifted = graph.node("Sub", [year, before_march])
    since_march = graph.node("Add", [month, graph.node("Mul", [number(12), before_march])])
    months = graph.node("Sub", [since_march, number(3)])
    leap_days = graph.node("Sub", [floor(shifted, 4), floor(shifted, 100)])
    leap_days = graph.node("Add", [leap_days, floor(shifted, 400)])
    of_months = floor(graph.node("Add", [graph.node("Mul", [number(153), months]), number(2)]), 5)
    days = graph.node("Mul", [number(365), shifted])
    for term in (leap_days, of_months, day, number(-306)):
        days = graph.node("Add", [days, term])
    weekday = graph.node("Mod", [graph.node("Add", [days, number(6)]), number(7)], fmod=1)
    weekday = graph.node("Add", [weekday, number(1)])
    stacked = graph.node("Concat", [year, month, weekday, days], axis=2)
    shape = graph.constant(TensorProto.INT64, [-1, len(PARTS) * transformer.n_features_in_])
    wanted = [len(PARTS) * column + PARTS.index(part) for column, part, _ in transformer.outputs]
    first = [float(day if part == "days_since" else 0) for _, part, day in transformer.outputs]
    chosen = graph.columns(graph.node("Reshape", [stacked, shape]), wanted)
    graph.into("Sub", [chosen, graph.constant(TensorProto.FLOAT, first)], [operator.outputs[0].full_name])


def _logarithm_shape(operator: Any) -> None:
    _width(operator, operator.raw_operator.n_features_in_)


def _logarithm_nodes(scope: Any, operator: Any, container: Any) -> None:
    transformer: Logarithms = operator.raw_operator
    graph = GraphWriter(scope, container)
    matrix = operator.inputs[0].full_name
    chosen = [number in transformer.columns for number in range(transformer.n_features_in_)]
    logarithm = graph.node("Log", [graph.node("Add", [matrix, graph.constant(TensorProto.FLOAT, [1.0])])])
    mask = graph.constant(TensorProto.BOOL, chosen)
    graph.into("Where", [mask, logarithm, matrix], [operator.outputs[0].full_name])


SHAPES: Final[Mapping[type, Callable[[Any], None]]] = {
    CrossFittedTargetEncoder: _target_shape,
    DateParts: _date_shape,
    DerivedFeatures: _derived_shape,
    Logarithms: _logarithm_shape,
    OneHotEncoder: _one_hot_shape,
}
CONVERTERS: Final[Mapping[type, Callable[[Any, Any, Any], None]]] = {
    CrossFittedTargetEncoder: _target_nodes,
    DateParts: _date_nodes,
    DerivedFeatures: _derived_nodes,
    Logarithms: _logarithm_nodes,
    OneHotEncoder: _one_hot_nodes,
}
