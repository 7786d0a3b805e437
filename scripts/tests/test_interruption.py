"""Ctrl-C at the demonstration: nothing of it goes on running."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from edustream_lab.places import Checkout
from edustream_lab.processes import Stage


def processes_with(text: str) -> list[int]:
    """Ids of the processes whose command line or environment mentions `text`."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                said = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue
            if text.encode() in said:
                found.append(int(entry.name))
    return found


def test_an_interrupted_demonstration_leaves_nothing_running(
    checkout: Checkout, programs: Stage, tmp_path: Path
) -> None:
    place = tmp_path / "place"
    place.mkdir()
    demo = programs.start(
        "demo", [sys.executable, "scripts/demo.py"], cwd=checkout.root, variables={"TMPDIR": str(place)}
    )
    demo.wait_for(lambda: "Comparing the candidates" in demo.output, "training", 120)
    assert len(processes_with(str(place))) >= 3
    assert demo.stop(signal.SIGINT) == 130
    assert processes_with(str(place)) == []
    assert list(place.iterdir()) == []
    assert "Interrupted" in demo.output
