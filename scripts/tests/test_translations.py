"""A document in Spanish says what its English original says: block by block the same commands, figures and links."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import zip_longest

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from edustream_lab.places import Checkout

MARKDOWN = MarkdownIt("commonmark").enable("table")
# A number stands alone: the digits of S3, ONNX's version or SHA-256 belong to a name.
NUMBER = re.compile(r"(?<![\w-])\d+(?:[.,:\u202f]\d+)*")
# How each language groups thousands, which counts for nothing, and begins a fraction: 10,000 and 2.5, 10 000 and 2,5.
ENGLISH_SIGNS = str.maketrans({",": ""})
SPANISH_SIGNS = str.maketrans({"\u202f": "", ",": "."})
TRANSLATED = ("README.md", "docs/role-play.md")


@dataclass(frozen=True, slots=True)
class Block:
    """A block of a document, without the words of its language. Blocks at other lines may be equal."""

    kind: str
    text: str
    codes: tuple[str, ...]
    targets: tuple[str, ...]
    numbers: tuple[str, ...]


def blocks(text: str, signs: dict[int, str]) -> list[tuple[int, Block]]:
    """The blocks of a Markdown document with the line at which each begins; the signs in numbers are replaced."""
    found, line = [], 1
    for token in MARKDOWN.parse(text):
        line = token.map[0] + 1 if token.map else line
        kind = f"{token.type} {token.tag} {token.info}".strip()
        said = token.content if token.type in ("fence", "code_block", "html_block") else ""
        found.append((line, Block(kind, said, *told(token.children or (), signs))))
    return found


def told(
    inline: list[Token] | tuple[()], signs: dict[int, str]
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Code spans, the targets of links and images, and numbers of a piece of prose, each in order of the alphabet."""
    codes = [token.content for token in inline if token.type == "code_inline"]
    targets = [
        str(token.attrGet("href") or token.attrGet("src")) for token in inline if token.type in ("link_open", "image")
    ]
    texts = [token.content for token in inline if token.type == "text"]
    numbers = [number.translate(signs) for text in texts for number in NUMBER.findall(text)]
    return tuple(sorted(codes)), tuple(sorted(map(in_english, targets))), tuple(sorted(numbers))


def in_english(target: str) -> str:
    """What a link leads to, where the Spanish document leads to the Spanish twin of it. Headings have other names."""
    path, _, _ = target.partition("#")
    return re.sub(r"\.es(\.\w+)$", r"\1", path)


def differences(original: str, translation: str) -> list[str]:
    """Where the two documents part first: the lines of both, and what each has there."""
    for mine, theirs in zip_longest(blocks(original, ENGLISH_SIGNS), blocks(translation, SPANISH_SIGNS)):
        if mine is None or theirs is None or mine[1] != theirs[1]:
            lines = [(f"line {each[0]}: {each[1]}" if each else "the end") for each in (mine, theirs)]
            return [f"original {lines[0]}", f"translation {lines[1]}"]
    return []


ORIGINAL = """# Title

Run `make demo` in 20 minutes, see [how](docs/a.md#part).

| what | how many |
|---|---|
| rows | 10,000 in 2.5 s |

```console
make demo
```
"""
TRANSLATION = """# Título

Se ejecuta `make demo` en 20 minutos: [así](docs/a.es.md#parte).

| qué | cuántas |
|---|---|
| filas | 10\u202f000 en 2,5 s |

```console
make demo
```
"""


def test_a_faithful_translation_has_no_difference() -> None:
    assert differences(ORIGINAL, TRANSLATION) == []


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("# Título", "## Título", 1),
        ("`make demo` en", "`make test` en", 3),
        ("20 minutos", "30 minutos", 3),
        ("docs/a.es.md", "docs/b.es.md", 3),
        ("| filas | 10\u202f000 en 2,5 s |\n", "", 5),
        ("10\u202f000", "10.000", 7),
        ("10\u202f000", "10,000", 7),
        ("2,5", "2,6", 7),
        ("```console\nmake demo", "```console\nmake test", 9),
        ("\n```console", "\nUn párrafo más.\n\n```console", 9),
    ],
)
def test_a_difference_is_found_with_its_line(old: str, new: str, line: int) -> None:
    told = differences(ORIGINAL, TRANSLATION.replace(old, new))
    assert len(told) == 2
    assert f"line {line}: " in told[1]


@pytest.mark.parametrize("original", TRANSLATED)
def test_the_translation_is_in_step(checkout: Checkout, original: str) -> None:
    texts = [(checkout.root / path).read_text() for path in (original, original.replace(".md", ".es.md"))]
    assert differences(*texts) == []
