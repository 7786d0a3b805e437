"""Tells one story on a stage of its own, and turns its end into an exit code."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from edustream_lab.company import Company
from edustream_lab.language import Language, Script
from edustream_lab.narrator import ClaimFailed, Narrator
from edustream_lab.places import Checkout
from edustream_lab.processes import ProgramFailed, stage

FRAME: Final = Script.read(Path(__file__).with_suffix(".yaml"))


def perform(
    script: Path, tell: Callable[[Company, Narrator], None], language: Language = Language.ENGLISH, quick: bool = False
) -> int:
    """Tell a story on a throwaway company.

    Args:
        script: a file below `scripts/` of the checkout whose repos play.
        tell: the story.
        language: of what is said before and after the story.
        quick: whether the data scientist trains quickly.

    Returns:
        0 when every claim held, 1 when one did not or a program misbehaved, 130 after Ctrl-C. Whatever was started
        is stopped, and the company's folder is gone.
    """
    narrator = Narrator(false_word=FRAME.said("false", language, {}))
    with tempfile.TemporaryDirectory(prefix="edustream-") as folder, stage(Path(folder) / "logs") as programs:
        try:
            tell(Company(Checkout.of(script), programs, Path(folder), quick), narrator)
        except (ClaimFailed, ProgramFailed) as error:
            sys.stderr.write(FRAME.said("failed", language, {"why": error}) + "\n")
            return 1
        except KeyboardInterrupt:
            sys.stderr.write(FRAME.said("interrupted", language, {}) + "\n")
            return 130
    narrator.heading(FRAME.said("closing", language, {"claims": narrator.claims}))
    return 0
