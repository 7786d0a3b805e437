"""The true probability that a student cancels within the next month, as a function of the columns alone."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

DECIMALS: Final = 6
"""To which the probability is rounded, so that it is the same on every processor."""

GOAL_EFFECTS: Final = {"Career change": -0.2, "Certificate": 0.0, "Exam": 0.1, "Hobby": 0.3}
PLAN_EFFECTS: Final = {"Basic": 0.0, "Plus": -0.2, "Pro": -0.5}
REGION_EFFECTS: Final = {"Africa": 0.1, "Americas": 0.0, "Asia-Pacific": 0.05, "Europe": -0.1}
AGE_EFFECTS: Final = {"18 to 24": 0.2, "25 to 34": 0.0, "35 to 49": -0.1, "50 and over": -0.2}

Probabilities = npt.NDArray[np.float64]


class Relation(StrEnum):
    """How columns and cancellations hang together: as documented, or as after a change of the world."""

    USUAL = "usual"
    CHANGED = "changed"


def cancellation_probability(students: pd.DataFrame, relation: Relation = Relation.USUAL) -> Probabilities:
    """The probability of each student, float64 (n,), rounded to six decimals.

    The columns are those that `population.draw` makes. Log-odds are, in this order: a constant; goal, plan, region and
    age group by the tables above; +1.1 with monthly billing; -0.3 with reminders; a bonus for newcomers that falls by
    the factor e in 6 months; +0.025 for each USD above 15 a month; -0.8 for each unit of ln(1 + hours), and +0.5 for
    each unit that it fell by since the month before; +0.04 for each day since the last visit, of up to 40; -0.02 for
    each percent of the quiz score above 70, +0.2 without any; +0.3 for each support ticket; +0.9 once a payment failed;
    and +0.8 for who prepares for an exam and has been there for more than six months, which is when exams are over.

    Where the relation is changed, annual billing protects as little as monthly, and hours protect half as much.
    """
    hours, before = np.log1p(_numbers(students, "hours_last_month")), np.log1p(_numbers(students, "hours_month_before"))
    months, score = _numbers(students, "months_subscribed"), _numbers(students, "quiz_score")
    monthly = _is(students, "billing", "Monthly")
    usual = relation is Relation.USUAL
    log_odds = (
        -1.7
        + _effect(students, "goal", GOAL_EFFECTS)
        + _effect(students, "plan", PLAN_EFFECTS)
        + _effect(students, "region", REGION_EFFECTS)
        + _effect(students, "age_group", AGE_EFFECTS)
        + 1.1 * (monthly if usual else np.ones_like(monthly))
        - 0.3 * _numbers(students, "reminders")
        + 1.2 * np.exp(-months / 6)
        + 0.025 * (_numbers(students, "monthly_price") - 15)
        - (0.8 if usual else 0.4) * hours
        + 0.5 * np.maximum(before - hours, 0)
        + 0.04 * np.minimum(_numbers(students, "days_since_visit"), 40)
        + np.where(np.isnan(score), 0.2, -0.02 * (score - 70))
        + 0.3 * _numbers(students, "support_tickets")
        + 0.9 * (_numbers(students, "payment_failures") > 0)
        + 0.8 * _is(students, "goal", "Exam") * (months > 6)
    )
    return np.asarray(np.round(1 / (1 + np.exp(-log_odds)), DECIMALS))


def _numbers(students: pd.DataFrame, name: str) -> Probabilities:
    return np.asarray(students[name], dtype=np.float64)


def _is(students: pd.DataFrame, name: str, text: str) -> Probabilities:
    return np.asarray(students[name] == text, dtype=np.float64)


def _effect(students: pd.DataFrame, name: str, effects: dict[str, float]) -> Probabilities:
    return np.asarray(students[name].map(effects), dtype=np.float64)
