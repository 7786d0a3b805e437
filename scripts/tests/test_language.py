from __future__ import annotations

from pathlib import Path

import pytest

from edustream_lab.language import Language, Script, language_of

TABLE = """
greeting:
  en: >-
    Good morning,
    {name}.
  es: "Buenos días, {name}."
figure: {en: "It took {seconds} s.", es: "Tardó {seconds} s."}
"""


@pytest.fixture
def script(tmp_path: Path) -> Script:
    path = tmp_path / "table.yaml"
    path.write_text(TABLE)
    return Script.read(path)


@pytest.mark.parametrize(
    ("variable", "language"),
    [
        ("es", Language.SPANISH),
        ("es_ES.UTF-8", Language.SPANISH),
        ("fr:es:en", Language.SPANISH),
        ("en_GB:es", Language.ENGLISH),
        ("fr", Language.ENGLISH),
        ("", Language.ENGLISH),
    ],
)
def test_the_language_is_the_first_that_is_known(variable: str, language: Language) -> None:
    assert language_of({"LANGUAGE": variable}) is language
    assert language_of({}) is Language.ENGLISH


def test_a_sentence_is_filled_in_its_own_language(script: Script) -> None:
    assert script.said("greeting", Language.SPANISH, {"name": "Ada"}) == "Buenos días, Ada."
    assert script.said("greeting", Language.ENGLISH, {"name": "Ada"}) == "Good morning, Ada."
    with pytest.raises(KeyError, match="name"):
        script.said("greeting", Language.ENGLISH, {})


@pytest.mark.parametrize(
    ("value", "english", "spanish"), [(12.345, "12.3", "12,3"), (0.12345, "0.123", "0,123"), (3, "3", "3")]
)
def test_fractions_have_the_decimal_sign_of_the_language(
    script: Script, value: float, english: str, spanish: str
) -> None:
    assert script.said("figure", Language.ENGLISH, {"seconds": value}) == f"It took {english} s."
    assert script.said("figure", Language.SPANISH, {"seconds": value}) == f"Tardó {spanish} s."


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ('a: {en: "Yes."}', "a is missing in es"),
        ('a: {en: "Yes.", es: ""}', "a is missing in es"),
        ('a: {en: "{x}", es: "{y}"}', "a leaves other blanks in one language than in another"),
    ],
)
def test_languages_that_are_out_of_step_are_found(tmp_path: Path, table: str, problem: str) -> None:
    path = tmp_path / "table.yaml"
    path.write_text(table)
    assert Script.read(path).problems == [problem]


def test_languages_that_are_in_step_are_not(script: Script) -> None:
    assert script.problems == []
