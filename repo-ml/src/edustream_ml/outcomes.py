"""How a command of this package ends: its error as a message that says what to do next, and as an exit code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from rich.console import Console

from edustream_contracts.errors import EduStreamError
from edustream_contracts.exit_codes import DONE, exit_code

INTERRUPTED: Final = 130


def ended(execute: Callable[[], None], errors: Console, standing: Callable[[], str]) -> int:
    """Run a command; returns its exit code.

    Args:
        execute: the command.
        errors: the console of standard error.
        standing: says what has been published so far, if it is interrupted.
    """
    try:
        execute()
    except EduStreamError as error:
        errors.print(f"error: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        return exit_code(error)
    except KeyboardInterrupt:
        errors.print(f"Interrupted. {standing()}", markup=False, highlight=False, soft_wrap=True)
        return INTERRUPTED
    return DONE
