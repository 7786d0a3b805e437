"""W3C Trace Context, level 1: what a caller's `traceparent` and `tracestate` say, read strictly."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from itertools import count
from typing import Final

VERSION: Final = "00"
SAMPLED: Final = 1
"""The one flag that level 1 defines; whoever writes the others must write zeros."""
MAX_MEMBERS: Final = 32
MAX_TRACESTATE: Final = 512
"""The characters that every participant should keep (level 1, section 3.3.1.5); of longer states none are kept."""

TRACEPARENT: Final = re.compile(
    r"(?!ff)(?P<version>[0-9a-f]{2})-(?!0{32})(?P<trace>[0-9a-f]{32})-(?!0{16})(?P<parent>[0-9a-f]{16})"
    r"-(?P<flags>[0-9a-f]{2})(?P<more>-.*)?",
    re.ASCII | re.DOTALL,
)
MEMBER: Final = re.compile(
    r"[ \t]*(?P<key>[a-z][a-z0-9_*/-]{0,255}|[a-z0-9][a-z0-9_*/-]{0,240}@[a-z][a-z0-9_*/-]{0,13})"
    r"=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e][ \t]*",
)

# Unique within the trace, and never zero: four random bytes for the process, a count from one for its requests.
_PROCESS: Final = os.urandom(4).hex()
_COUNT: Final = count(1)


@dataclass(frozen=True, slots=True)
class TraceContext:
    """Of which trace a request is part: 32, 16 and 16 hexadecimal digits, flags of two, and what vendors added.

    `span_id` is this server's own part of the trace, `parent_id` the part that asked for it.
    """

    trace_id: str
    parent_id: str
    span_id: str
    flags: str
    tracestate: str

    @property
    def traceresponse(self) -> str:
        """The value of the answer's `traceresponse` (W3C Trace Context HTTP Response Headers, draft)."""
        return f"{VERSION}-{self.trace_id}-{self.span_id}-{self.flags}"


def read(traceparent: str, tracestate: str = "") -> TraceContext | None:
    """The trace that the two headers name, with a new span; None where `traceparent` is not valid.

    A `tracestate` that is not valid is dropped, and leaves the trace as it is. Several `tracestate` headers are given
    as one, joined by commas.
    """
    found = TRACEPARENT.fullmatch(traceparent)
    # Later versions may append fields; version 00 has none.
    if found is None or (found["version"] == VERSION and found["more"] is not None):
        return None
    span_id = f"{_PROCESS}{next(_COUNT) & 0xFFFFFFFF:08x}"
    flags = f"{int(found['flags'], 16) & SAMPLED:02x}"
    return TraceContext(found["trace"], found["parent"], span_id, flags, _kept(tracestate))


def _kept(tracestate: str) -> str:
    if len(tracestate) > MAX_TRACESTATE:
        return ""
    members = [member for member in tracestate.split(",") if member.strip(" \t")]
    keys = [found["key"] for member in members if (found := MEMBER.fullmatch(member))]
    valid = len(keys) == len(members) == len(set(keys)) and len(members) <= MAX_MEMBERS
    return ",".join(member.strip(" \t") for member in members) if valid else ""
