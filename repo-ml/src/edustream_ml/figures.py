"""How a figure is written for people: with as many digits as its size deserves, and always the same ones."""

from __future__ import annotations

from typing import Final

ABSENT: Final = "\N{EN DASH}"


def shown(value: float | str | None) -> str:
    """A figure as text: four decimals, two from 10 on, none from 1,000 on; whole numbers and texts as they are."""
    if value is None:
        return ABSENT
    if isinstance(value, str | bool):
        return str(value)
    if isinstance(value, int):
        return f"{value:,}"
    size = abs(value)
    decimals = 0 if size >= 1000 else 2 if size >= 10 else 4
    return f"{value:,.{decimals}f}"
