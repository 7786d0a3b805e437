from __future__ import annotations

import io

import pytest

from edustream_lab.narrator import ClaimFailed, Narrator


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_true_fact_is_counted_and_told() -> None:
    out = io.StringIO()
    narrator = Narrator(out, {})
    narrator.fact("Water is wet.", True)
    assert narrator.claims == 1
    assert out.getvalue() == "   ✓ Water is wet.\n"


def test_a_false_fact_ends_the_story_and_says_what_was_seen() -> None:
    narrator = Narrator(io.StringIO(), {})
    with pytest.raises(ClaimFailed, match=r"Water is dry\. - seen: wet"):
        narrator.fact("Water is dry.", False, "wet")
    assert narrator.claims == 0


def test_steps_are_numbered_and_output_is_marked() -> None:
    out = io.StringIO()
    narrator = Narrator(out, {})
    narrator.title("A story")
    narrator.step("Begin")
    narrator.step("End")
    narrator.shows("one\ntwo\n")
    assert out.getvalue() == "\nA story\n=======\n\n1. Begin\n\n2. End\n   | one\n   | two\n"


def test_the_steps_of_each_story_begin_with_1_and_headings_are_none() -> None:
    out = io.StringIO()
    narrator = Narrator(out, {})
    narrator.title("One")
    narrator.step("Begin")
    narrator.title("Two")
    narrator.heading("Before")
    narrator.step("Begin")
    assert out.getvalue().endswith("\nTwo\n===\n\nBefore\n\n1. Begin\n")


def test_a_false_fact_is_called_so_in_the_language_of_the_story() -> None:
    out = io.StringIO()
    with pytest.raises(ClaimFailed):
        Narrator(out, {}, false_word="FALSO").fact("El agua es seca.", False)
    assert out.getvalue() == "   FALSO: El agua es seca.\n"


@pytest.mark.parametrize(
    ("environ", "coloured"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True), ({"TERM": "dumb"}, False)],
)
def test_colours_are_for_terminals_that_want_them(environ: dict[str, str], coloured: bool) -> None:
    out = Terminal()
    Narrator(out, environ).fact("Grass is green.", True)
    assert ("\033[" in out.getvalue()) is coloured


def test_a_narrow_terminal_is_kept_to_with_colours_and_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    told = []
    for environ in ({}, {"NO_COLOR": "1"}):
        out = Terminal()
        Narrator(out, environ).fact("Grass is green, " * 9, True)
        told.append(out.getvalue().replace("\033[32m", "").replace("\033[0m", ""))
    assert told[0] == told[1]
    assert max(map(len, told[0].splitlines())) <= 40


def test_a_locale_without_the_letters_still_tells() -> None:
    written = io.BytesIO()
    out = io.TextIOWrapper(written, encoding="ascii")
    Narrator(out, {}).fact("Grass is green.", True)
    assert written.getvalue() == b"   ? Grass is green.\n"
