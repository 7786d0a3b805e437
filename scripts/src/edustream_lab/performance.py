"""Tells one story on a stage of its own, and turns its end into an exit code."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from edustream_lab.company import Company
from edustream_lab.narrator import ClaimFailed, Narrator
from edustream_lab.places import Checkout
from edustream_lab.processes import ProgramFailed, stage


def perform(script: Path, tell: Callable[[Company, Narrator], None]) -> int:
    """Tell a story on a throwaway company.

    Args:
        script: a file below `scripts/` of the checkout whose repos play.
        tell: the story.

    Returns:
        0 when every claim held, 1 when one did not or a program misbehaved, 130 after Ctrl-C. Whatever was started
        is stopped, and the company's folder is gone.
    """
    narrator = Narrator()
    with tempfile.TemporaryDirectory(prefix="edustream-") as folder, stage(Path(folder) / "logs") as programs:
        try:
            tell(Company(Checkout.of(script), programs, Path(folder)), narrator)
        except (ClaimFailed, ProgramFailed) as error:
            sys.stderr.write(f"Failed: {error}\n")
            return 1
        except KeyboardInterrupt:
            sys.stderr.write("Interrupted; stopping everything.\n")
            return 130
    narrator.say(f"\n{narrator.claims} claims, each one checked. Everything that was started is stopped.")
    return 0
