"""The program as its user stops it: a process, worker processes, a signal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from conftest import REPOSITORY

PATIENCE_S = 60


@pytest.fixture
def training(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A run whose worker processes are up: the first candidate's folds are scored."""
    command = [sys.executable, str(REPOSITORY / "train_publish.py"), "--dry-run", "--out", str(tmp_path / "release")]
    environ = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environ, start_new_session=True
    ) as process:
        assert process.stdout is not None
        next(line for line in process.stdout if "logistic_regression: roc_auc" in line)
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def test_sigterm_ends_a_run_and_its_workers(training: subprocess.Popen[str]) -> None:
    training.send_signal(signal.SIGTERM)
    # The workers hold the same pipe, so the output ends when the last of them is gone.
    said, _ = training.communicate(timeout=PATIENCE_S)
    assert "Interrupted. Nothing was published." in said
    assert training.returncode == 130
