"""Tells one experiment in one language: what is a fact is decided by the experiment, how it is put by its script."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from edustream_lab.language import Language, Script
from edustream_lab.narrator import Narrator

TITLE: Final = "title"
HYPOTHESIS: Final = "hypothesis"
LESSON: Final = "lesson"


Measured = dict[str, float | int | str]
"""What an experiment measured, by name."""


class Teller:
    """A narrator with a script. `figures` holds what was measured, by a name that ends with the unit."""

    def __init__(self, narrator: Narrator, script: Script, language: Language) -> None:
        self._narrator = narrator
        self._script = script
        self._language = language
        self._claimed: dict[str, object] = {}
        self.figures: Measured = {}

    def title(self, number: int) -> None:
        """The experiment's name and number."""
        self._narrator.title(f"{number}. {self._said(TITLE, {})}")

    def say(self, key: str, /, **values: object) -> None:
        """Something that needs no proof: an intention, an explanation."""
        self._narrator.say(self._said(key, values))

    def step(self, key: str, /, **values: object) -> None:
        """The next thing that is done."""
        self._narrator.step(self._said(key, values))

    def shows(self, text: str) -> None:
        """What a program printed, in the program's own language."""
        self._narrator.shows(text)

    def fact(self, key: str, true: object, seen: object = "", /, **values: object) -> None:
        """State a fact. Raises `ClaimFailed` with what was seen instead, if it is none."""
        self._narrator.fact(self._said(key, values), true, seen)
        self._claimed |= values

    def measured(self, name: str, value: float | int | str) -> None:
        """Keep a figure for the comparison, with three decimals; `name` ends with the unit, as in `rollback_s`.

        Raises `ValueError` where no fact has said this value by this name: nothing is compared that was not claimed.
        """
        if name not in self._claimed or self._claimed[name] != value:
            raise ValueError(f"No fact says that {name} is {value!r}; say it in one, with {{{name}}} in its sentence.")
        self.figures[name] = round(value, 3) if isinstance(value, float) else value

    def _said(self, key: str, values: Mapping[str, object]) -> str:
        return self._script.said(key, self._language, values)
