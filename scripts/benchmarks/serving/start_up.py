"""From process start to first prediction, and the memory of a worker, against a process that only imports."""

from __future__ import annotations

import time
from typing import Final

from figures import Figure, figure, printed_json, timed

from edustream_lab.processes import ProgramFailed
from serving import cores
from serving.closed_loop import rate
from serving.memory import children, resident_mib
from serving.peers import MLflow, Peers
from serving.scene import BENCHMARKS, HERE, Scene, first_answer

ROUNDS: Final = 7
PEER_ROUNDS: Final = 3
WARM_UP_S: Final = 3


class StartUp:
    """Everything on the server's core; the registry and the first caller have the other."""

    def __init__(self, scene: Scene, peers: Peers) -> None:
        self._scene = scene
        self._peers = peers

    def seconds(self) -> list[Figure]:
        """A consumer without a local copy, against the imports alone; then one with a copy."""
        imports = [*cores.on(cores.SERVER), self._scene.consumer_python, str(BENCHMARKS / "imports_only.py")]
        folder = self._scene.company.checkout.consumer
        alone, cold, warm = [], [], []
        for number in range(ROUNDS):
            alone.append(timed(imports, folder))
            cold.append(self._first_prediction(f"cache-start-{number}"))
            warm.append(self._first_prediction(f"cache-start-{number}"))
        return [
            figure("process start to first prediction, nothing cached / imports alone", cold, alone, "s", "<= 1.3"),
            figure("process start to first prediction, with a local copy / imports alone", warm, alone, "s", "<= 1.3"),
        ]

    def beside_mlflow(self) -> list[Figure]:
        """Against MLflow, from process start to its first answer."""
        peer = self._peers.ready(MLflow)
        ours, theirs = [], []
        for number in range(PEER_ROUNDS):
            ours.append(self._first_prediction(f"cache-beside-mlflow-{number}"))
            began = time.perf_counter()
            program, target = peer.start()
            theirs.append(first_answer(target, program) - began)
            program.stop()
        name = "process start to first prediction, nothing cached / MLflow models serve"
        return [figure(name, ours, theirs, "s", ">= 0")]

    def memory(self) -> list[Figure]:
        """Resident memory after a few seconds of load: of the process that serves, and of one of two workers."""
        scene = self._scene
        command = [*cores.on(cores.SERVER), scene.consumer_python, str(HERE / "imports_memory.py")]
        alone, parts = ([mib] for mib in printed_json([*command, str(scene.release / "model.onnx")], BENCHMARKS))
        consumer = scene.start_consumer(cache="cache-memory")
        rate(scene.one_row("POST /predict", consumer.url), scene.folder, WARM_UP_S)
        single = [resident_mib(consumer.program.process.pid)]
        consumer.stop()
        consumer = scene.start_consumer("--workers", "2", cache="cache-memory")
        rate(scene.one_row("POST /predict", consumer.url), scene.folder, WARM_UP_S)
        workers = [mib for mib in map(resident_mib, children(consumer.program.process.pid)) if mib > alone[0] / 2]
        consumer.stop()
        if len(workers) != 2:
            raise ProgramFailed(f"{len(workers)} processes look like one of two workers.")
        return [
            figure("resident memory of the one worker / imports alone", single, alone, "MiB", "<= 1.3"),
            figure("resident memory of one of two workers / imports alone", workers, alone, "MiB", "<= 1.3"),
            figure(
                "resident memory of the one worker / imports with model, S3 client, validator and key loaded",
                single,
                parts,
                "MiB",
                "<= 1.1",
            ),
        ]

    def _first_prediction(self, cache: str) -> float:
        began = time.perf_counter()
        consumer = self._scene.started(cache=cache)
        target = self._scene.one_row("POST /predict", consumer.url)
        took = first_answer(target, consumer.program) - began
        consumer.stop()
        return took
