"""Durations as people write them: 90s, 30m, 36h, 7d."""

from __future__ import annotations

import re
from typing import Final

from edustream_contracts.errors import InvalidInput

_UNITS_S: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION: Final = re.compile(r"(?P<count>[0-9]{1,9})(?P<unit>[smhd])")


def duration_s(text: str) -> float:
    """The seconds in a duration such as `7d`. Raises `InvalidInput` (kind `argument`) for anything else."""
    match = _DURATION.fullmatch(text)
    if not match:
        raise InvalidInput(
            "argument", f"{text!r} is no duration.", remedy="write a whole number and a unit: 90s, 30m, 36h or 7d."
        )
    return float(int(match["count"]) * _UNITS_S[match["unit"]])


def in_words(seconds: float) -> str:
    """A duration for people, in its largest whole unit, e.g. `7 d`."""
    unit, length = next(((unit, length) for unit, length in reversed(_UNITS_S.items()) if seconds >= length), ("s", 1))
    return f"{seconds / length:.0f} {unit}"
