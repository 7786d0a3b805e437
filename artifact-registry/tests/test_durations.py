from __future__ import annotations

import pytest
from conftest import refusal

from edustream_contracts.errors import InvalidInput
from edustream_registry.durations import duration_s, in_words


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("30m", 1800), ("36h", 129_600), ("7d", 604_800)])
def test_durations(text: str, seconds: float) -> None:
    assert duration_s(text) == seconds


@pytest.mark.parametrize("text", ["", "7", "d", "-1h", "1.5h", "7 d", "1w", "1h30m", "9999999999s"])
def test_what_is_no_duration(text: str) -> None:
    assert refusal(lambda: duration_s(text))[:2] == (InvalidInput, "argument")


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "0 s"), (59.4, "59 s"), (60, "1 m"), (7200, "2 h"), (604_800, "7 d")]
)
def test_words(seconds: float, words: str) -> None:
    assert in_words(seconds) == words
