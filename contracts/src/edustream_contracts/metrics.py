"""Which way a metric is good, so that all sides read thresholds alike (PROTOCOL.md, section 5)."""

from __future__ import annotations

_SMALL_IS_GOOD = ("_error", "_loss", "brier_score")


def is_error(name: str) -> bool:
    """Whether a small value of the metric is the good one."""
    return name.endswith(_SMALL_IS_GOOD)


def reaches(name: str, value: float, limit: float) -> bool:
    """Whether a metric's value keeps its threshold; the threshold itself does. Not a number keeps none."""
    return value <= limit if is_error(name) else value >= limit


def relation(name: str) -> str:
    """The sign between a metric and its threshold, for people."""
    return "at most" if is_error(name) else "at least"
