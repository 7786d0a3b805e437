"""The entry point as its user runs it: a process, a terminal, sudden death, Ctrl-C."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import termios
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from edustream_contracts.contract import ModelContract
from edustream_registry.testing.onnx_models import tenure_probability
from processes import PATIENCE_S, Registry

from edustream_api.offline.run import SEGMENT_ROWS

SCORE = Path(__file__).parents[1] / "score_batch.py"
ROWS = 300_000

Tenures = np.ndarray[tuple[int], np.dtype[np.int64]]


@dataclass(frozen=True)
class Run:
    """The files of one run, and the environment that names the registry."""

    folder: Path
    tenures: Tenures
    environ: dict[str, str]

    @property
    def output(self) -> Path:
        return self.folder / "scored.parquet"

    @property
    def progress(self) -> Path:
        return self.folder / ".scored.parquet.unfinished" / "progress.json"

    def argv(self, threads: str) -> list[str]:
        files = ["--input", str(self.folder / "rows.parquet"), "--output", str(self.output)]
        return [sys.executable, str(SCORE), *files, "--threads", threads, "--carry", "id", "--columns", "id,tenure"]


def write_rows(path: Path, contract: ModelContract, count: int) -> Tenures:
    """Rows that differ in their tenure, and in a number `id` that they are told apart by."""
    tenures = np.arange(count, dtype=np.int64) % 121
    columns = {
        name: pa.DictionaryArray.from_arrays(np.zeros(count, dtype=np.int32), [value]).dictionary_decode()
        for name, value in contract.example().items()
    }
    table = pa.table({"id": pa.array(np.arange(count)), **columns, "tenure": pa.array(tenures)})
    pq.write_table(table, path)
    return tenures


def on_a_terminal_until(written: Path, argv: list[str], environ: dict[str, str], number: signal.Signals) -> int:
    """Run until the file is there, then send a signal; the exit code."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(ours, (24, 120))
    told = b""
    with subprocess.Popen(argv, stderr=theirs, env=environ, start_new_session=True) as process:
        os.close(theirs)
        try:
            # The bar moves while the run goes on, so there is always something more to read.
            while not written.exists():
                told += os.read(ours, 4096)
            process.send_signal(number)
            while True:
                told += os.read(ours, 4096)
        except OSError:
            # Nobody holds the terminal any more.
            pass
        finally:
            os.close(ours)
            process.kill()
    assert b" rows" in told
    return process.returncode


@pytest.fixture
def run(registry: Registry, contract: ModelContract, tmp_path: Path) -> Run:
    registry.release("1.0.0")
    return Run(tmp_path, write_rows(tmp_path / "rows.parquet", contract, ROWS), {**os.environ, **registry.environ})


def test_a_run_that_is_killed_goes_on_where_it_was(run: Run) -> None:
    assert on_a_terminal_until(run.progress, run.argv("2"), run.environ, signal.SIGKILL) == -signal.SIGKILL
    assert not run.output.exists()
    before = json.loads(run.progress.read_bytes())["read"]
    assert 0 < before < ROWS
    assert before % SEGMENT_ROWS == 0
    done = subprocess.run(run.argv("1"), env=run.environ, capture_output=True, text=True, timeout=PATIENCE_S)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{before:,} of them before" in done.stdout
    scored = pq.read_table(run.output)
    assert scored["id"].to_numpy().tolist() == list(range(ROWS))
    expected = np.array([tenure_probability(tenure) for tenure in range(121)])[run.tenures]
    np.testing.assert_allclose(scored["probability"].to_numpy(), expected, atol=1e-6)


@pytest.mark.prove
def test_ctrl_c_is_exit_130(run: Run) -> None:
    assert on_a_terminal_until(run.progress, run.argv("2"), run.environ, signal.SIGINT) == 130
    assert not run.output.exists()
    assert 0 < json.loads(run.progress.read_bytes())["read"] < ROWS


def test_without_its_extra_it_says_what_to_install(tmp_path: Path) -> None:
    # An isolated interpreter without site-packages has none of it.
    done = subprocess.run([sys.executable, "-I", "-S", str(SCORE), "--help"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "pip install 'edustream-api[batch]'" in done.stderr
