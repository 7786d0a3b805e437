"""One row a request: beside servers that do nothing, beside other model servers, and at half of the peak load."""

from __future__ import annotations

from typing import Final

from figures import Figure, figure, paired_figure

from edustream_lab.processes import free_port
from serving import cores
from serving.closed_loop import Target, rates_in_turn
from serving.latencies import percentile
from serving.peers import PEERS, Peers
from serving.scene import BENCHMARKS, Scene, first_answer

SECONDS: Final = 2
ROUNDS: Final = 11
PEER_SECONDS: Final = 4
PEER_ROUNDS: Final = 3
LOAD_SECONDS: Final = 10
EMPTY: Final = {
    "fastapi": ("empty FastAPI POST endpoint", ">= 1.2"),
    "plain": ("empty plain ASGI route", ">= 0.35"),
}
PEER_TARGETS: Final = {"mlflow": ">= 150", "bentoml": ">= 75", "mlserver": ">= 75"}
OURS: Final = "POST /predict"


class OneRow:
    """`POST /predict` with validation, metrics, drift recording and hot swap switched on, as they are by default."""

    def __init__(self, scene: Scene, peers: Peers) -> None:
        self._scene = scene
        self._peers = peers
        self.throughput: dict[str, float] = {}
        self.latencies: dict[str, dict[str, float]] = {}

    def beside_nothing(self) -> list[Figure]:
        """Against empty endpoints on the same uvicorn; then the tail at half of the peak load."""
        scene, stage = self._scene, self._scene.company.stage
        targets = {}
        for name, (label, _) in EMPTY.items():
            port = free_port()
            command = [scene.consumer_python, str(BENCHMARKS / "empty_endpoint.py"), name, str(port)]
            program = stage.start(name, [*cores.on(cores.SERVER), *command], cwd=scene.company.checkout.consumer)
            targets[name] = scene.one_row(label, f"http://127.0.0.1:{port}")
            first_answer(targets[name], program)
        consumer = scene.start_consumer(cache="cache-one-row")
        targets["ours"] = scene.one_row(OURS, consumer.url)
        rates = rates_in_turn(targets, scene.folder, SECONDS, ROUNDS)
        self._note(targets, rates)
        found = [
            paired_figure(f"one-row /predict / {label}", rates["ours"], rates[name], "requests/s", target)
            for name, (label, target) in EMPTY.items()
        ]
        peak = sorted(rates["ours"])[ROUNDS // 2]
        loads = [scene.load(targets["ours"], peak / 2, LOAD_SECONDS) for _ in range(PEER_ROUNDS)]
        self.latencies["half of the peak load"] = loads[0].milliseconds()
        p50, p99, late = (
            [percentile(values, share) * 1000 for values in series]
            for series, share in (
                ([load.latency_s for load in loads], 0.5),
                ([load.latency_s for load in loads], 0.99),
                ([load.lateness_s for load in loads], 0.99),
            )
        )
        found.append(figure("p99 / p50 of one-row /predict at half of the peak load", p99, p50, "ms", "<= 3"))
        found.append(figure("of that, the load generator's own p99 lateness / p50", late, p50, "ms", ">= 0"))
        consumer.stop()
        return found

    def beside_peers(self) -> list[Figure]:
        """Against other model servers with the same kind of model, one of them at a time beside ours."""
        scene = self._scene
        consumer = scene.start_consumer(cache="cache-peers")
        ours = scene.one_row(OURS, consumer.url)
        found = []
        for kind in PEERS:
            peer = self._peers.ready(kind)
            program, target = peer.start()
            first_answer(target, program)
            targets: dict[str, Target] = {"ours": ours, peer.package: target}
            rates = rates_in_turn(targets, scene.folder, PEER_SECONDS, PEER_ROUNDS)
            program.stop()
            self._note({peer.package: target}, rates)
            name, bound = f"one-row /predict / {peer.label}", PEER_TARGETS[peer.package]
            found.append(paired_figure(name, rates["ours"], rates[peer.package], "requests/s", bound))
        consumer.stop()
        return found

    def _note(self, targets: dict[str, Target], rates: dict[str, list[float]]) -> None:
        for name, target in targets.items():
            self.throughput[target.name] = sorted(rates[name])[len(rates[name]) // 2]
