from __future__ import annotations

import io

import pytest
from rich.console import Console

from edustream_registry import console, downloading
from edustream_registry.transfer_bar import transfer_bar


def test_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(console, "ERR", Console(file=screen, force_terminal=True, width=120))

    with transfer_bar("churn@1.0.0", 2_000_000) as progress:
        progress(500_000)
        progress(1_500_000)

    assert "churn@1.0.0" in screen.getvalue()
    assert "2.0/2.0 MB" in screen.getvalue()


def test_nothing_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(console, "ERR", Console(file=screen, width=120))

    with transfer_bar("churn@1.0.0", 2_000_000) as progress:
        progress(2_000_000)

    assert progress is downloading.no_progress
    assert screen.getvalue() == ""
