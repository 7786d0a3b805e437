from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edustream_api.json_document import parse
from edustream_api.problems import MALFORMED, RequestRefused, encoded

SCALARS = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
DOCUMENTS = st.recursive(
    SCALARS | st.text(), lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5)
)


@given(DOCUMENTS, st.booleans())
def test_reads_what_json_writes(document: Any, ascii_only: bool) -> None:
    assert parse(json.dumps(document, ensure_ascii=ascii_only).encode()) == document


@given(st.dictionaries(st.text(), DOCUMENTS, min_size=1, max_size=4), st.data())
def test_finds_every_duplicate_key(document: dict[str, Any], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(document)))
    again = f", {json.dumps(name)}: 1}}"
    with pytest.raises(RequestRefused) as caught:
        parse((json.dumps(document)[:-1] + again).encode())
    assert [error.message for error in caught.value.errors] == ["occurs 2 times"]


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        (b'{"a": NaN, "b": [1, -Infinity, {"c/d": 1e999}]}', ["/a", "/b/1", "/b/2/c~1d"]),
        (b'{"a~": 1, "a~": 2}', ["/a~0"]),
        (b'{"\\ud800": NaN, "\\ud800": 1}', ["/\\ud800"]),
        (b"-1e999", [""]),
        (b"{", []),
        (b"", []),
        (b"[" * 5000, []),
    ],
)
def test_points_at_what_json_does_not_allow(body: bytes, pointers: list[str]) -> None:
    with pytest.raises(RequestRefused) as caught:
        parse(body)
    assert caught.value.kind is MALFORMED
    assert [error.pointer for error in caught.value.errors] == pointers


def test_a_duplicate_key_cannot_hide_behind_deep_nesting() -> None:
    body = b'{"rows": ' + b"[" * 990 + b"]" * 990 + b', "rows": []}'
    with pytest.raises(RequestRefused, match="nested too deeply"):
        parse(body)


def test_every_refusal_can_be_sent() -> None:
    with pytest.raises(RequestRefused) as caught:
        parse(b'{"\\udfff": 1, "\\udfff": 1}')
    assert b"udfff" in encoded(caught.value.document())


@pytest.mark.parametrize("digits", [400, 5000])
def test_a_whole_number_beyond_the_range_is_named(digits: int) -> None:
    with pytest.raises(RequestRefused) as caught:
        parse(b'{"rows": [{"tenure": %s}]}' % (b"9" * digits))
    assert [(error.pointer, error.message) for error in caught.value.errors] == [
        ("/rows/0/tenure", "is beyond the range of a number")
    ]
