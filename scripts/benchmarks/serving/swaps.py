"""What a hot swap costs those who ask meanwhile: the tail during swaps against the tail without any."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from figures import Figure, figure, paired_figure

from serving import cores
from serving.closed_loop import Target, rate
from serving.latencies import Load, Window, percentile
from serving.scene import Scene

POLL_INTERVAL_S: Final = 0.1
ROUNDS: Final = 5
SWAPS: Final = 8
"""In each round; an even number leaves the channel where it was."""
PAUSE_S: Final = 0.6
SETTLING_S: Final = 10.0
STEADY_S: Final = 6.0
PEAK_S: Final = 4
AFTERWARDS_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class Round:
    """A load without swaps; one with them, and of that what was due during a change; how many versions answered."""

    steady: Load
    swapping: Load
    during: Load
    seen: int


class Swaps:
    """Promotions and rollbacks at the pace of 200 in two minutes, at half and at a quarter of the peak load."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self.latencies: dict[str, dict[str, float]] = {}

    def beside_steady(self) -> list[Figure]:
        """Steady and swapping, in turn; where a swap takes longer than the pace, its version may never answer.

        The peak is that of rows answered eight at once. Rows that come alone cost more: half of it may leave the core
        no room for anything beside them, and so for no swap; a quarter does.
        """
        scene = self._scene
        consumer = scene.start_consumer("--poll-interval-s", str(POLL_INTERVAL_S), cache="cache-swaps")
        target = scene.one_row("POST /predict", consumer.url)
        peak = rate(target, scene.folder, PEAK_S)
        half = self._at(target, peak / 2, "at half of the peak load", drawn=True)
        quarter = self._at(target, peak / 4, "at a quarter of the peak load", drawn=False)
        consumer.stop()
        return [*half, *quarter]

    def _at(self, target: Target, pace: float, load: str, *, drawn: bool) -> list[Figure]:
        rounds = [self._round(target, pace) for _ in range(ROUNDS)]
        usual, during = [_p99_ms(one.steady) for one in rounds], [_p99_ms(one.during) for one in rounds]
        if drawn:
            middle = sorted(rounds, key=lambda one: _p99_ms(one.during) / _p99_ms(one.steady))[ROUNDS // 2]
            self.latencies = {
                "steady": middle.steady.milliseconds(),
                "during hot swaps": middle.during.milliseconds(),
            }
        swaps = ROUNDS * SWAPS
        return [
            paired_figure(f"p99 during {swaps} hot swaps / steady p99, {load}", during, usual, "ms", "<= 2"),
            paired_figure(
                f"p99 of a load with a swap every {PAUSE_S} s / steady p99, {load}",
                [_p99_ms(one.swapping) for one in rounds],
                usual,
                "ms",
                ">= 0",
            ),
            figure(
                f"versions that answered within that pace / asked for, {load}",
                [float(sum(one.seen for one in rounds))],
                [float(swaps)],
                "swaps",
                ">= 0",
            ),
        ]

    def _round(self, target: Target, pace: float) -> Round:
        scene = self._scene
        steady = scene.load(target, pace, STEADY_S)
        finish = scene.begin_load(target, pace, SWAPS * PAUSE_S + SETTLING_S)
        env_file = str(scene.company.home / "repo-ml" / ".env")
        arguments = (env_file, str(SWAPS), str(PAUSE_S), *scene.versions)
        asked = [(float(moment), str(version)) for moment, version in self._promote(*arguments)]
        swapping = finish()
        during = swapping.within(windows(swapping, asked))
        return Round(steady, swapping, during, swapping.changes_seen(asked))

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
