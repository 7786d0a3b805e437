from __future__ import annotations

import re

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from pydantic_core import SchemaValidator as CompiledSchema
from pydantic_core.core_schema import str_schema

from edustream_contracts.validation import SchemaValidator, is_pattern
from edustream_registry.generated_types.patterns import Translated, Untranslatable, translate

PIECES = (
    *(r"\d", r"\w", r"\s", r"\D", r"\W", r"\S", r"\b", r"\B", r"\.", r"\-", r"\/", r"\\", r"\]", r"\[", r"\t", r"\cA"),
    *(r"\u0041", r"\u{1F600}", r"\x41", r"\p{L}", r"\P{Lu}", "(?i)", "(?s)", "(?m)", "(?=", "(?!", "(?<=", "(?<!"),
    *("(", "(?:", "(?<n>", ")", "|", "[", "]", "[^", "-", "&&", "--", "~~", "a-z", "0-9", "z-a", "*", "+", "?", "??"),
    *("{2}", "{1,}", "{1,3}", "^", "$", ".", "a", "A", "é", "\u017f", "K", "😀", "\n", " ", "#", "}", "_", ",", ":"),
)
CHARACTERS = "abzAkKs\u017féÉ\u0301019\u0661 \n\r\t\v\x01\x1c\x85\xa0\u2028\ufeff_-&~[]{}()/\\#,:.😀"


def admits(translated: Translated, text: str) -> bool:
    """What pydantic says of a text."""
    pattern = translated.text if translated.engine == "rust" else re.compile(translated.text)
    try:
        CompiledSchema(str_schema(pattern=pattern)).validate_python(text)
    except ValidationError:
        return False
    return True


def assert_same(pattern: str, texts: list[str]) -> None:
    translated = translate(pattern)
    validator = SchemaValidator({"type": "string", "pattern": pattern})
    for text in texts:
        assert admits(translated, text) == validator.is_valid(text), (translated, text)


drawn_patterns = st.lists(st.sampled_from(PIECES), min_size=1, max_size=6).map("".join).filter(is_pattern)
drawn_texts = st.lists(st.text(CHARACTERS, max_size=5), min_size=1, max_size=30)


def assert_same_or_untranslatable(pattern: str, texts: list[str]) -> None:
    try:
        translate(pattern)
    except Untranslatable:
        assume(False)
    assert_same(pattern, texts)


@settings(max_examples=250, deadline=None)
@given(drawn_patterns, drawn_texts)
def test_a_translated_pattern_means_the_same(pattern: str, texts: list[str]) -> None:
    assert_same_or_untranslatable(pattern, texts)


@pytest.mark.prove
@settings(max_examples=20_000, deadline=None)
@given(drawn_patterns, drawn_texts)
def test_a_translated_pattern_means_the_same_at_length(pattern: str, texts: list[str]) -> None:
    assert_same_or_untranslatable(pattern, texts)


@pytest.mark.parametrize(
    ("pattern", "engine"),
    [
        (r"^\d+$", "rust"),
        (r"\bé[^\W_]", "rust"),
        (r"[[&&~~\]]", "rust"),
        (r"[)--\.]", "rust"),
        (r"\cA|\u0041|\x42|\u{1F600}", "rust"),
        (r"^(?!.*--)[a-z]+$", "python"),
        (r"(?<!a)(?<name>b)$", "python"),
    ],
)
def test_where_dialects_differ(pattern: str, engine: str) -> None:
    assert translate(pattern).engine == engine
    assert_same(pattern, [*CHARACTERS, "1\n", "ab", "b\n", "éa", " é", "a--b", "", "12", "u" * 41])


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        (r"(.)\1", r"has '\\1' at character 4"),
        ("a++", "has '++' at character 2"),
        ("[]a]", "has '[]a]' at character 1"),
        (r"(?=\d)", r"has '\\d' beside look-around, which engines read in different ways"),
        (r"(?=a)\b", r"has '\\b' beside look-around, which engines read in different ways"),
        (r"[\ud800]", r"has '\\ud800', which is no character"),
        ("(?<=a+)b", "is more than the python engine takes: look-behind requires fixed-width pattern"),
        ("(?:a{1000}){1000}", "is more than the rust engine takes"),
    ],
)
def test_what_cannot_be_translated(pattern: str, why: str) -> None:
    with pytest.raises(Untranslatable) as caught:
        translate(pattern)

    assert why in str(caught.value)
