"""How many requests a caller may make in how long: `100/minute`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

UNITS_S: Final = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
MAX_REQUESTS: Final = 1_000_000_000
EXPECTED: Final = f"<requests>/<{'|'.join(UNITS_S)}>, e.g. 100/minute"

FORM: Final = re.compile(rf"([1-9][0-9]{{0,9}})/({'|'.join(UNITS_S)})")


@dataclass(frozen=True, slots=True)
class Quota:
    """At most `requests` in any `window_s` seconds."""

    requests: int
    window_s: int

    @staticmethod
    def parse(text: str) -> Quota:
        """Read `100/minute`. Raises `ValueError` for another form, for none and for more than a billion requests."""
        found = FORM.fullmatch(text)
        if found is None or int(found[1]) > MAX_REQUESTS:
            raise ValueError(text)
        return Quota(int(found[1]), UNITS_S[found[2]])

    def __str__(self) -> str:
        unit = next(name for name, seconds in UNITS_S.items() if seconds == self.window_s)
        return f"{self.requests}/{unit}"
