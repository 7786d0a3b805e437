from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.metrics import f1_score, r2_score, roc_auc_score

from edustream_ml.gates.figures import macro_f1, mean, r2, roc_auc

# Few different scores, so that there are ties.
ROWS = st.lists(st.tuples(st.booleans(), st.integers(0, 4), st.integers(0, 3)), min_size=2, max_size=40)
NUMBERS = st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9), st.integers(0, 3)), min_size=2, max_size=40)


@given(ROWS)
def test_the_area_under_the_curve_is_that_of_a_table_that_repeats_the_rows(rows: list[tuple[bool, int, int]]) -> None:
    truth, score, counts = (np.array(column) for column in zip(*rows, strict=True))
    repeated = np.repeat(truth, counts)
    assume(0 < repeated.sum() < len(repeated))
    expected = roc_auc_score(repeated, np.repeat(score, counts))
    assert roc_auc(truth, score.astype(np.float64))(counts) == pytest.approx(expected)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc"), st.integers(0, 3)), min_size=1, max_size=40))
def test_macro_f1_is_that_of_a_table_that_repeats_the_rows(rows: list[tuple[str, str, int]]) -> None:
    truth, predicted, counts = (np.array(column) for column in zip(*rows, strict=True))
    assume(counts.sum())
    expected = f1_score(np.repeat(truth, counts), np.repeat(predicted, counts), average="macro", zero_division=0.0)
    assert macro_f1(truth, predicted)(counts) == pytest.approx(expected)


@given(NUMBERS)
def test_r2_is_that_of_a_table_that_repeats_the_rows(rows: list[tuple[int, int, int]]) -> None:
    truth, predicted, counts = (np.array(column) for column in zip(*rows, strict=True))
    repeated = np.repeat(truth, counts)
    assume(len(set(repeated.tolist())) > 1)
    expected = r2_score(repeated, np.repeat(predicted, counts))
    assert r2(truth.astype(float), predicted.astype(float))(counts) == pytest.approx(expected)


def test_a_mean_weighs_each_row_by_its_count() -> None:
    assert mean(np.array([1.0, 4.0]))(np.array([2, 1])) == 2.0


def test_what_is_undefined_is_not_a_number() -> None:
    nobody, one = np.array([0, 0]), np.array([1, 0])
    positive, numbers = np.array([True, False]), np.array([1.0, 2.0])
    assert math.isnan(roc_auc(positive, numbers)(one))
    assert math.isnan(macro_f1(np.array(["a", "b"]), np.array(["a", "a"]))(nobody))
    assert math.isnan(r2(numbers, numbers)(one))
    assert math.isnan(r2(numbers, numbers)(nobody))
    assert math.isnan(mean(numbers)(nobody))
