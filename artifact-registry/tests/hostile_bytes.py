"""Bytes that an attacker, or a bad disk, would put where a reader looks."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

TOKENS = (
    b"NaN",
    b"Infinity",
    b"-0",
    b"1e999",
    b"1.0",
    b"9" * 5000,
    b"9007199254740993",
    b'"\\ud800"',
    b"\xed\xa0\x80",
    b"\xff\xfe",
    b"\x00",
    b"null",
    b"true",
    b"{}",
    b"[]",
    b"[" * 3000,
    b'{"a":' * 3000,
    b"]" * 3000,
    b'"type":"manifest",',
    b",",
    b'"',
    b"\\",
    b"../",
    "\u202e".encode(),
)

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**64), 2**64)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["", "1.0.0", "churn", "production", "2026-01-01T00:00:00Z", "9" * 64, "-", "^", "[", "(?P<"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=8,
)


@st.composite
def edited(draw: st.DrawFn, genuine: bytes) -> bytes:
    """Genuine bytes after one to four edits: a byte or a token put in, a part cut out, doubled or cut off."""
    data = genuine
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.integers(0, 40)))
        piece = draw(st.sampled_from(TOKENS) | st.binary(max_size=4) | st.just(data[start:end] * 2))
        data = data[:start] + piece + data[draw(st.sampled_from([start, end, len(data)])) :]
    return data


def paths(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every member and element of a JSON document."""
    items = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    return [found for key, value in items for found in ((*path, key), *paths(value, (*path, key)))]


@st.composite
def altered(draw: st.DrawFn, genuine: dict[str, Any]) -> dict[str, Any]:
    """A genuine document with one to three members taken away, exchanged for any value, or put beside any other."""
    document = json.loads(json.dumps(genuine))
    for _ in range(draw(st.integers(1, 3))):
        there = paths(document)
        if not there:
            break
        *parents, last = draw(st.sampled_from(there))
        holder = document
        for parent in parents:
            holder = holder[parent]
        change: Callable[[], object] = draw(
            st.sampled_from(
                [
                    lambda holder=holder, last=last: holder.pop(last),
                    lambda holder=holder, last=last: holder.__setitem__(last, draw(json_values)),
                ]
            )
        )
        change()
    return document  # type: ignore[no-any-return]


def hostile(genuine: bytes) -> st.SearchStrategy[bytes]:
    """Anything that could lie where `genuine` belongs."""
    documents = altered(json.loads(genuine)) | json_values
    texts = documents.map(lambda document: json.dumps(document, sort_keys=True, separators=(",", ":")))
    return edited(genuine) | texts.map(lambda text: text.encode("utf-8", "surrogatepass")) | st.binary(max_size=64)


def mutated(data: bytes, source: random.Random) -> bytes:
    """`data` with one random change that makes it differ."""
    while True:
        start = source.randrange(len(data) + 1)
        end = min(len(data), start + source.choice([0, 1, 1, 2, 8, 4096]))
        piece = source.choice([b"", source.randbytes(1), source.randbytes(end - start), data[start:end][::-1], b"\0"])
        tail = source.choice([data[end:], data[end:], data[end:], b"", data[start:]])
        changed = data[:start] + piece + tail
        if changed != data:
            return changed
