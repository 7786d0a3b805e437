"""Workers add up: whole documents, one a process, under a name."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import pytest

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


def test_what_cannot_be_written_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = Path.write_bytes

    def full(path: Path, data: bytes) -> int:
        write(path, data[:1])
        raise OSError(errno.ENOSPC, "No space left on device")

    files = WorkerFiles(tmp_path, "rows")
    files.show({"rows": 1})
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        files.show({"rows": 2})
    (shown,) = tmp_path.iterdir()
    assert shown.read_bytes() == b'{"rows":1}'


def test_who_died_is_counted_until_it_is_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = WorkerFiles(tmp_path, "rows")
    for process in (1, 2):
        (tmp_path / f"rows.{process}.json").write_text("{}")
    files.forget(1)
    files.forget(1)
    assert [path.name for path in tmp_path.iterdir()] == ["rows.2.json"]
    read = Path.read_bytes

    def forgotten_by_another_worker(path: Path) -> bytes:
        path.unlink()
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", forgotten_by_another_worker)
    assert files.others() == []


def test_a_process_that_is_alone_shows_nothing(tmp_path: Path) -> None:
    alone = WorkerFiles.of({}, "rows")
    alone.show({"rows": 1})
    alone.forget(1)
    assert (alone.shared, alone.others(), list(tmp_path.iterdir())) == (False, [], [])
