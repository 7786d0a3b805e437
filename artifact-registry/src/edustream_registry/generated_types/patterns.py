r"""A contract's regular expressions in the dialects that pydantic speaks.

The keyword `pattern` holds ECMAScript, searched for anywhere in the text: `\d`, `\w` and `\s` stand for fixed sets,
`$` for the very end. Rust's engine, which is pydantic's own, lacks look-around. Python's has it, but there `\d` is any
script's digit, and `$` may stand before a last newline. What is here rewrites these and refuses what it does not know,
so that no pattern ever means something else than in the contract.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from pydantic_core import SchemaError, SchemaValidator
from pydantic_core.core_schema import str_schema

Engine = Literal["rust", "python"]

_SETS: Final = {
    "d": "0-9",
    "w": "0-9A-Za-z_",
    "s": r"\t-\r \xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff",
}
_CONTROLS: Final = {"t": "\t", "n": "\n", "v": "\v", "f": "\f", "r": "\r"}
_META: Final = frozenset(r"\.+*?()|[]{}^$")
_CLASS_META: Final = frozenset(r"\[]^-&~|")

_CHARACTER: Final = r"""
    | (?P<property>\\[pP]\{[A-Za-z_=]+\})
    | (?P<shorthand>\\[dDwWsS])
    | (?P<escape>\\(?:x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|u\{[0-9A-Fa-f]{1,6}\}|c[A-Za-z]|[tnvfr]|[!-/:-@\[-^`{-~]))
"""
_TOKEN: Final = re.compile(
    r"""
      (?P<look>\(\?<?[=!])
    | (?P<flags>\(\?[ims]+\))
    | (?P<group>\((?:\?:|\?P?<[A-Za-z_]\w*>|(?!\?)))
    | (?P<quantifier>(?:[*+?]|\{\d+(?:,\d*)?\})\??(?![*+?{]))
    | (?P<end>\$)
    | (?P<plain>[)|^.])
    | (?P<edge>\\[bB])
    | (?P<open>\[(?:\^(?!\])|(?![\]^])))
    | (?P<literal>[^\\()\[{*+?])
    """
    + _CHARACTER,
    re.VERBOSE | re.ASCII,
)
_CLASS_TOKEN: Final = re.compile(
    r"""
      (?P<close>\])
    | (?P<range>--?)
    | (?P<literal>[^\\])
    """
    + _CHARACTER,
    re.VERBOSE | re.ASCII | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Translated:
    """A pattern for one engine: `rust` is pydantic's own, `python` is the module `re`."""

    engine: Engine
    text: str


class Untranslatable(Exception):
    """A pattern has a construct that neither engine is known to read as the contract does."""


def translate(pattern: str) -> Translated:
    """The same regular expression for pydantic, to be searched for anywhere in the text.

    Raises `Untranslatable`, which says what and where, for backreferences, for whatever is not standard ECMAScript, and
    for what the validators themselves disagree on: shorthands, flags, edges of words and Unicode properties beside
    look-around.
    """
    tokens = list(_tokens(pattern))
    engine: Engine = "python" if any(kind == "look" for kind, _, _ in tokens) else "rust"
    text = "".join(_rendered(kind, text, engine, inside) for kind, text, inside in tokens)
    try:
        if engine == "rust":
            SchemaValidator(str_schema(pattern=text))
        else:
            re.compile(text)
    except (SchemaError, re.error, OverflowError) as error:
        raise Untranslatable(f"is more than the {engine} engine takes: {error}") from error
    return Translated(engine, text)


def _tokens(pattern: str) -> Iterator[tuple[str, str, bool]]:
    """Kind and text of each token, and whether it stands in a character class."""
    position, inside = 0, False
    while position < len(pattern):
        found = (_CLASS_TOKEN if inside else _TOKEN).match(pattern, position)
        if found is None or found.lastgroup is None:
            raise Untranslatable(f"has {pattern[position : position + 8]!r} at character {position + 1}")
        yield found.lastgroup, found.group(), inside
        inside = found.lastgroup == "open" or (inside and found.lastgroup != "close")
        position = found.end()


def _rendered(kind: str, text: str, engine: Engine, inside: bool) -> str:
    if kind in ("literal", "escape"):
        return _character(text, inside)
    if engine == "python" and kind in ("shorthand", "flags", "edge", "property"):
        raise Untranslatable(f"has {text!r} beside look-around, which engines read in different ways")
    if kind == "shorthand":
        return _shorthand(text[1], inside)
    if kind == "range":
        return text.replace("--", r"-\-")
    if kind == "end" and engine == "python":
        return r"\Z"
    return "(?:" if kind == "group" else text


def _shorthand(letter: str, inside: bool) -> str:
    members = _SETS[letter.lower()]
    if letter.isupper():
        return f"[^{members}]"
    return members if inside else f"[{members}]"


def _character(text: str, inside: bool) -> str:
    point = _code_point(text)
    if 0xD800 <= point <= 0xDFFF or point > 0x10FFFF:
        raise Untranslatable(f"has {text!r}, which is no character")
    character = chr(point)
    if character in (_CLASS_META if inside else _META):
        return "\\" + character
    if character.isprintable():
        return character
    return f"\\x{point:02x}" if point < 0x100 else f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"


def _code_point(text: str) -> int:
    if not text.startswith("\\"):
        return ord(text)
    letter, rest = text[1], text[2:].strip("{}")
    if rest and letter in "xu":
        return int(rest, 16)
    if rest:
        return ord(rest) % 32
    return ord(_CONTROLS.get(letter, letter))
