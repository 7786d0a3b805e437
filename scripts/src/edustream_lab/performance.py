"""Tells one story on a stage of its own, and turns its end into an exit code."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

import httpx
from botocore.exceptions import BotoCoreError, ClientError

from edustream_lab.company import Company
from edustream_lab.language import Language, Script
from edustream_lab.narrator import ClaimFailed, Narrator
from edustream_lab.places import Checkout
from edustream_lab.processes import ProgramFailed, stage

FRAME: Final = Script.read(Path(__file__).with_suffix(".yaml"))
# What the world does to a story: claims that are none, programs that misbehave, servers and stores that do not answer.
FAILURES: Final = (ClaimFailed, ProgramFailed, httpx.HTTPError, BotoCoreError, ClientError, OSError)


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
        0 when every claim held, 1 when one did not or a program or store misbehaved, with the last words of all that
        ran then, 130 after Ctrl-C. Whatever was started is stopped, and the company's folder is gone.
    """
    narrator = Narrator(false_word=FRAME.said("false", language, {}))
    with tempfile.TemporaryDirectory(prefix="edustream-") as folder, stage(Path(folder) / "logs") as programs:
        try:
            tell(Company(Checkout.of(script), programs, Path(folder), quick), narrator)
        except FAILURES as error:
            why = error if isinstance(error, (ClaimFailed, ProgramFailed)) else f"{type(error).__name__}: {error}"
            sys.stderr.write(FRAME.said("failed", language, {"why": why}) + "\n")
            sys.stderr.write(FRAME.said("running", language, {"words": programs.last_words}) + "\n")
            return 1
        except KeyboardInterrupt:
            sys.stderr.write(FRAME.said("interrupted", language, {}) + "\n")
            return 130
    closing = "closing" if narrator.claims != 1 else "closing-one"
    narrator.heading(FRAME.said(closing, language, {"claims": narrator.claims}))
    return 0
