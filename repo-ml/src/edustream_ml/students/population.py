"""Draws the columns of students, a chunk at a time: the same seed and chunk give the same students."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

Shares = Mapping[str, float]
Numbers = npt.NDArray[np.float64]

AGE_GROUPS: Final[Shares] = {"18 to 24": 0.34, "25 to 34": 0.36, "35 to 49": 0.21, "50 and over": 0.09}
REGIONS: Final[Shares] = {"Africa": 0.14, "Americas": 0.34, "Asia-Pacific": 0.27, "Europe": 0.25}
GOALS: Final[Shares] = {"Career change": 0.22, "Certificate": 0.34, "Exam": 0.18, "Hobby": 0.26}
DEVICES: Final[Shares] = {"Desktop": 0.46, "Mobile": 0.42, "Tablet": 0.12}
PLANS: Final[Shares] = {"Basic": 0.5, "Plus": 0.35, "Pro": 0.15}
BILLINGS: Final[Shares] = {"Annual": 0.38, "Monthly": 0.62}
DISCOUNTS: Final[Mapping[int, float]] = {0: 0.7, 10: 0.15, 25: 0.1, 50: 0.05}
LIST_PRICES: Final = {"Basic": 9.99, "Plus": 19.99, "Pro": 39.99}
"""USD a month."""
ANNUAL_PRICE: Final = 0.8
"""What of the list price is paid with annual billing."""

MAX_MONTHS: Final = 72
MAX_HOURS: Final = 200.0
MAX_LESSONS: Final = 400
MAX_DAYS: Final = 180
MAX_TICKETS: Final = 12
MAX_FAILURES: Final = 6


def draw(rng: np.random.Generator, rows: int, *, engagement: float = 0.0, prices: float = 1.0) -> pd.DataFrame:
    """The columns of `rows` students.

    Args:
        rng: where the random numbers come from.
        rows: how many students.
        engagement: the mean of the hidden trait, in its standard deviations.
        prices: what all prices are multiplied by.
    """
    engaged = rng.standard_normal(rows) + engagement
    able = rng.standard_normal(rows)
    table = pd.DataFrame(
        {
            "age_group": _choice(rng, AGE_GROUPS, rows),
            "region": _choice(rng, REGIONS, rows),
            "goal": _choice(rng, GOALS, rows),
            "device": _choice(rng, DEVICES, rows),
            "plan": _choice(rng, PLANS, rows),
            "billing": _choice(rng, BILLINGS, rows),
            "reminders": rng.random(rows) < 0.6,
            "months_subscribed": np.minimum(rng.gamma(1.2, 9.0, rows), MAX_MONTHS).astype(np.int64),
        }
    )
    discount = rng.choice(list(DISCOUNTS), rows, p=list(DISCOUNTS.values()))
    billed = np.where(table["billing"] == "Annual", ANNUAL_PRICE, 1.0) * (1 - discount / 100) * prices
    table["monthly_price"] = np.round(table["plan"].map(LIST_PRICES).to_numpy(dtype=np.float64) * billed, 2)
    table["hours_last_month"] = last = _hours(rng, engaged)
    table["hours_month_before"] = _hours(rng, engaged)
    table["days_since_visit"] = _days(rng, engaged, last)
    table["lessons_last_month"] = lessons = np.minimum(rng.poisson(1.1 * last), MAX_LESSONS)
    table["quiz_score"] = _quiz_score(rng, engaged, able, lessons)
    table["support_tickets"] = np.minimum(rng.poisson(0.35, rows), MAX_TICKETS)
    table["payment_failures"] = np.minimum(rng.poisson(0.12, rows), MAX_FAILURES)
    return table


def _choice(rng: np.random.Generator, shares: Shares, rows: int) -> pd.Categorical:
    codes = np.searchsorted(np.cumsum(list(shares.values()))[:-1], rng.random(rows), side="right")
    return pd.Categorical.from_codes(codes, categories=pd.Index(list(shares), dtype=object))


def _hours(rng: np.random.Generator, engaged: Numbers) -> Numbers:
    """Hours of study in a month: log-normal around the engagement, or none at all."""
    hours = np.exp(1.7 + 0.8 * engaged + 0.6 * rng.standard_normal(len(engaged)))
    absent = rng.random(len(engaged)) < 1 / (1 + np.exp(2.6 + 1.2 * engaged))
    return np.asarray(np.round(np.where(absent, 0.0, np.minimum(hours, MAX_HOURS)), 1), dtype=np.float64)


def _days(rng: np.random.Generator, engaged: Numbers, hours: Numbers) -> npt.NDArray[np.int64]:
    """Whole days since the last visit; more than a month where nothing was studied in it."""
    recent = np.minimum(rng.exponential(2.0 + 4.0 * np.exp(-0.6 * engaged)), 29)
    long_ago = np.minimum(30 + rng.exponential(20.0, len(engaged)), MAX_DAYS)
    return np.where(hours > 0, recent, long_ago).astype(np.int64)


def _quiz_score(rng: np.random.Generator, engaged: Numbers, able: Numbers, lessons: npt.NDArray[np.int64]) -> Numbers:
    """Mean score in percent; NaN for who took no quiz, which is the likelier the fewer lessons there were."""
    score = np.clip(68 + 9 * able + 3 * engaged + 10 * rng.standard_normal(len(able)), 0, 100)
    taken = rng.random(len(able)) < 1 - np.exp(-0.25 * lessons)
    return np.where(taken, np.round(score, 1), np.nan)
