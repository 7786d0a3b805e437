"""Finds empty lines between the rows of a CSV file, in memory that grows with neither its lines nor its cells."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

BLOCK_BYTES: Final = 256 * 1024
LINE_ENDS: Final = (b"\n\n", b"\n\r", b"\r\r")
"""How two ends of lines follow each other, in files of Unix, of Windows and of old."""
BEFORE: Final = b"\n"
"""What a file is read as if it followed: an empty first line has no other one before it."""
ROWS: Final = re.compile(
    rb"(?:"
    rb'[^"\r\n]+'
    rb"|(?<!\n)\n|(?<![\r\n])\r"
    rb'|(?<=[,\r\n])"[^"]*(?:""[^"]*){0,100}"(?=[^"])'
    rb'|(?<![,\r\n])"'
    rb"){1,1000}"
)
"""What comes before an empty line, as Arrow reads it: cells without quotes; ends of lines that are not empty; whole
cells with quotes, which only the first character of a cell opens; quotes elsewhere, which are characters as all others.

Nothing is repeated without bound, since each time takes memory.
"""
QUOTED: Final = re.compile(rb'[^"]*(?:""[^"]*){0,1000}')
"""What comes before the quote that ends a cell."""
CONTENT: Final = re.compile(rb"[^\r\n]")


def first_empty_line(path: Path, block_bytes: int = BLOCK_BYTES) -> int | None:
    """The number of the first empty line that another line follows, from 1 on; None if there is none.

    Lines within quotes are counted and not empty. Those at the very end are no lines between others: Arrow skips them
    as editors and spreadsheets add them.
    """
    with path.open("rb") as file:
        # They may lie within quotes, which takes longer to tell.
        if not _has_line_ends_in_a_row(_blocks(file, block_bytes)):
            return None
        offset = _empty_line(_blocks(file, block_bytes))
        return None if offset is None else 1 + _line_ends(_blocks(file, block_bytes), offset)


def _blocks(file: BinaryIO, block_bytes: int) -> Iterator[bytes]:
    """The file from its beginning, without the mark that may stand there."""
    file.seek(0)
    if file.read(len(codecs.BOM_UTF8)) != codecs.BOM_UTF8:
        file.seek(0)
    while block := file.read(block_bytes):
        yield block


def _has_line_ends_in_a_row(blocks: Iterator[bytes]) -> bool:
    last = BEFORE
    for block in blocks:
        seen = last + block
        if any(ends in seen for ends in LINE_ENDS):
            return True
        last = block[-1:]
    return False


def _empty_line(blocks: Iterator[bytes]) -> int | None:
    """The offset of the first line without a cell that one with cells follows."""
    # `seen` is a block behind what was kept of those before it, of which the first `at` bytes are done with.
    kept, at, passed, quoted = BEFORE, len(BEFORE), -len(BEFORE), False
    for block in blocks:
        seen = kept + block
        while at < len(seen):
            if quoted:
                while found := _end(QUOTED, seen, at):
                    at = found
                if len(seen) - at < 2:
                    # Whether a quote is the first of two, the next block tells.
                    break
                at += 1
                quoted = False
            while found := _end(ROWS, seen, at):
                at = found
            if seen[at : at + 1] == b'"':
                at += 1
                quoted = True
            elif at < len(seen):
                follows = CONTENT.search(seen, at) or any(CONTENT.search(later) for later in blocks)
                return passed + at if follows else None
        # The character before the next one tells whether that opens a cell, or ends an empty line.
        done = at - 1
        kept, at, passed = seen[done:], 1, passed + done
    return None


def _end(pattern: re.Pattern[bytes], seen: bytes, at: int) -> int | None:
    """Where what begins at `at` ends; None if nothing of the kind begins there."""
    found = pattern.match(seen, at)
    return found.end() if found and found.end() > at else None


def _line_ends(blocks: Iterator[bytes], offset: int) -> int:
    """How many lines end before `offset`."""
    last, count = b"", 0
    for block in blocks:
        block, offset = block[:offset], max(0, offset - len(block))
        count += block.count(b"\n") + block.count(b"\r") - (last + block).count(b"\r\n")
        last = block[-1:]
        if not offset:
            break
    return count
