"""The verdict over columns is the row validator's verdict on every row."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from edustream_contracts.contract import Field, ModelContract, contract_from, load_contract
from edustream_contracts.errors import InvalidInput, Problem
from edustream_contracts.value_set import admitted
from edustream_ml.columns import Mask, column, numbers, value
from edustream_ml.csv_table import text_rows
from edustream_ml.dataset import Rows
from edustream_ml.row_validation import SHOWN, RowReport, row_problems, validate_rows, wrong_cells

CHURN = load_contract("churn")
LIMITS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
NUMBERS = (
    *(-1, -0.5, 0, 0.5, 1, 1.0, 1.5, 2, 3, -0.0, 5e-324, 1e300, 1.7976931348623157e308, 0.1, 2.0**53, 2.0**53 + 2),
    *(3.4028234663852886e38, 3.402823466385289e38, -3.5e38, 1e15, 123456789012345680),
)
WORDS = ("a", "b", "aa", "ab", "B", "abc", "é", "😀", "a\n", "true", "False", "TRUE", "null", "NaN", "inf", "-inf")
SPELLINGS = (
    *("0", "-0", "1.0", "1e3", "1.5", "01", "+1", ".5", "5.", "0x1", "1e999", "-1e999", "1_0", " 1", "1 ", "1\n"),
    *(
        "1,5",
        "+-1",
        "--1",
        "1e",
        ".",
        "+",
        "-",
        "e5",
        "1e+2",
        "9007199254740993",
        "123456789012345678",
        "9" * 18,
        "9" * 30,
    ),
    *("1e-400", "\N{ARABIC-INDIC DIGIT ONE}", "3.4028234663852886e38", "3.4028235677973366e38", "2024-01-31"),
)
PATIENT: dict[str, Any] = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.filter_too_much],
}
drawn_numbers = st.sampled_from(NUMBERS) | st.integers(-4, 4) | st.floats(allow_nan=False, allow_infinity=False)
KEYWORDS: Mapping[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(LIMITS, drawn_numbers),
    **dict.fromkeys(("minLength", "maxLength"), st.integers(0, 4)),
    "pattern": st.sampled_from(("^[a-z]+$", "^[a-z]{2}$", "b", r"^\d{4}-\d\d-\d\d$")),
}
RELEVANT = {"number": LIMITS, "integer": LIMITS, "string": ("minLength", "maxLength", "pattern"), "boolean": ()}
VALUES = {
    "number": drawn_numbers,
    "integer": st.sampled_from([number for number in NUMBERS if number == int(number)]) | st.integers(-4, 4),
    "string": st.sampled_from(WORDS),
    "boolean": st.booleans(),
}


@st.composite
def fields(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(sorted(RELEVANT)))
    spec: dict[str, Any] = {"type": [kind, "null"] if draw(st.booleans()) else kind, "description": "drawn"}
    for keyword in draw(st.lists(st.sampled_from(RELEVANT[kind]), max_size=2, unique=True)) if RELEVANT[kind] else ():
        spec[keyword] = draw(KEYWORDS[keyword])
    if draw(st.booleans()):
        nulls = st.none() if isinstance(spec["type"], list) else st.nothing()
        values = draw(st.lists(VALUES[kind] | nulls, min_size=1, max_size=4, unique=True))
        spec |= draw(st.sampled_from([{"enum": values}, {"const": values[0]}]))
    return spec


@st.composite
def contracts(draw: st.DrawFn) -> ModelContract:
    properties = draw(st.dictionaries(st.sampled_from("abc"), fields(), min_size=1, max_size=3))
    required = [name for name in properties if draw(st.booleans())]
    example = {}
    for name in required:
        sample = next(admitted(properties[name]).samples(WORDS), assume)
        assume(sample is not assume)
        example[name] = sample
    side = {**CHURN.document["input"], "properties": properties, "required": required, "examples": [example]}
    try:
        return contract_from({**CHURN.document, "input": side})
    except InvalidInput:
        assume(False)
        raise


@st.composite
def tables(draw: st.DrawFn, contract: ModelContract) -> pa.Table:
    """Texts near what the contract admits; some columns may be missing, some are no fields, some texts come often."""
    rows = draw(st.integers(1, 30))
    columns = {}
    for name, spec in contract.document["input"]["properties"].items():
        if draw(st.integers(0, 5)) == 0:
            continue
        near = [*spec.get("enum", ()), spec.get("const"), *(spec[keyword] for keyword in LIMITS if keyword in spec)]
        texts = st.sampled_from([_text(given) for given in near] + ["0"])
        cells = texts | st.sampled_from([*SPELLINGS, *WORDS]) | st.floats().map(repr) | st.none()
        columns[name] = draw(st.lists(cells, min_size=rows, max_size=rows))
    note = draw(st.lists(st.sampled_from(["", "x", "x\ny\n"]), min_size=rows, max_size=rows))
    return pa.table({name: pa.array(cells, pa.string()) for name, cells in {**columns, "note": note}.items()})


def _text(given: Any) -> str | None:
    return given if isinstance(given, str | None) else json.dumps(given)


def verdict_by_rows(table: pa.Table, contract: ModelContract) -> dict[str, list[bool]]:
    """What the row validator says of every row, one after the other: for each column, which of its cells are wrong."""
    fields = [field for field in contract.inputs if field.name in table.column_names]
    wrong: dict[str, list[bool]] = {field.name: [] for field in fields}
    for cells in table.to_pylist():
        at_fault = {problem.pointer[1:] for problem in row_problems(_row(cells, contract), contract)}
        for field in fields:
            wrong[field.name].append(field.name in at_fault)
    return wrong


def report_by_rows(table: pa.Table, contract: ModelContract) -> tuple[Counter[str], int, list[Problem]]:
    """Counts by column, rows at fault, and all problems, from the row validator alone."""
    counts: Counter[str] = Counter()
    at_fault, found = 0, []
    for number, (line, cells) in enumerate(text_rows(table, range(table.num_rows)), start=1):
        problems = row_problems(_row(cells, contract), contract)
        problems = [problem for problem in problems if problem.pointer[1:] in table.column_names]
        counts.update(problem.pointer[1:] for problem in problems)
        at_fault += bool(problems)
        where = f"row {number} (line {line}), "
        found += [Problem(where + problem.pointer[1:], problem.message) for problem in problems]
    return counts, at_fault, found


def _row(cells: Mapping[str, str | None], contract: ModelContract) -> dict[str, Any]:
    return {field.name: value(cells[field.name], field) for field in contract.inputs if field.name in cells}


def verdict_by_columns(table: pa.Table, contract: ModelContract) -> dict[str, list[bool]]:
    def wrong(name: str) -> Mask:
        return wrong_cells(table[name], next(field for field in contract.inputs if field.name == name), contract)

    return {field.name: wrong(field.name).tolist() for field in contract.inputs if field.name in table.column_names}


@given(data=st.data())
@settings(max_examples=80, **PATIENT)
def test_the_verdict_over_columns_is_the_validator_s_on_every_row(data: st.DataObject) -> None:
    contract = data.draw(contracts())
    table = data.draw(tables(contract))
    assert verdict_by_columns(table, contract) == verdict_by_rows(table, contract)


@given(data=st.data())
@settings(max_examples=50, **PATIENT)
def test_the_report_counts_and_words_what_the_validator_says_row_by_row(data: st.DataObject) -> None:
    contract = data.draw(contracts())
    table = data.draw(tables(contract))
    counts, rows, problems = report_by_rows(table, contract)
    report = validate_rows(table, contract, partial(text_rows, table))
    assert list(report.counts.items()) == counts.most_common()
    assert report.rows == rows
    assert [violation.as_problem() for violation in report.first] == problems[:SHOWN]


@pytest.mark.prove
@given(data=st.data())
@settings(max_examples=10_000, **PATIENT)
def test_the_verdict_is_the_validator_s_on_very_many_rows(data: st.DataObject) -> None:
    test_the_verdict_over_columns_is_the_validator_s_on_every_row.hypothesis.inner_test(data)  # type: ignore[attr-defined]


@given(st.lists(st.sampled_from(SPELLINGS) | st.floats().map(repr) | st.integers().map(str) | st.text(max_size=4)))
@settings(max_examples=80, **PATIENT)
def test_a_column_of_numbers_is_read_as_its_cells_are_one_by_one(cells: list[str]) -> None:
    charge = next(field for field in CHURN.inputs if field.kind == "number")
    read = [value(cell or None, charge) for cell in cells]
    found = numbers(pa.chunked_array([[cell or None for cell in cells]], pa.string()))
    assert found.null.tolist() == [number is None for number in read]
    assert found.text.tolist() == [isinstance(number, str) for number in read]
    kept = [float(number) for number in read if isinstance(number, int | float)]
    np.testing.assert_array_equal(found.values[~(found.null | found.text)], np.array(kept, dtype=np.float64))


@given(data=st.data())
@settings(max_examples=30, **PATIENT)
def test_valid_columns_give_back_the_rows_that_were_judged(data: st.DataObject) -> None:
    contract = data.draw(contracts())
    table = data.draw(tables(contract))
    present = [field for field in contract.inputs if field.name in table.column_names]
    assume(present)
    right = np.ones(table.num_rows, dtype=np.bool_)
    for field in present:
        right &= ~wrong_cells(table[field.name], field, contract)
    table = table.filter(pa.array(right))
    rows = Rows(_frame(table, present), present)
    assert list(rows) == [_row(cells, contract) for cells in table.to_pylist()]


def _frame(table: pa.Table, fields: Sequence[Field]) -> pd.DataFrame:
    return pd.DataFrame({field.name: column(table[field.name], field) for field in fields})


def report_of(table: dict[str, list[str]]) -> RowReport:
    texts = pa.table({name: pa.array(cells, pa.string()) for name, cells in table.items()})
    return validate_rows(texts, CHURN, partial(text_rows, texts))


def test_among_columns_with_equally_many_violations_the_first_at_fault_comes_first() -> None:
    report = report_of({"female": ["1", "2", "0"], "tenure": ["-1", "0", "1"]})
    assert dict(report.counts) == {"tenure": 1, "female": 1}
    assert list(report.counts) == ["tenure", "female"]
    assert report.summary == "Violations of the contract: 2, in 2 rows."


@pytest.mark.parametrize("cell", ["Ko\u0308ln", "K\u00f6ln\u00a0", "\ufeffK\u00f6ln"])
def test_a_text_that_looks_like_a_category_is_written_out(cell: str) -> None:
    document = json.loads(json.dumps(CHURN.document))
    document["input"]["properties"]["contract"]["enum"] = ["K\u00f6ln", "Bonn"]
    for example in document["input"]["examples"]:
        example["contract"] = "Bonn"
    (problem,) = row_problems({**CHURN.example(), "contract": cell}, contract_from(document))
    assert problem.message.endswith(f'; it looks like "K\u00f6ln" and is written {json.dumps(cell)}')
    (other,) = row_problems({**CHURN.example(), "contract": "Koln"}, contract_from(document))
    assert "looks like" not in other.message


def test_what_is_right_has_nothing_to_report() -> None:
    report = report_of({"female": ["1"], "tenure": ["0"]})
    assert (report.counts, report.rows, report.first, report.problems) == ({}, 0, (), [])
