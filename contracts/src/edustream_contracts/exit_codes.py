"""The one table from errors to process exit codes, shared by every command of every package."""

from __future__ import annotations

from typing import Final

from edustream_contracts.errors import (
    Conflict,
    EduStreamError,
    GateRefused,
    Incompatible,
    InvalidInput,
    NothingToServe,
    OutcomeUnknown,
    Rejected,
    Unreachable,
)

DONE: Final = 0
USAGE: Final = 2
INTERRUPTED: Final = 130

EXIT_CODES: Final[dict[type[EduStreamError], int]] = {
    InvalidInput: USAGE,
    NothingToServe: 3,
    Rejected: 4,
    Incompatible: 5,
    Unreachable: 6,
    OutcomeUnknown: 6,
    Conflict: 7,
    GateRefused: 8,
}


def exit_code(error: EduStreamError) -> int:
    """The exit code of a process that ends with `error`."""
    return EXIT_CODES[type(error)]
