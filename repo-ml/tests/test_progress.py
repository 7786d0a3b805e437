from __future__ import annotations

import io

from rich.console import Console

from edustream_ml.progress import ProgressReport


def test_a_terminal_gets_a_bar_and_a_file_gets_lines() -> None:
    for terminal in (True, False):
        output = io.StringIO()
        report = ProgressReport(Console(file=output, force_terminal=terminal), 2)
        report.stage("Comparing [all] candidates")
        assert list(report.track(iter([1, 2, 3]), "forest", 3)) == [1, 2, 3]
        report.note("done")
        text = output.getvalue()
        assert "[1/2] Comparing [all] candidates" in text
        assert "done" in text
        assert ("forest" in text) is terminal
