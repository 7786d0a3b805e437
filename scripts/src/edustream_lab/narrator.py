"""A voice that tells what happens, and checks every fact that it states."""

from __future__ import annotations

import io
import os
import shutil
import sys
import textwrap
from collections.abc import Mapping
from typing import Final, TextIO

WIDTH: Final = 100
"""The longest line of a sentence, characters; on a narrower terminal its own width."""
TRUE: Final = "✓"
_BOLD, _GREEN, _RED, _DIM, _PLAIN = "\033[1m", "\033[32m", "\033[31m", "\033[2m", "\033[0m"


class ClaimFailed(AssertionError):
    """The narrator said something that is not so."""


class Narrator:
    """Tells a story: colours on a terminal, plain text elsewhere, with NO_COLOR set (no-color.org) or TERM=dumb."""

    def __init__(
        self, out: TextIO | None = None, environ: Mapping[str, str] = os.environ, false_word: str = "FALSE"
    ) -> None:
        """Begin to tell; `false_word` comes before a fact that is none."""
        self._out = out or sys.stdout
        self._false_word = false_word
        if isinstance(self._out, io.TextIOWrapper):
            # Where the locale has no such letter, a question mark is better than no story.
            self._out.reconfigure(errors="replace")
        terminal = self._out.isatty()
        self._coloured = terminal and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"
        self._width = min(WIDTH, shutil.get_terminal_size((WIDTH, 1)).columns) if terminal else WIDTH
        self._steps = 0
        self.claims = 0

    def title(self, text: str) -> None:
        """The name of the story, whose steps are numbered from 1."""
        self._steps = 0
        self._write(f"\n{self._in(_BOLD, text)}\n{'=' * len(text)}")

    def say(self, text: str) -> None:
        """Something that needs no proof: an intention, an explanation."""
        self._write(textwrap.fill(text, self._width))

    def step(self, text: str) -> None:
        """The next thing that is done."""
        self._steps += 1
        self._write(f"\n{self._in(_BOLD, f'{self._steps}. {text}')}")

    def heading(self, text: str) -> None:
        """The name of a part that is no step."""
        self._write(f"\n{self._in(_BOLD, text)}")

    def shows(self, text: str) -> None:
        """What a program printed."""
        for line in text.strip().splitlines():
            self._write(self._in(_DIM, f"   | {line}"))

    def fact(self, sentence: str, true: object, seen: object = "") -> None:
        """State a fact. Raises `ClaimFailed` with what was seen instead, if it is none."""
        if not true:
            self._write(self._in(_RED, f"   {self._false_word}: {sentence}"))
            raise ClaimFailed(f"{sentence} - seen: {seen}")
        self.claims += 1
        told = textwrap.fill(sentence, self._width, initial_indent=f"   {TRUE} ", subsequent_indent="     ")
        # Coloured once it is wrapped: what a terminal does not show has no width.
        self._write(told.replace(TRUE, self._in(_GREEN, TRUE), 1))

    def _in(self, style: str, text: str) -> str:
        return f"{style}{text}{_PLAIN}" if self._coloured else text

    def _write(self, text: str) -> None:
        self._out.write(text + "\n")
        self._out.flush()
