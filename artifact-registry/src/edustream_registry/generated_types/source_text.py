"""Text of a contract inside source code: literals, docstrings and comments that nothing in it can end or disguise."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence


def visible(text: str) -> str:
    """One line in which every character can be seen; others are written as in a Python literal."""
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)


def python_text(text: str) -> str:
    """A Python string literal with this value."""
    return json.dumps(text, ensure_ascii=False) if text.isprintable() else repr(text)


def typescript_text(text: str) -> str:
    """A TypeScript string literal with this value."""
    return json.dumps(text, ensure_ascii=not text.isprintable())


def docstring(paragraphs: Sequence[str], indent: str) -> str:
    """A Python docstring: the first text, and after an empty line the others, each on lines of its own."""
    lines = [visible(line.replace("\\", "\\\\")) for line in _lines(paragraphs)]
    if any('"""' in line for line in lines) or lines[-1].endswith('"'):
        lines = [line.replace('"', r"\"") for line in lines]
    if len(lines) == 1:
        return f'{indent}"""{lines[0]}"""'
    return "\n".join(f"{indent}{line}".rstrip() for line in [f'"""{lines[0]}', *lines[1:], '"""'])


def comment(paragraphs: Sequence[str], indent: str) -> Iterator[str]:
    """The lines of a JSDoc comment: the first text, and after an empty line the others."""
    yield f"{indent}/**"
    for line in _lines(paragraphs):
        inert = re.sub(r"(?<!\w)@", r"\\@", visible(line).replace("*/", r"*\/"))
        yield f"{indent} * {inert}".rstrip()
    yield f"{indent} */"


def _lines(paragraphs: Sequence[str]) -> list[str]:
    first, *others = ([line.rstrip() for line in one.splitlines()] or [""] for one in paragraphs)
    return [*first, *([""] if others else []), *(line for one in others for line in one)]
