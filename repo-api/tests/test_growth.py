"""Nothing grows with the number of requests: not memory, not what lies on disk, not the metrics."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from growth import ASKED

SCRIPT = Path(__file__).with_name("growth.py")
ALLOWED_BYTES = 50
"""Bytes a request: less than one kept path, header or name would take."""


@pytest.mark.parametrize("rounds", [100, pytest.param(5000, marks=pytest.mark.prove)])
def test_thousands_of_requests_leave_nothing_behind(tmp_path: Path, rounds: int) -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(tmp_path), str(rounds)], capture_output=True, check=True, text=True
    )
    for grown in json.loads(done.stdout):
        assert grown.pop("memory_bytes") < ALLOWED_BYTES * ASKED * rounds
        assert grown == {"disk_bytes": 0, "files": 0, "metric_lines": 0}
