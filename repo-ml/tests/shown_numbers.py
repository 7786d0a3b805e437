"""Finds the numbers that a text shows to people, and those of them that nothing accounts for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from typing import Any

NUMBER = re.compile(r"(?<![\w.-])-?\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?(?![\w])")
MOST_DECIMALS = 8


class PageText(HTMLParser):
    """The text of a page as people read it: without its head, and without the scales of its plots."""

    SILENT = frozenset({"style", "title"})
    VOID = frozenset({"meta", "link", "br", "hr", "img", "input"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self._open: list[tuple[str, bool]] = []
        self.feed(page)

    @property
    def text(self) -> str:
        return "\n".join(self.words)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            silent = tag in self.SILENT or bool(re.search(r"-[xy]tick_", dict(attrs).get("id") or ""))
            self._open.append((tag, silent))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        opened, _ = self._open.pop()
        assert opened == tag, f"<{opened}> is closed by </{tag}>"

    def handle_data(self, data: str) -> None:
        if not any(silent for _, silent in self._open):
            self.words.append(data.strip())


def unaccounted(text: str, *sources: Any) -> set[str]:
    """The numbers in `text` that are none of the sources' to the digits shown, nor stand in one of their texts."""
    numbers: set[float] = set()
    known: set[str] = set()
    for leaf in (leaf for source in sources for leaf in _leaves(source)):
        if isinstance(leaf, str):
            known.update(_shown(leaf))
        else:
            numbers.add(float(leaf))
    for decimals in range(MOST_DECIMALS + 1):
        known.update(f"{number:z.{decimals}f}" for number in numbers)
    return {shown for shown in _shown(text) if shown not in known and not ("e" in shown and float(shown) in numbers)}


def _shown(text: str) -> Iterator[str]:
    for match in NUMBER.finditer(text):
        yield match.group().replace(",", "")


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        for name, of in value.items():
            yield from _leaves(name)
            yield from _leaves(of)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _leaves(one)
    elif isinstance(value, str | int | float) and not isinstance(value, bool):
        yield value
