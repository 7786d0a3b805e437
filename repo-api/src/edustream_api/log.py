"""Structured logs: one JSON object a line on stderr, one line an event."""

from __future__ import annotations

import logging
import sys
from typing import Final, TextIO

from pythonjsonlogger.orjson import OrjsonFormatter

from edustream_api.events import Event, Polled, Refused, StateChanged, Swapped

LOG: Final = logging.getLogger("edustream_api")


def configure(stream: TextIO = sys.stderr) -> None:
    """Send every record of this process to `stream` as one JSON object: timestamp, level, logger, event, details."""
    handler = logging.StreamHandler(stream)
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


def listen(event: Event) -> None:
    """Log what the keeper did; a poll that changed nothing is no event."""
    if isinstance(event, Swapped):
        LOG.info(
            "release_swapped",
            extra={
                "model": event.after.name,
                "version": event.after.version,
                "manifest_digest": event.after.release.manifest_digest,
                "version_before": event.before.version if event.before else None,
            },
        )
    elif isinstance(event, Refused):
        error = event.refusal.error
        LOG.error(
            "release_refused",
            extra={
                "kind": error.kind,
                "fact": error.fact,
                "problems": [str(problem) for problem in error.problems],
                "next": error.remedy,
            },
        )
    elif isinstance(event, StateChanged):
        error_fact = event.after.error.fact if event.after.error else None
        level = logging.INFO if event.after.state.serves else logging.ERROR
        LOG.log(
            level,
            "state_changed",
            extra={"before": event.before.value, "after": event.after.state.value, "fact": error_fact},
        )
    elif isinstance(event, Polled):
        LOG.debug("registry_polled", extra={"result": event.result.value})
