"""What a hot swap costs those who ask meanwhile: the tail during swaps against the tail without any."""

from __future__ import annotations

from typing import Final

from figures import Figure, figure

from serving import cores
from serving.closed_loop import rate
from serving.latencies import Load, Window, percentile
from serving.scene import Scene

POLL_INTERVAL_S: Final = 0.1
SWAPS: Final = 40
PAUSE_S: Final = 0.6
SETTLING_S: Final = 10.0
STEADY_S: Final = 12.0
PEAK_S: Final = 4
AFTERWARDS_S: Final = 0.1


class Swaps:
    """Promotions and rollbacks at the pace of 200 in two minutes, at half of the peak load."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self.latencies: dict[str, dict[str, float]] = {}

    def beside_steady(self) -> list[Figure]:
        """Steady, swapping, steady; where a swap takes longer than the pace, its version may never answer."""
        scene = self._scene
        consumer = scene.start_consumer("--poll-interval-s", str(POLL_INTERVAL_S), cache="cache-swaps")
        target = scene.one_row("POST /predict", consumer.url)
        pace = rate(target, scene.folder, PEAK_S) / 2
        steady = [scene.load(target, pace, STEADY_S)]
        finish = scene.begin_load(target, pace, SWAPS * PAUSE_S + 2 * SETTLING_S)
        env_file = str(scene.company.home / "repo-ml" / ".env")
        arguments = (env_file, str(SWAPS), str(PAUSE_S), *scene.versions)
        asked = [(float(moment), str(version)) for moment, version in self._promote(*arguments)]
        swapping = finish()
        steady.append(scene.load(target, pace, STEADY_S))
        consumer.stop()
        during = swapping.within(windows(swapping, asked))
        self.latencies = {"steady": steady[0].milliseconds(), "during hot swaps": during.milliseconds()}
        usual = [_p99_ms(load) for load in steady]
        return [
            figure(f"p99 during {SWAPS} hot swaps / steady p99", [_p99_ms(during)], usual, "ms", "<= 2"),
            figure(
                f"p99 of a load with a swap every {PAUSE_S} s / steady p99", [_p99_ms(swapping)], usual, "ms", ">= 0"
            ),
            figure(
                "versions that answered within that pace / asked for",
                [float(swapping.changes_seen(asked))],
                [float(SWAPS)],
                "swaps",
                ">= 0",
            ),
        ]

    def _promote(self, *arguments: str) -> list[tuple[float, str]]:
        asked: list[tuple[float, str]] = self._scene.in_producer("promotions.py", *arguments, core=cores.LOAD)
        return asked


def windows(load: Load, asked: list[tuple[float, str]]) -> list[Window]:
    """The windows of change, and a moment more for what a swap leaves to be tidied up; none overlaps the next."""
    changes = load.windows_of_change(asked)
    nexts = [begin for begin, _ in changes[1:]] + [float("inf")]
    return [(begin, min(end + AFTERWARDS_S, following)) for (begin, end), following in zip(changes, nexts, strict=True)]


def _p99_ms(load: Load) -> float:
    return percentile(load.latency_s, 0.99) * 1000
