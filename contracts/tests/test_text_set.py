from __future__ import annotations

import pytest

from edustream_contracts.text_set import MAX_TRIED, TextSet, matches

UPPER = "^[A-Z]+$"


def lost(mine: TextSet, theirs: TextSet, known: tuple[str, ...] = ()) -> dict[str, str | None]:
    return dict(mine.lost_to(theirs, known))


@pytest.mark.parametrize(
    ("mine", "theirs", "aspects"),
    [
        (TextSet(0, None, None), TextSet(0, None, None), set()),
        (TextSet(2, 3, None), TextSet(1, 4, None), set()),
        (TextSet(1, 4, None), TextSet(2, 3, None), {"shortest", "longest"}),
        (TextSet(0, None, None), TextSet(0, 5, None), {"longest"}),
        (TextSet(3, 3, None), TextSet(5, 5, None), {"shortest"}),
        (TextSet(0, None, None), TextSet(0, None, UPPER), {"pattern"}),
        (TextSet(0, None, UPPER), TextSet(0, None, None), set()),
        (TextSet(0, None, UPPER), TextSet(0, None, UPPER), set()),
    ],
)
def test_what_is_lost_is_shown(mine: TextSet, theirs: TextSet, aspects: set[str]) -> None:
    found = lost(mine, theirs)

    assert found.keys() == aspects
    for aspect, text in found.items():
        assert text is not None
        assert not list(mine.refusals(text))
        assert aspect in theirs.refusals(text)


@pytest.mark.parametrize(
    ("before", "after", "known"),
    [
        ("^[A-Z]{2,3}$", "^[A-Z]{2}$", ("DE",)),
        ("^[A-Z]{2}-[0-9]+$", "^[A-Z]{2}-[0-9]{2}$", ("DE-10",)),
        ("^[A-Za-z]+$", UPPER, ("DE",)),
        ("^v[0-9]+(\\.[0-9]+)?$", "^v[0-9]+$", ("v1", "v1.2")),
    ],
)
def test_a_text_that_tells_two_patterns_apart_is_found_near_an_example(
    before: str, after: str, known: tuple[str, ...]
) -> None:
    text = lost(TextSet(0, None, before), TextSet(0, None, after), known)["pattern"]

    assert text is not None
    assert matches(before, text)
    assert not matches(after, text)


def test_patterns_that_admit_the_same_are_told_apart_by_text_alone() -> None:
    assert lost(TextSet(0, None, "^a+$"), TextSet(0, None, "^aa*$"), ("a",)) == {"pattern": None}


def test_nothing_is_searched_where_nobody_needs_it() -> None:
    assert dict(TextSet(0, None, "^a+$").lost_to(TextSet(0, None, "b"), None)) == {"pattern": None}


def test_a_search_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def matches_nothing(pattern: str, text: str) -> bool:
        asked.append(text)
        return False

    monkeypatch.setattr("edustream_contracts.text_set.matches", matches_nothing)

    assert lost(TextSet(0, None, "x"), TextSet(0, None, "y"), ("a" * 65536,) * 100) == {"pattern": None}
    assert len(asked) <= 2 * MAX_TRIED


def test_texts_of_no_characters_are_one() -> None:
    assert TextSet(0, 0, None).outside({""}, ()) == (False, None)
    assert TextSet(0, 0, None).outside({"a"}, ()) == (True, "")


def test_a_text_outside_a_list() -> None:
    assert TextSet(1, 1, None).outside({"a", "b", "c"}, ()) == (True, "d")
    some, text = TextSet(2, None, UPPER).outside({"DE"}, ("DE",))
    assert some
    assert text != "DE"
    assert matches(UPPER, str(text))


def test_lengths_count_code_points() -> None:
    assert not list(TextSet(0, 1, None).refusals("😀"))
    assert list(TextSet(2, None, None).refusals("😀")) == ["shortest"]
