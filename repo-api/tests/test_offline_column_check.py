"""The verdict over columns is that of `/predict` over rows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pyarrow as pa
import pytest
from consumers import ConsumerBench
from edustream_contracts.contract import ModelContract, contract_from, load_contract
from edustream_contracts.errors import InvalidInput
from edustream_contracts.tensor_range import unbounded
from edustream_contracts.value_set import Listed, admitted
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from edustream_api.loading import ServedModel
from edustream_api.offline.column_check import FEW, ColumnCheck
from edustream_api.offline.column_tensors import tensors
from edustream_api.offline.csv_text import CsvText
from edustream_api.offline.rejected_rows import reasons, row_of

CHURN = load_contract("churn").document
PATTERNS = ("^[a-z]+$", "^[a-z]{2}$", "b", "^(a|bb)*$", "^.$", r"^\d+$")
TEXTS = ("", "a", "b", "aa", "ab", "B", "abc", "é", "😀", "😀😀", "a\n", "0", "12", "true", "null", "NaN")
NUMBERS = (
    *(-1, -0.5, 0, 0.5, 1, 1.0, 1.5, 2, 3, -0.0, 5e-324, 1e300, 1.7976931348623157e308, 0.1, 3.4028234663852886e38),
    *(
        3.402823466385289e38,
        3.5e38,
        -3.5e38,
        2.0**53,
        2**53 + 1,
        -(2**53) - 1,
        2**63 - 1,
        -(2**63),
        math.nextafter(1, 2),
    ),
)
numbers = st.sampled_from(NUMBERS) | st.integers(-4, 4) | st.floats(allow_nan=False, allow_infinity=False)
LIMITS: Mapping[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), numbers),
    **dict.fromkeys(("minLength", "maxLength"), st.integers(0, 4)),
    "pattern": st.sampled_from(PATTERNS),
}
KINDS = ("number", "integer", "string", "boolean")
RELEVANT = {"number": list(LIMITS)[:4], "integer": list(LIMITS)[:4], "string": list(LIMITS)[4:], "boolean": []}
VALUES = {
    "number": numbers,
    "integer": st.sampled_from([value for value in NUMBERS if value == int(value)]) | st.integers(-4, 4),
    "string": st.sampled_from(TEXTS) | st.text(st.characters(exclude_categories=["Cs"]), max_size=3),
    "boolean": st.booleans(),
}
# A machine under load draws slowly, and a validator is compiled for each contract.
PATIENT: dict[str, Any] = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.filter_too_much],
}
ENDS = (math.nan, math.inf, -math.inf)
# Cells of every Arrow type that is read, with null among them.
COLUMNS: Mapping[pa.DataType, st.SearchStrategy[Any]] = {
    pa.int64(): st.integers(-(2**63), 2**63 - 1) | st.sampled_from([2**53, 2**53 + 1, 2**63 - 1]) | st.integers(-4, 4),
    pa.uint64(): st.integers(0, 2**64 - 1) | st.integers(0, 4),
    pa.int8(): st.integers(-128, 127),
    pa.uint16(): st.integers(0, 3),
    pa.float64(): numbers.map(float) | st.sampled_from(ENDS),
    pa.float32(): st.sampled_from([0.0, 0.5, 1.0, 2.0, -1.0, *ENDS]) | st.floats(width=32),
    pa.bool_(): st.booleans(),
    pa.string(): VALUES["string"],
    pa.large_string(): VALUES["string"],
    pa.dictionary(pa.int32(), pa.string()): VALUES["string"],
    pa.dictionary(pa.int8(), pa.large_string()): st.sampled_from(TEXTS),
    pa.dictionary(pa.int16(), pa.int64()): st.integers(-4, 4),
    pa.null(): st.none(),
}
FITTING = {
    "number": [pa.float64(), pa.float32(), pa.int64(), pa.uint64()],
    "integer": [pa.int64(), pa.float64(), pa.int8(), pa.uint64()],
    "string": [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())],
    "boolean": [pa.bool_()],
}


@st.composite
def fields(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(KINDS))
    spec: dict[str, Any] = {"type": [kind, "null"] if draw(st.booleans()) else kind, "description": "drawn"}
    for keyword in draw(st.lists(st.sampled_from(RELEVANT[kind]), max_size=2, unique=True)) if RELEVANT[kind] else ():
        spec[keyword] = draw(LIMITS[keyword])
    if draw(st.booleans()):
        nulls = st.none() if isinstance(spec["type"], list) else st.nothing()
        values = draw(
            st.lists(
                VALUES[kind] | nulls, min_size=1, max_size=10, unique_by=lambda value: (value, type(value) is bool)
            )
        )
        spec |= draw(st.sampled_from([{"enum": values}, {"const": values[0]}]))
    return spec


@st.composite
def contracts(draw: st.DrawFn) -> ModelContract:
    properties = draw(st.dictionaries(st.sampled_from("abc"), fields(), min_size=1, max_size=3))
    required = [name for name in properties if draw(st.booleans())]
    example = {}
    for name in required:
        values = admitted(properties[name])
        assume(isinstance(values.body, Listed) or not values.body.is_empty)
        sample = next(values.samples(TEXTS), assume)
        assume(sample is not assume)
        example[name] = sample
    document = CHURN
    side = {**document["input"], "properties": properties, "required": required, "examples": [example]}
    try:
        return contract_from({**document, "input": side})
    except InvalidInput:
        assume(False)
        raise


@st.composite
def batches(draw: st.DrawFn, contract: ModelContract) -> pa.RecordBatch:
    """Rows near what the contract admits, in columns of its own types or of others; some columns may be missing."""
    size = draw(st.integers(1, 6))
    columns = {}
    for field in contract.inputs:
        if field.name not in contract.document["input"]["required"] and draw(st.integers(0, 4)) == 0:
            continue
        kind = draw(st.sampled_from(FITTING[field.kind]) | st.sampled_from(list(COLUMNS)))
        plain = kind.value_type if pa.types.is_dictionary(kind) else kind
        spec = contract.document["input"]["properties"][field.name]
        near = [*spec.get("enum", ()), spec.get("const"), *(spec[limit] for limit in LIMITS if limit in spec)]
        near = [value for value in near if _holds(plain, value)]
        cells = COLUMNS[kind] | st.none() | (st.sampled_from(near) if near else st.nothing())
        values = draw(st.lists(cells, min_size=size, max_size=size))
        column = pa.array(values, plain)
        columns[field.name] = column.dictionary_encode().cast(kind) if pa.types.is_dictionary(kind) else column
    whole = pa.RecordBatch.from_pydict(columns) if columns else None
    assume(whole is not None)
    assert whole is not None
    return whole.slice(draw(st.integers(0, size - 1)))


def _holds(kind: pa.DataType, value: Any) -> bool:
    try:
        return bool(pa.array([value], kind).to_pylist() == [value]) and not isinstance(value, bool)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError, TypeError):
        return False


@pytest.fixture(scope="module")
def churn(tmp_path_factory: pytest.TempPathFactory, contract: ModelContract) -> ServedModel:
    bench = ConsumerBench(tmp_path_factory.mktemp("columns"), contract)
    bench.release("1.0.0")
    serving = bench.keeper().start().serving
    assert serving is not None
    return serving


def keeping(contract: ModelContract, model: ServedModel) -> ServedModel:
    return replace(model, contract=contract, unbounded=unbounded(contract))


@given(data=st.data())
@settings(max_examples=100, **PATIENT)
def test_the_verdict_is_that_of_predict_for_every_row(churn: ServedModel, data: st.DataObject) -> None:
    model = keeping(data.draw(contracts()), churn)
    batch = data.draw(batches(model.contract))
    rows = [row_of(cells, model) for cells in batch.to_pylist()]
    assert ColumnCheck(model.contract).accepted(batch).tolist() == [not reasons(row, model) for row in rows]


@pytest.mark.prove
@given(data=st.data())
@settings(max_examples=10_000, **PATIENT)
def test_the_verdict_is_that_of_predict_for_very_many_rows(churn: ServedModel, data: st.DataObject) -> None:
    test_the_verdict_is_that_of_predict_for_every_row.hypothesis.inner_test(churn, data)  # type: ignore[attr-defined]


def test_what_is_accepted_the_row_validator_accepts(churn: ServedModel) -> None:
    rows = [{**churn.contract.example(), "tenure": tenure} for tenure in (0, 120, 121, -1, None, 1.0, 1.5)]
    batch = pa.RecordBatch.from_pylist(rows)
    verdict = ColumnCheck(churn.contract).accepted(batch).tolist()
    assert verdict == [churn.accepts(row) for row in rows] == [True, True, False, False, False, True, False]


@pytest.mark.parametrize("length", [FEW, FEW + 1])
def test_numbers_are_looked_for_in_lists_of_any_length(churn: ServedModel, length: int) -> None:
    listed = [0.5, *range(1, length)]
    side = {**CHURN["input"], "properties": {"a": {"type": "number", "description": "listed", "enum": listed}}}
    side |= {"required": ["a"], "examples": [{"a": 1}]}
    model = keeping(contract_from({**CHURN, "input": side}), churn)
    for column in (pa.array([0, 1, length - 1, length, 300]), pa.array([0.5, 1.0, 1.5, length - 1.0, float(length)])):
        batch = pa.RecordBatch.from_pydict({"a": column})
        verdict = ColumnCheck(model.contract).accepted(batch).tolist()
        assert verdict == [not reasons(row, model) for row in batch.to_pylist()]
        assert sum(verdict) == {pa.int64(): 2, pa.float64(): 3}[column.type]


CELLS = st.sampled_from(["", "1", "0", "-0", "1.0", "1e3", "1.5", "01", "+1", ".5", "5.", "0x1", "1e999", "NaN", "inf"])


@given(data=st.data())
@settings(max_examples=40, **PATIENT)
def test_a_csv_row_is_judged_as_the_row_that_it_says(churn: ServedModel, data: st.DataObject) -> None:
    model = keeping(data.draw(contracts()), churn)
    names = [field.name for field in model.contract.inputs]
    cell = (
        CELLS | st.sampled_from(["true", "False", "x", " 1", "1\n", "\N{ARABIC-INDIC DIGIT ONE}", *TEXTS]) | st.none()
    )
    lines = data.draw(st.lists(st.fixed_dictionaries(dict.fromkeys(names, cell)), min_size=1, max_size=5))
    batch = pa.RecordBatch.from_pylist(lines, pa.schema([(name, pa.string()) for name in names]))
    text = CsvText(model.contract)
    typed, readable = text.typed(batch)
    rows = [row_of(text.cells(line), model) for line in lines]
    verdict = ColumnCheck(model.contract).accepted(typed) & readable
    assert verdict.tolist() == [not reasons(row, model) for row in rows]


def test_the_tensors_are_those_of_the_rows(contract: ModelContract) -> None:
    example = contract.example()
    rows = [
        example,
        {**example, "total_charges": None},
        {**example, "monthly_charges": 0.1, "internet_service": "Fiber optic"},
    ]
    expected = np.array([[row[name] for name in contract.numeric] for row in rows], dtype=np.float32)
    for dictionary in (False, True):
        batch = pa.RecordBatch.from_pylist(rows)
        if dictionary:
            coded = [column.dictionary_encode() for column in batch.columns]
            batch = pa.RecordBatch.from_arrays(coded, names=batch.schema.names)
        numeric, categorical = tensors(batch, contract)
        np.testing.assert_array_equal(numeric, expected)
        assert numeric.dtype == np.float32
        assert categorical.astype(np.str_).tolist() == [[row[name] for name in contract.categorical] for row in rows]


def received(texts: npt.NDArray[Any]) -> list[str]:
    """What onnxruntime makes of a tensor of texts."""
    kind = onnx.TensorProto.STRING
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Identity", ["given"], ["received"])],
        "identity",
        [onnx.helper.make_tensor_value_info("given", kind, [None])],
        [onnx.helper.make_tensor_value_info("received", kind, [None])],
    )
    opsets = [onnx.helper.make_opsetid("", 18)]
    model = onnx.helper.make_model(graph, ir_version=10, opset_imports=opsets).SerializeToString()
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return list(session.run(None, {"given": texts})[0])


@pytest.mark.parametrize(("longest", "kind"), [("x" * 63, "S64"), ("é" * 31, "S63"), ("x" * 64, "O"), ("a\0b", "O")])
def test_a_text_reaches_the_model_as_it_does_from_a_row(contract: ModelContract, longest: str, kind: str) -> None:
    # The longest one is last, so that nothing but its own end ends it.
    cells = ["", "No", "😀 Fiber optic", None, longest]
    _, categorical = tensors(pa.RecordBatch.from_pydict({"contract": cells}), contract)
    assert categorical.dtype == np.dtype(kind)
    column = categorical[:, contract.categorical.index("contract")]
    row_by_row = received(np.array([text or "" for text in cells], dtype=np.object_))
    assert received(np.ascontiguousarray(column)) == row_by_row
    assert row_by_row[-1].startswith(longest[:1])


def test_absent_columns_are_nan_and_empty_texts(contract: ModelContract) -> None:
    batch = pa.RecordBatch.from_arrays([pa.nulls(1), pa.array([None], pa.string())], ["tenure", "contract"])
    numeric, categorical = tensors(batch, contract)
    assert np.isnan(numeric).all()
    assert set(categorical.ravel().tolist()) == {b""}


def test_integers_reach_the_tensor_as_a_rows_numbers_do(contract: ModelContract) -> None:
    large = 2**60 + 2**36 + 1
    numeric, _ = tensors(pa.RecordBatch.from_pydict({"tenure": [large]}), contract)
    assert numeric[0, contract.numeric.index("tenure")] == np.array([[large]], dtype=np.float32)[0, 0]


def test_bytes_that_are_no_utf8_are_named(churn: ServedModel) -> None:
    broken = pa.array([b"\xff\xfe"], pa.binary()).view(pa.string())
    with pytest.raises(InvalidInput, match="no UTF-8"):
        ColumnCheck(churn.contract).accepted(pa.RecordBatch.from_arrays([broken], ["contract"]))


@pytest.mark.parametrize("kind", ["number", "integer"])
@pytest.mark.parametrize("keyword", ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "enum", "const"])
def test_integers_that_no_text_of_a_double_says_are_judged_alike(kind: str, keyword: str) -> None:
    whole = 59780083686628992
    # The shortest text of the double that is this integer says 59780083686628990.
    limit = float(whole)
    field = {"type": kind, "description": "drawn", keyword: [limit] if keyword == "enum" else limit}
    side = {**CHURN["input"], "properties": {"a": field}, "required": [], "examples": [{}]}
    contract = contract_from({**CHURN, "input": side})
    values = [whole - 8, whole - 2, whole - 1, whole, whole + 8]
    accepted = ColumnCheck(contract).accepted(pa.RecordBatch.from_pydict({"a": pa.array(values, pa.int64())}))
    assert accepted.tolist() == [contract.input_validator.is_valid({"a": value}) for value in values]
