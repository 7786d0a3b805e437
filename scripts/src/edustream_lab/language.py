"""The languages that experiments are told in, and the tables of everything that is said."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from string import Formatter
from typing import Final

import yaml


class Language(Enum):
    """A language, by its code in ISO 639-1."""

    ENGLISH = "en"
    SPANISH = "es"


DECIMAL_SIGN: Final = {Language.ENGLISH: ".", Language.SPANISH: ","}


def language_of(environ: Mapping[str, str]) -> Language:
    """The first language in LANGUAGE that experiments are told in; English where there is none.

    LANGUAGE is read as gettext reads it: codes in order of preference, separated by colons, e.g. `es_ES:en`.
    """
    known = {language.value: language for language in Language}
    codes = (re.split(r"[_.@-]", wanted.lower())[0] for wanted in environ.get("LANGUAGE", "").split(":"))
    return next((known[code] for code in codes if code in known), Language.ENGLISH)


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence in every language; what differs from one telling to the next stands in braces."""

    texts: Mapping[Language, str]

    @property
    def blanks(self) -> dict[Language, set[str]]:
        """The names in braces, by language."""
        parsed = {language: Formatter().parse(text) for language, text in self.texts.items()}
        return {language: {name for _, name, _, _ in parts if name} for language, parts in parsed.items()}

    def said(self, language: Language, values: Mapping[str, object]) -> str:
        """The sentence in one language. Raises `KeyError` where a value is missing."""
        return self.texts[language].format_map({name: _spoken(value, language) for name, value in values.items()})


@dataclass(frozen=True, slots=True)
class Script:
    """Everything that one experiment says, by key."""

    sentences: Mapping[str, Sentence]

    @staticmethod
    def read(path: Path) -> Script:
        """Read a table: a mapping of keys to mappings of language codes to texts."""
        table = yaml.safe_load(path.read_text(encoding="utf-8"))
        return Script(
            {
                key: Sentence({Language(code): " ".join(text.split()) for code, text in texts.items()})
                for key, texts in table.items()
            }
        )

    def said(self, key: str, language: Language, values: Mapping[str, object]) -> str:
        """What stands under a key, in one language. Raises `KeyError` where there is none, or a value is missing."""
        return self.sentences[key].said(language, values)

    @property
    def problems(self) -> list[str]:
        """Where the languages are not in step: one lacks a sentence, or leaves other blanks."""
        found = []
        for key, sentence in self.sentences.items():
            missing = [language.value for language in Language if not sentence.texts.get(language)]
            found += [f"{key} is missing in {code}" for code in missing]
            if not missing and len({frozenset(names) for names in sentence.blanks.values()}) > 1:
                found.append(f"{key} leaves other blanks in one language than in another")
        return found


def _spoken(value: object, language: Language) -> str:
    """A value in a sentence; a fraction with one digit after the decimal sign, three below 1."""
    if not isinstance(value, float):
        return str(value)
    return f"{value:.{1 if abs(value) >= 1 else 3}f}".replace(".", DECIMAL_SIGN[language])
