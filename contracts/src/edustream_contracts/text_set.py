"""The texts that a field of a contract admits: a range of lengths, and a pattern that is compared by its text."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, islice
from typing import Any, Final

from edustream_contracts.validation import SchemaValidator

# A search for a text that one pattern matches and another does not ends here, found or not.
MAX_TRIED: Final = 100
# To match a text takes up to the square of its length, so none that is longer is tried against a pattern.
MAX_TRIED_LENGTH: Final = 1000
SEEDS: Final = ("", "a", "A", "0", "-", " ", "é", "\n")


@dataclass(frozen=True, slots=True)
class TextSet:
    """The texts of `shortest` to `longest` Unicode code points in which `pattern` is found.

    Whether two patterns admit the same texts is not decided: they are taken to differ if their text does, and every
    length in the range is taken to occur.
    """

    shortest: int
    longest: int | None
    pattern: str | None

    @classmethod
    def of(cls, spec: Mapping[str, Any]) -> TextSet:
        """What a field's lengths and pattern admit, its enumeration apart."""
        longest = spec.get("maxLength")
        return cls(int(spec.get("minLength", 0)), None if longest is None else int(longest), spec.get("pattern"))

    @property
    def is_empty(self) -> bool:
        """Whether the lengths admit nothing."""
        return self.longest is not None and self.shortest > self.longest

    def refusals(self, value: str) -> Iterator[str]:
        """Every aspect that keeps `value` out: `shortest`, `longest`, `pattern`; none for a member."""
        if len(value) < self.shortest:
            yield "shortest"
        if self.longest is not None and len(value) > self.longest:
            yield "longest"
        if self.pattern is not None and not matches(self.pattern, value):
            yield "pattern"

    def lost_to(self, other: TextSet, known: Collection[str] | None) -> Iterator[tuple[str, str | None]]:
        """For each aspect in which `other` refuses members of this set: the aspect, and a member that it refuses.

        The member is None where none was found, which happens with patterns only. `known` are texts to begin the search
        with, such as examples; without them nothing is searched.
        """
        if self.shortest < other.shortest:
            yield "shortest", self._within(0, other.shortest - 1)._found(known)
        if other.longest is not None and (self.longest is None or self.longest > other.longest):
            yield "longest", self._within(other.longest + 1, None)._found(known)
        pattern = other.pattern
        if pattern not in (None, self.pattern):
            yield "pattern", self._found(known, lambda text: not matches(str(pattern), text))

    def outside(self, listed: Collection[str], known: Collection[str] | None) -> tuple[bool, str | None]:
        """Whether members are not in `listed`, and such a member where one was found."""
        if self.longest == 0:
            return "" not in listed, None if "" in listed else ""
        if self.pattern is not None:
            return True, self._found(known, lambda text: text not in listed)
        letters = chain(range(ord("a"), 0xD800), range(0xE000, sys.maxunicode))
        repeated = (chr(letter) * max(self.shortest, 1) for letter in letters)
        return True, next(text for text in repeated if text not in listed)

    def _within(self, shortest: int, longest: int | None) -> TextSet:
        ends = [end for end in (self.longest, longest) if end is not None]
        return TextSet(max(self.shortest, shortest), min(ends, default=None), self.pattern)

    def _found(self, known: Collection[str] | None, wanted: Callable[[str], bool] | None = None) -> str | None:
        if known is None:
            return None
        most = sys.maxsize if self.pattern is None and wanted is None else MAX_TRIED_LENGTH
        tried = islice(self._candidates(known, most), MAX_TRIED)
        return next((text for text in tried if not any(self.refusals(text)) and (wanted is None or wanted(text))), None)

    def _candidates(self, known: Collection[str], most: int) -> Iterator[str]:
        if self.shortest > most:
            return
        longest = min(most, sys.maxsize if self.longest is None else self.longest)
        for seed in (*known, *SEEDS):
            nearby = (len(seed), len(seed) + 1, len(seed) - 1, len(seed) + 2, self.shortest, self.shortest + 1)
            for length in dict.fromkeys(min(max(size, self.shortest), longest) for size in nearby):
                yield from _resized(seed, length)


def _resized(seed: str, length: int) -> Iterator[str]:
    """Texts of `length` that resemble `seed`: cut or stretched at one place, or with one character exchanged."""
    places = range(min(len(seed), 8))
    if length > len(seed):
        for place in places:
            yield seed[:place] + seed[place] * (length - len(seed)) + seed[place:]
        yield (seed * (length // len(seed) + 1))[:length] if seed else "a" * length
    elif length < len(seed):
        for place in range(min(length + 1, 8)):
            yield seed[:place] + seed[len(seed) - length + place :]
    else:
        yield seed
        for place in places:
            for other in "a0Z.":
                yield seed[:place] + other + seed[place + 1 :]


def matches(pattern: str, text: str) -> bool:
    """Whether the JSON Schema keyword `pattern` admits a text."""
    return _compiled(pattern).is_valid(text)


@lru_cache(maxsize=2048)
def _compiled(pattern: str) -> SchemaValidator:
    return SchemaValidator({"pattern": pattern})
