from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edustream_contracts.canonical import canonical_json, document_digest, sha256_hex
from edustream_contracts.errors import Rejected

SAFE_INTEGERS = st.integers(-(2**53) + 1, 2**53 - 1)
# A whole float from 2**53 on is written without exponent and read back as an integer beyond the safe domain.
SAFE_FLOATS = st.floats(-(2.0**53) + 1, 2.0**53 - 1)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | SAFE_INTEGERS | SAFE_FLOATS | TEXTS,
    lambda children: st.lists(children, max_size=4) | st.dictionaries(TEXTS, children, max_size=4),
    max_leaves=12,
)


def test_members_are_sorted_by_utf_16_code_units() -> None:
    # RFC 8785, section 3.2.3: the names of its sorting example, in its expected order.
    document = {
        "\u20ac": "Euro Sign",
        "\r": "Carriage Return",
        "\ufb33": "Hebrew Letter Dalet With Dagesh",
        "1": "One",
        "\U0001f600": "Emoji: Grinning Face",
        "\u0080": "Control",
        "\u00f6": "Latin Small Letter O With Diaeresis",
    }

    assert list(json.loads(canonical_json(document)).values()) == [
        "Carriage Return",
        "One",
        "Control",
        "Latin Small Letter O With Diaeresis",
        "Euro Sign",
        "Emoji: Grinning Face",
        "Hebrew Letter Dalet With Dagesh",
    ]


def test_the_worked_example_of_the_standard() -> None:
    # RFC 8785, section 3.2.2 and its result in section 3.2.4.
    document = {
        "numbers": [333333333.33333329, 1e30, 4.50, 2e-3, 0.000000000000000000000000001],
        "string": "\u20ac$\u000f\u000aA'\u0042\u0022\u005c\\\"\u002f",
        "literals": [None, True, False],
    }

    expected = (
        '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )
    assert canonical_json(document) == expected.encode()


@pytest.mark.parametrize(
    ("number", "text"),
    [
        # RFC 8785, appendix B.
        (0.0, b"0"),
        (-0.0, b"0"),
        (5e-324, b"5e-324"),
        (-5e-324, b"-5e-324"),
        (1.7976931348623157e308, b"1.7976931348623157e+308"),
        (9007199254740992.0, b"9007199254740992"),
        (295147905179352830000.0, b"295147905179352830000"),
        (9.999999999999997e22, b"9.999999999999997e+22"),
        (1e23, b"1e+23"),
        (1e21, b"1e+21"),
        (999999999999999700000.0, b"999999999999999700000"),
        (0.000001, b"0.000001"),
        (1e-7, b"1e-7"),
        (333333333.33333325, b"333333333.33333325"),
        (0.1, b"0.1"),
        (1, b"1"),
        (2**53 - 1, b"9007199254740991"),
    ],
)
def test_numbers(number: float, text: bytes) -> None:
    assert canonical_json(number) == text


@pytest.mark.parametrize(
    "document",
    [float("nan"), float("inf"), float("-inf"), 2**53, -(2**53), {1: "a"}, {"a": int}, "\ud800", {"\udfff": 1}],
    ids=repr,
)
def test_what_has_no_canonical_form_is_rejected(document: Any) -> None:
    with pytest.raises(Rejected, match="no canonical form") as caught:
        canonical_json(document)

    assert caught.value.kind == "malformed"


@given(DOCUMENTS)
def test_canonical_bytes_say_the_same_and_are_a_fixed_point(document: Any) -> None:
    data = canonical_json(document)

    assert json.loads(data) == document
    assert canonical_json(json.loads(data)) == data


@given(st.dictionaries(TEXTS, DOCUMENTS, max_size=5))
def test_key_order_does_not_change_the_digest(document: dict[str, Any]) -> None:
    assert document_digest(dict(reversed(list(document.items())))) == document_digest(document)


@given(st.dictionaries(TEXTS, DOCUMENTS, max_size=5))
def test_spacing_does_not_change_the_digest(document: dict[str, Any]) -> None:
    assert document_digest(json.loads(json.dumps(document, indent=3))) == document_digest(document)


def test_sha256() -> None:
    assert sha256_hex(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert document_digest({"a": 1}) == hashlib.sha256(b'{"a":1}').hexdigest()
