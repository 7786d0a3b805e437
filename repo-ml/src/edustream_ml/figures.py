"""How figures are written for people: measured ones with the digits that their size asks for, chosen ones exactly."""

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
    return f"{value:z,.{decimals}f}"


def exact(value: float | None) -> str:
    """A figure that somebody chose, as text: with every digit that it has."""
    return ABSENT if value is None else f"{value:,}".removesuffix(".0")
