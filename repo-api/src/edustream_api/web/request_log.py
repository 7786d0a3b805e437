"""One line a request: what was asked of which route, how it ended, and how long it took; never what was in it."""

from __future__ import annotations

import logging
import traceback
from pathlib import Path
from typing import Any, Final

from edustream_api import request_context

LOG: Final = logging.getLogger("edustream_api.requests")
FAILED: Final = 400
BROKEN: Final = 500


class RequestLog:
    """Writes a line for each request that failed; for all of them where `every` is set."""

    def __init__(self, *, every: bool) -> None:
        # Compared with a status, so that a request that needs no line costs one comparison.
        self.least_status = 0 if every else FAILED

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Write the line of the request under way; call it for a status of `least_status` or more."""
        level = logging.ERROR if status >= BROKEN else logging.WARNING if status >= FAILED else logging.INFO
        context = request_context.current()
        details: dict[str, Any] = {
            "method": method,
            "route": route,
            "status": status,
            "duration_s": round(seconds, 6),
            "model_version": context.model_version if context else None,
        }
        if context and (trace := context.trace):
            details |= {"span_id": trace.span_id, "parent_id": trace.parent_id, "tracestate": trace.tracestate}
        LOG.log(level, "request", extra=details)


def unread(kind: str, status: int) -> None:
    """Write that a request was refused before its head was complete."""
    LOG.warning("request_unread", extra={"kind": kind, "status": status})


def unforeseen(error: Exception) -> None:
    """Write where a defect showed itself. Its message is left out: it may quote what a client sent."""
    frames = traceback.extract_tb(error.__traceback__)
    where = [f"{Path(frame.filename).name}:{frame.lineno} in {frame.name}" for frame in frames]
    LOG.error("request_broke", extra={"error": type(error).__qualname__, "where": where})
