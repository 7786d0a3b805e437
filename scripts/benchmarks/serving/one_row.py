"""One row a request: beside servers that do nothing, beside other model servers, and at half of the peak load."""

from __future__ import annotations

from typing import Final

from figures import Figure, paired_figure

from edustream_lab.processes import free_port
from serving import cores
from serving.closed_loop import Target, rate, rates_in_turn
from serving.latencies import Load, percentile
from serving.peers import PEERS, Peers
from serving.scene import BENCHMARKS, POLL_INTERVAL_S, Scene, first_answer

SECONDS: Final = 2
ROUNDS: Final = 11
PEER_SECONDS: Final = 4
PEER_ROUNDS: Final = 3
TAIL_PEAK_SECONDS: Final = 1
TAIL_SECONDS: Final = POLL_INTERVAL_S
PART_SECONDS: Final = 0.25
TAIL_ROUNDS: Final = 9
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
        found += self._tails(targets["ours"], targets["plain"])
        consumer.stop()
        return found

    def _tails(self, ours: Target, plain: Target) -> list[Figure]:
        """The tail at half of the peak load, which is measured anew before each round, and that of an empty route.

        Each round holds one poll of the registry. A machine whose cores are taken away for milliseconds shows that in
        both tails, and less in those of the parts of a second that it leaves alone.
        """
        scene = self._scene
        loads: list[Load] = []
        empty: list[Load] = []
        for _ in range(TAIL_ROUNDS):
            half = rate(ours, scene.folder, TAIL_PEAK_SECONDS) / 2
            loads.append(scene.load(ours, half, TAIL_SECONDS))
            empty.append(scene.load(plain, half, TAIL_SECONDS))
        self.latencies["half of the peak load"] = sorted(loads, key=_tail)[TAIL_ROUNDS // 2].milliseconds()
        name = "p99 / p50 of one-row /predict at half of the peak load"
        of_empty = "p99 / p50 of an empty plain ASGI route at that load"
        late = f"{name}: the load generator's own p99 lateness / p50"
        lateness = [percentile(load.lateness_s, 0.99) * 1000 for load in loads]
        return [
            _tails_figure(name, loads, "<= 3"),
            paired_figure(late, lateness, [_ms(load, 0.5) for load in loads], "ms", ">= 0"),
            _tails_figure(f"{name}, within a quarter of a second", _parts(loads), ">= 0"),
            _tails_figure(of_empty, empty, ">= 0"),
            _tails_figure(f"{of_empty}, within a quarter of a second", _parts(empty), ">= 0"),
        ]

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


def _tails_figure(name: str, loads: list[Load], target: str) -> Figure:
    return paired_figure(name, [_ms(load, 0.99) for load in loads], [_ms(load, 0.5) for load in loads], "ms", target)


def _parts(loads: list[Load]) -> list[Load]:
    return [part for load in loads for part in load.parts(PART_SECONDS)]


def _tail(load: Load) -> float:
    return _ms(load, 0.99) / _ms(load, 0.5)


def _ms(load: Load, share: float) -> float:
    return percentile(load.latency_s, share) * 1000
