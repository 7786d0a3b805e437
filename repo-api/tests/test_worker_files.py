"""Workers add up: whole documents, one a process, under a name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from edustream_api.worker_files import WorkerFiles

WORKER = """
import os
from edustream_api.worker_files import WorkerFiles
for number in range(2):
    WorkerFiles.of(os.environ, "rows").show({"rows": number})
"""


def test_others_are_read_as_they_showed_themselves_last(tmp_path: Path) -> None:
    environ = {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    for _ in range(2):
        subprocess.run([sys.executable, "-c", WORKER], env=environ, check=True)
    files = WorkerFiles.of(environ, "rows")
    files.show({"rows": 7})
    WorkerFiles.of(environ, "rows-of-others").show({"rows": 8})
    assert files.shared
    assert files.others() == [{"rows": 1}, {"rows": 1}]
    assert not list(tmp_path.glob("*.part"))


def test_a_process_that_is_alone_shows_nothing(tmp_path: Path) -> None:
    alone = WorkerFiles.of({}, "rows")
    alone.show({"rows": 1})
    assert (alone.shared, alone.others(), list(tmp_path.iterdir())) == (False, [], [])
