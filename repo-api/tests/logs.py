"""What the consumer logs, read back."""

from __future__ import annotations

import io
import json
from typing import Any


class LogStream(io.StringIO):
    """A log that is kept in memory."""

    def lines(self, event: str | None = None) -> list[dict[str, Any]]:
        """Every line, or those of one event."""
        lines = [json.loads(line) for line in self.getvalue().splitlines()]
        return [line for line in lines if event in (None, line["event"])]
