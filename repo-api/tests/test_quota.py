from __future__ import annotations

import re

import pytest

from edustream_api.access.quota import Quota


@pytest.mark.parametrize(
    ("text", "requests", "window_s"),
    [("1/second", 1, 1), ("100/minute", 100, 60), ("5000/hour", 5000, 3600), ("1000000000/day", 10**9, 86400)],
)
def test_reads_what_it_writes(text: str, requests: int, window_s: int) -> None:
    quota = Quota.parse(text)
    assert quota == Quota(requests, window_s)
    assert str(quota) == text


@pytest.mark.parametrize(
    "text", ["", "0/second", "-1/minute", "1/week", "1 / minute", "1000000001/day", "1/minute\n", "٣/day"]
)
def test_refuses_anything_else(text: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        Quota.parse(text)
