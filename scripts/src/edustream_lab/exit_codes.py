"""The exit codes of the repos' commands, as every README names them; the lab imports none of those repos."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """How a command ends, by the kind of its error."""

    DONE = 0
    INVALID_INPUT = 2
    NOTHING_TO_SERVE = 3
    REJECTED = 4
    INCOMPATIBLE = 5
    UNREACHABLE = 6
    CONFLICT = 7
    GATE_REFUSED = 8
