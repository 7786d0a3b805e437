"""Numbers from days that are given as ISO 8601 texts: year, month, weekday, days since another day."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final, Literal

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin

from edustream_contracts.errors import InvalidInput, Problem
from edustream_ml.tensors import Float32, Strings

ISO_DATE: Final = "|".join(
    (
        "[1-9][0-9]{3}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])",
        "[1-9][0-9]{3}-(0[13-9]|1[0-2])-(29|30)",
        "[1-9][0-9]{3}-(0[13578]|1[02])-31",
        "([1-9][0-9](0[48]|[2468][048]|[13579][26])|([2468][048]|[13579][26])00)-02-29",
    )
)
"""What is read as a day: those of the years 1000 to 9999. Anything else, an empty text included, is an absent one."""

MOST: Final = 0.5

DatePart = Literal["year", "month", "weekday", "days_since"]
PARTS: Final[tuple[DatePart, ...]] = ("year", "month", "weekday", "days_since")
DateOutput = tuple[int, DatePart, int]


class DateParts(TransformerMixin, BaseEstimator):
    """Turns ISO dates into numbers, in float32 throughout, just as its ONNX counterpart does.

    The weekday is that of ISO 8601, 1 for Monday to 7 for Sunday. Days are counted in the proleptic Gregorian calendar
    as `datetime.date.toordinal` does.

    Args:
        outputs: (column, part, first day) for each number; the first day is an ordinal that `days_since` counts from.
    """

    def __init__(self, outputs: Sequence[DateOutput]) -> None:
        self.outputs = outputs

    def fit(self, X: Any, y: Any = None) -> DateParts:  # noqa: N803 - scikit-learn's own name
        """Learn the number of columns; nothing else depends on the data."""
        self.n_features_in_ = int(np.asarray(X).shape[1])
        return self

    def transform(self, X: Any) -> Float32:  # noqa: N803 - scikit-learn's own name
        """X str (n, k); float32 (n, outputs), NaN where the text is no date."""
        texts = np.asarray(X, dtype=object)
        parts = [_parts(texts[:, column]) for column in range(texts.shape[1])]
        columns = [
            parts[column][part] - np.float32(first if part == "days_since" else 0)
            for column, part, first in self.outputs
        ]
        return np.stack(columns, axis=1).astype(np.float32)


def check_dates(columns: pd.DataFrame, names: Iterable[str]) -> list[str]:
    """A sentence on each of the named columns of texts that holds some which are no days.

    Raises `InvalidInput` (kind `data`) where most of a column's texts are none: they are written in another form.
    """
    sentences, problems = [], []
    for name in names:
        texts = columns[name].astype(object)
        unread = [text for text in texts.dropna().unique() if not re.fullmatch(ISO_DATE, text)]
        rows = np.flatnonzero(texts.isin(unread))
        if not len(rows):
            continue
        first = f"the first in row {rows[0] + 1}: {texts.iat[rows[0]]!r}"
        present = int(texts.notna().sum())
        if len(rows) > MOST * present:
            problems.append(Problem(f"column {name}", f"{len(rows)} of {present} texts are no days, {first}"))
        else:
            sentences.append(f"column {name}: {len(rows)} of its texts read as no day and count as absent, {first}")
    if problems:
        raise InvalidInput(
            "data",
            "The data set has columns under features.dates in which most texts are no days.",
            remedy="write days as 2024-02-29, or take the column out of features.dates and of the contract.",
            problems=problems,
        )
    return sentences


def _parts(texts: Strings) -> dict[DatePart, Float32]:
    codes, distinct = pd.factorize(texts)
    year, month, day = np.array([_read(text) for text in distinct], dtype=np.float32).reshape(-1, 3).T
    days = ordinal(year, month, day)
    numbers = (year, month, np.fmod(days + np.float32(6), np.float32(7)) + np.float32(1), days)
    return {part: values[codes] for part, values in zip(PARTS, numbers, strict=True)}


def ordinal(year: Float32, month: Float32, day: Float32) -> Float32:
    """Days since 31 December of the year 0, float32 (n,): day 1 is 1 January of the year 1.

    The year begins in March here, so that a leap day is its last one; every quotient is a whole number or at least
    1/400 from one, so float32 floors are exact for the years 1000 to 9999.
    """
    twelve = np.float32(12)
    before_march = np.floor((np.float32(14) - month) / twelve)
    shifted = year - before_march
    months = month + twelve * before_march - np.float32(3)
    leap_days = np.floor(shifted / np.float32(4)) - np.floor(shifted / np.float32(100))
    leap_days = leap_days + np.floor(shifted / np.float32(400))
    of_months = np.floor((np.float32(153) * months + np.float32(2)) / np.float32(5))
    return np.asarray(np.float32(365) * shifted + leap_days + of_months + day - np.float32(306), dtype=np.float32)


def _read(text: str) -> tuple[float, float, float]:
    if not re.fullmatch(ISO_DATE, text):
        return (np.nan, np.nan, np.nan)
    year, month, day = text.split("-")
    return (float(year), float(month), float(day))
