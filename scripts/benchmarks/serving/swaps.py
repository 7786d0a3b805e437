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
PEAK_S: Final = 2
HALF: Final = 0.5
SHARES: Final = {HALF: "half", 0.25: "a quarter"}
AFTERWARDS_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class Round:
    """A load without swaps, one while they are asked for, what was due during one, and how many versions answered."""

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
        rounds: dict[float, list[Round]] = {share: [] for share in SHARES}
        for number in range(ROUNDS):
            peak = rate(target, scene.folder, PEAK_S)
            for share, seen in rounds.items():
                seen.append(self._round(target, peak * share, swaps_first=bool(number % 2)))
        consumer.stop()
        drawn = sorted(rounds[HALF], key=lambda one: _p99_ms(one.during) / _p99_ms(one.steady))[ROUNDS // 2]
        self.latencies = {"steady": drawn.steady.milliseconds(), "during hot swaps": drawn.during.milliseconds()}
        return [one for share, seen in rounds.items() for one in _figures(seen, SHARES[share])]

    def _round(self, target: Target, pace: float, *, swaps_first: bool) -> Round:
        if swaps_first:
            swapping, asked = self._swapping(target, pace)
            steady = self._scene.load(target, pace, STEADY_S)
        else:
            steady = self._scene.load(target, pace, STEADY_S)
            swapping, asked = self._swapping(target, pace)
        paced = swapping.within([(asked[0][0], asked[-1][0] + PAUSE_S)])
        return Round(steady, paced, swapping.within(windows(swapping, asked)), swapping.changes_seen(asked))

    def _swapping(self, target: Target, pace: float) -> tuple[Load, list[tuple[float, str]]]:
        scene = self._scene
        finish = scene.begin_load(target, pace, SWAPS * PAUSE_S + SETTLING_S)
        env_file = str(scene.company.home / "repo-ml" / ".env")
        arguments = (env_file, str(SWAPS), str(PAUSE_S), *scene.versions)
        asked = [(float(moment), str(version)) for moment, version in self._promote(*arguments)]
        return finish(), asked

    def _promote(self, *arguments: str) -> list[tuple[float, str]]:
        asked: list[tuple[float, str]] = self._scene.in_producer("promotions.py", *arguments, core=cores.LOAD)
        return asked


def windows(load: Load, asked: list[tuple[float, str]]) -> list[Window]:
    """The windows of change, and a moment more for what a swap leaves to be tidied up; none overlaps the next."""
    changes = load.windows_of_change(asked)
    nexts = [begin for begin, _ in changes[1:]] + [float("inf")]
    return [(begin, min(end + AFTERWARDS_S, following)) for (begin, end), following in zip(changes, nexts, strict=True)]


def _figures(rounds: list[Round], share: str) -> list[Figure]:
    usual = [_p99_ms(one.steady) for one in rounds]
    load = f"at {share} of the peak load"
    return [
        paired_figure(
            f"p99 during hot swaps / steady p99, {load}, median of {ROUNDS} rounds of {SWAPS} swaps",
            [_p99_ms(one.during) for one in rounds],
            usual,
            "ms",
            "<= 2",
        ),
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
            [float(ROUNDS * SWAPS)],
            "swaps",
            ">= 0",
        ),
    ]


def _p99_ms(load: Load) -> float:
    return percentile(load.latency_s, 0.99) * 1000
