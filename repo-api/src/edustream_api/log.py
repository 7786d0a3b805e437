"""Structured logs: one JSON object a line on stderr, one line an event."""

from __future__ import annotations

import logging
import sys
from typing import Any, Final, TextIO

from pythonjsonlogger.orjson import OrjsonFormatter

from edustream_api import request_context
from edustream_api.events import Event, Listener, Refused, StateChanged, Swapped

LOG: Final = logging.getLogger("edustream_api")


class Identified(logging.Filter):
    """Adds the request under way, and its trace, to every record; one handler needs it once."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record through."""
        if context := request_context.current():
            record.request_id = context.request_id
            if context.trace:
                record.trace_id = context.trace.trace_id
        return True


def configure(stream: TextIO = sys.stderr) -> None:
    """Send every record of this process to `stream` as one JSON object: timestamp, level, logger, event, details.

    Whatever a request causes names the request, and its trace.
    """
    handler = logging.StreamHandler(stream)
    handler.addFilter(Identified())
    handler.setFormatter(
        OrjsonFormatter(
            "{levelname}{name}{message}",
            style="{",
            rename_fields={"levelname": "level", "name": "logger", "message": "event"},
            timestamp=True,
            # uvicorn repeats each message with terminal colours.
            reserved_attrs=[*logging.makeLogRecord({}).__dict__, "message", "asctime", "color_message"],
        )
    )
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)


def listener(model: str) -> Listener:
    """Whom the keeper of `model` tells what it does, so that it is logged; a poll that changed nothing is no event."""

    def listen(event: Event) -> None:
        level, message, details = _told(event)
        LOG.log(level, message, extra={"model": model, **details})

    return listen


def _told(event: Event) -> tuple[int, str, dict[str, Any]]:
    if isinstance(event, Swapped):
        return (
            logging.INFO,
            "release_swapped",
            {
                "version": event.after.version,
                "manifest_digest": event.after.release.manifest_digest,
                "version_before": event.before.version if event.before else None,
            },
        )
    if isinstance(event, Refused):
        error = event.refusal.error
        return (
            logging.ERROR,
            "release_refused",
            {
                "kind": error.kind,
                "fact": error.fact,
                "problems": [str(problem) for problem in error.problems],
                "next": error.remedy,
            },
        )
    if isinstance(event, StateChanged):
        fact = event.after.error.fact if event.after.error else None
        level = logging.INFO if event.after.state.serves else logging.ERROR
        return level, "state_changed", {"before": event.before.value, "after": event.after.state.value, "fact": fact}
    return logging.DEBUG, "registry_polled", {"result": event.result.value}
