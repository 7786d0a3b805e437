from __future__ import annotations

from contextlib import suppress
from datetime import date, timedelta
from typing import Any

import numpy as np
import onnxruntime
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.preprocessing import OneHotEncoder

from edustream_contracts.errors import InvalidInput
from edustream_ml.features.converters import CONVERTERS, SHAPES
from edustream_ml.features.dates import PARTS, DateOutput, DateParts, check_dates
from edustream_ml.features.derived import DerivedFeatures
from edustream_ml.features.logarithms import Logarithms
from edustream_ml.features.target_encoding import CrossFittedTargetEncoder
from edustream_ml.onnx_export import OPSETS

EVERY_PART = [(0, part, date(2020, 1, 1).toordinal()) for part in PARTS]
LETTERS = np.array([list("aabbbccccd"), list("xyxyxyxyxx")], dtype=object).T


def in_onnx(transformer: Any, matrix: Any) -> Any:
    kind = StringTensorType if matrix.dtype == object else FloatTensorType
    model = convert_sklearn(
        transformer,
        initial_types=[("matrix", kind([None, matrix.shape[1]]))],
        target_opset=OPSETS,
        custom_shape_calculators=dict(SHAPES),
        custom_conversion_functions=dict(CONVERTERS),
    )
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"matrix": matrix})[0]


def agrees(transformer: Any, matrix: Any) -> bool:
    """Whether both give the very same bits."""
    expected = transformer.transform(matrix)
    found = in_onnx(transformer, matrix)
    return bool(found.dtype == expected.dtype == np.float32 and np.array_equal(found, expected, equal_nan=True))


@settings(max_examples=60, deadline=None)
@given(
    matrix=st.lists(st.lists(st.floats(0, 2.0**20, width=32), min_size=5, max_size=5), min_size=1, max_size=20),
    floor=st.sampled_from([0.5, 1.0, 3.0]),
)
def test_ratios_and_sums_are_the_same_bits(matrix: list[list[float]], floor: float) -> None:
    values = np.array(matrix, dtype=np.float32)
    derived = DerivedFeatures(ratios=((0, 1, floor), (2, 0, floor)), sums=((4, 3, 2, 1, 0), (1, 2)))
    assert agrees(derived.fit(values), values)


def test_a_count_adds_up_columns_of_zeros_and_ones() -> None:
    values = np.random.default_rng(0).integers(0, 2, (50, 9)).astype(np.float32)
    derived = DerivedFeatures(counts=(tuple(range(9)), (3, 5))).fit(values)
    assert derived.transform(values)[:, 9].tolist() == values.sum(axis=1).tolist()
    assert agrees(derived, values)


def test_the_days_of_the_calendar_are_the_standard_librarys() -> None:
    days = [date(1000, 1, 1) + timedelta(days=number) for number in range(0, 3_287_000, 97)]
    days += [date(year, month, day) for year in (1900, 2000, 2024, 2100) for month in (2, 3) for day in (1, 28)]
    days += [date(2024, 2, 29), date(9999, 12, 31), date(1999, 12, 31), date(2000, 1, 1)]
    matrix = np.array([[day.isoformat()] for day in days], dtype=object)
    expected = [[day.year, day.month, day.isoweekday(), day.toordinal() - EVERY_PART[0][2]] for day in days]
    transformer = DateParts(EVERY_PART).fit(matrix)
    assert transformer.transform(matrix).tolist() == expected
    assert agrees(transformer, matrix)


@pytest.mark.parametrize("text", ["", "yesterday", "2024-13-01", "2024-1-1", "2024-01-32", "0999-01-01", " 2024-01-01"])
def test_what_is_no_date_is_absent_and_ends_no_prediction(text: str) -> None:
    matrix = np.array([[text], ["2024-02-29"]], dtype=object)
    transformer = DateParts(EVERY_PART).fit(matrix)
    assert np.isnan(transformer.transform(matrix)[0]).all()
    assert agrees(transformer, matrix)


def test_a_day_is_read_where_the_calendar_has_it() -> None:
    texts = [
        f"{year}-{month:02d}-{day:02d}"
        for year in (1000, 1100, 1200, 1900, 1996, 2000, 2023, 2024, 2030, 2100, 9999)
        for month in range(14)
        for day in range(34)
    ]
    matrix = np.array(texts, dtype=object).reshape(-1, 1)
    transformer = DateParts(EVERY_PART).fit(matrix)
    assert (~np.isnan(transformer.transform(matrix)[:, 0])).tolist() == [is_day(text) for text in texts]
    assert agrees(transformer, matrix)


def is_day(text: str) -> bool:
    with suppress(ValueError):
        return bool(date.fromisoformat(text))
    return False


def test_texts_that_are_no_days_are_named_with_their_column_and_the_first_row() -> None:
    columns = pd.DataFrame(
        {
            "joined": pd.Categorical(["2024-02-29", None, "2023-02-29", "2024-01-01", "soon"]),
            "left": pd.Categorical([None, "2024-10-01", "2024-13-01", None, None]),
            "born": pd.Categorical([None, None, None, None, "1999-12-31"]),
            "died": pd.Categorical([None] * 5),
        }
    )
    assert check_dates(columns, columns.columns) == [
        "column joined: 2 of its texts read as no day and count as absent, the first in row 3: '2023-02-29'",
        "column left: 1 of its texts read as no day and count as absent, the first in row 3: '2024-13-01'",
    ]


def test_a_column_of_days_in_another_form_is_refused() -> None:
    columns = pd.DataFrame({"joined": pd.Categorical([None, "29.02.2024", "01.03.2024", "2024-03-01"])})
    with pytest.raises(InvalidInput) as refused:
        check_dates(columns, columns.columns)
    assert [str(problem) for problem in refused.value.problems] == [
        "column joined: 2 of 3 texts are no days, the first in row 2: '29.02.2024'"
    ]


def test_each_date_column_has_its_own_parts_and_first_day() -> None:
    matrix = np.array([["2024-05-01", "2024-05-03"], ["2023-01-01", ""]], dtype=object)
    outputs: list[DateOutput] = [(1, "days_since", date(2024, 5, 1).toordinal()), (0, "year", 0), (1, "weekday", 0)]
    transformer = DateParts(outputs).fit(matrix)
    assert transformer.transform(matrix)[0].tolist() == [2, 2024, 5]
    assert agrees(transformer, matrix)


@settings(max_examples=30, deadline=None)
@given(rows=st.lists(st.tuples(st.sampled_from("abcd?"), st.sampled_from(["x", "y", ""])), min_size=1, max_size=9))
@pytest.mark.parametrize("fewer_than", [1, 3, 5])
def test_rare_categories_share_a_column_and_unknown_texts_have_none(
    fewer_than: int, rows: list[tuple[str, str]]
) -> None:
    encoder = OneHotEncoder(
        categories=[list("dcbae"), list("xy")],
        min_frequency=fewer_than,
        handle_unknown="ignore",
        sparse_output=False,
        dtype=np.float32,
    ).fit(LETTERS)
    assert agrees(encoder, np.array(rows, dtype=object))


def test_a_category_seen_once_is_grouped_with_the_other_rare_ones() -> None:
    encoder = OneHotEncoder(min_frequency=3, handle_unknown="ignore", sparse_output=False, dtype=np.float32)
    encoder.fit(LETTERS[:, :1])
    once, twice, often = encoder.transform(np.array([["d"], ["a"], ["c"]], dtype=object)).tolist()
    assert once == twice == [0, 0, 1]
    assert often == [0, 1, 0]


@pytest.mark.parametrize(
    ("stratified", "target"),
    [
        (True, np.array(["No", "Yes"] * 30, dtype=object)),
        (True, np.array(["a", "b", "c"] * 20, dtype=object)),
        (False, np.linspace(0, 1, 60)),
    ],
)
def test_target_means_are_the_same_bits_for_known_unknown_and_absent_texts(stratified: bool, target: Any) -> None:
    texts = np.array([["a", "u"], ["b", "v"], ["b", ""], ["c", "u"]] * 15, dtype=object)
    encoder = CrossFittedTargetEncoder(stratified, seed=1).fit(texts, target)
    assert agrees(encoder, np.array([["a", "v"], ["c", ""], ["", "u"], ["?", "?"]], dtype=object))


def test_no_row_reaches_the_estimator_through_its_own_category() -> None:
    # Every row has a category of its own: the means of all rows give its label away, those of other folds do not.
    generator = np.random.default_rng(0)
    texts = np.array([[f"customer {number}"] for number in range(200)], dtype=object)
    labels = np.where(generator.random(200) > 0.5, "Yes", "No").astype(object)
    encoder = CrossFittedTargetEncoder(stratified=True, seed=1)
    crossed = encoder.fit_transform(texts, labels)[:, 0]
    positive = labels == "Yes"
    assert abs(crossed[positive].mean() - crossed[~positive].mean()) < 0.02
    given_away = CrossFittedTargetEncoder(stratified=True, seed=1).fit(texts, labels).transform(texts)[:, 0]
    assert (given_away[positive].min() > given_away[~positive].max()) or given_away[positive].std() == 0


def test_whole_numbers_are_no_classes() -> None:
    texts = np.array([["a"], ["b"]] * 30, dtype=object)
    prices = np.array([100.0, 300.0] * 30)
    encoded = CrossFittedTargetEncoder(stratified=False, seed=1).fit_transform(texts, prices)
    assert encoded[:2].round(1).tolist() == [[100.0], [300.0]]


def test_where_a_logarithm_is_learned_the_mean_is_that_of_logarithms() -> None:
    texts = np.array([["a"]] * 60, dtype=object)
    prices = np.array([100.0, 10_000.0] * 30)
    encoder = CrossFittedTargetEncoder(stratified=False, seed=1, scale="log")
    assert encoder.fit(texts, prices).transform(texts[:1])[0] == pytest.approx(np.log(1000.0))
    assert encoder.fit_transform(texts, prices) == pytest.approx(np.log(1000.0), abs=0.2)


def test_the_folds_of_the_target_encoding_follow_the_seed() -> None:
    generator = np.random.default_rng(0)
    texts = generator.choice(list("abcdef"), (300, 1)).astype(object)
    numbers = generator.random(300)
    first, again, other = (
        CrossFittedTargetEncoder(stratified=False, seed=seed).fit_transform(texts, numbers) for seed in (1, 1, 2)
    )
    assert (first == again).all()
    assert (first != other).any()


def test_a_logarithm_replaces_its_column_alone() -> None:
    matrix = np.array([[0.0, -5.0, 1e6], [np.float32(np.e) - 1, 2.0, 3.0]], dtype=np.float32)
    transformer = Logarithms((0, 2)).fit(matrix)
    expected = transformer.transform(matrix)
    assert expected[:, 1].tolist() == [-5.0, 2.0]
    assert expected[:, 0] == pytest.approx([0.0, 1.0])
    assert in_onnx(transformer, matrix) == pytest.approx(expected, rel=1e-6)
