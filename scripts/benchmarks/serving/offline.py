"""Files of rows: `score_batch.py` against scikit-learn on a ready DataFrame, on one core and on two.

The whole process of `score_batch.py` is timed: imports, the release from the registry, its replay, both SHA-256 of the
input, reading, validation, inference and writing. Of scikit-learn nothing but `predict_proba` is.
"""

from __future__ import annotations

import statistics
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from figures import Figure, figure, paired_figure, printed

from edustream_lab.processes import ProgramFailed, environment
from serving import cores
from serving.batches import ScikitLearn
from serving.memory import resident_mib_of_all
from serving.scene import Scene

ROUNDS: Final = 3
CALLS: Final = 3
FRAME_ROWS: Final = 100_000
ALLOWED_MIB: Final = 1024
ANSWERED: Final = "import sys; from pyarrow import parquet; print(parquet.read_metadata(sys.argv[1]).num_rows)"
SAMPLED_EVERY_S: Final = 0.02


@dataclass(frozen=True, slots=True)
class Scored:
    """One whole run of `score_batch.py`: its seconds, and the most memory that it held."""

    seconds: float
    memory_mib: float


class Offline:
    """Files made of the rows of the data set: of `rows` for speed, and of `many_rows` for memory."""

    def __init__(self, scene: Scene, rows: int, many_rows: int) -> None:
        self._scene = scene
        self._rows = rows
        self._many_rows = many_rows

    def beside_scikit_learn(self) -> list[Figure]:
        """In turn: scikit-learn, one core, two cores."""
        scene = self._scene
        parquet = self._written("parquet", self._rows)
        library = ScikitLearn(scene)
        library.fit()
        theirs: list[float] = []
        one: list[Scored] = []
        two: list[Scored] = []
        for _ in range(ROUNDS):
            theirs.append(statistics.median(library.score(scene.rows, FRAME_ROWS, CALLS)[0]))
            one.append(self._score(parquet, self._rows, cores.SERVER))
            two.append(self._score(parquet, self._rows, cores.SERVER, cores.LOAD))
        parquet.unlink()
        ours, both = ([self._rows / run.seconds for run in runs] for runs in (one, two))
        timed = f"score_batch.py of {self._rows:,} rows, start to end of the process"
        return [
            paired_figure(f"{timed} / scikit-learn predict_proba alone", ours, theirs, "rows/s", ">= 1.5"),
            paired_figure(f"{timed}, on two cores / on one", both, ours, "rows/s", ">= 1.6"),
        ]

    def memory(self) -> list[Figure]:
        """The most that a process held at any time, of which each core has a thread of its own."""
        return [self._memory(kind, name) for kind, name in (("parquet", "Parquet"), ("csv", "CSV"))]

    def _memory(self, kind: str, name: str) -> Figure:
        file = self._written(kind, self._many_rows)
        scored = self._score(file, self._many_rows, cores.SERVER, cores.LOAD)
        file.unlink()
        of = f"memory of score_batch.py of {self._many_rows:,} rows of {name} / allowed"
        return figure(of, [scored.memory_mib], [ALLOWED_MIB], "MiB", "<= 1")

    def _written(self, kind: str, rows: int) -> Path:
        file = self._scene.folder / f"rows.{kind}"
        self._scene.in_consumer("write_rows.py", str(self._scene.rows_file), str(rows), str(file))
        return file

    def _score(self, file: Path, rows: int, *on: int) -> Scored:
        scene = self._scene
        output = scene.folder / f"scored-{time.monotonic_ns()}.parquet"
        command = [*cores.on(*on), scene.consumer_python, "score_batch.py", "--model", "churn@production"]
        command += ["--input", str(file), "--output", str(output), "--threads", str(len(on))]
        command += ["--env-file", str(scene.company.home / "repo-api" / ".env")]
        command += ["--cache-dir", str(scene.folder / "cache-offline")]
        log = scene.folder / "score_batch.log"
        began = time.perf_counter()
        memory = 0.0
        with log.open("wb") as sink:
            process = subprocess.Popen(
                command, cwd=scene.company.checkout.consumer, env=environment(), stdout=sink, stderr=subprocess.STDOUT
            )
            while process.poll() is None:
                memory = max(memory, resident_mib_of_all(process.pid))
                time.sleep(SAMPLED_EVERY_S)
        seconds = time.perf_counter() - began
        if process.returncode:
            raise ProgramFailed(f"score_batch.py ended with {process.returncode}:\n{log.read_text()[-2000:]}")
        answered = printed([scene.consumer_python, "-c", ANSWERED, str(output)], scene.folder)
        if answered != rows:
            raise ProgramFailed(f"score_batch.py answered {answered:.0f} of {rows} rows.")
        output.unlink()
        return Scored(seconds, memory)
