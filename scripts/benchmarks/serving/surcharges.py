"""What can be switched on beside answering, and what it costs in throughput: shadow scoring, drift recording."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from figures import Figure, paired_figure

from serving.closed_loop import CONNECTIONS, rates_in_turn
from serving.scene import Scene

SECONDS: Final = 1
ROUNDS: Final = 31


@dataclass(frozen=True, slots=True)
class Surcharge:
    """One comparison of a consumer with these options against one with those."""

    name: str
    options: Sequence[str]
    without: Sequence[str]
    target: str


SHADOW: Final = Surcharge(
    "requests/s with a shadow at 10 % sampling / without",
    ("--shadow", "churn@candidate", "--shadow-sample", "0.1"),
    (),
    ">= 0.95",
)
SPLIT: Final = Surcharge(
    "requests/s with a split that gives 10 % of the callers to a challenger / without",
    ("--split", "churn@candidate=10"),
    (),
    ">= 0.95",
)
WITHOUT_DRIFT: Final = ("--drift", "false")
DRIFT: Final = Surcharge("requests/s with drift recording / without", (), WITHOUT_DRIFT, ">= 0.97")
EVERY_ROW: Final = Surcharge(
    "requests/s with every row recorded for drift, at whatever pace / without",
    ("--drift-rows-per-second", "1000000"),
    WITHOUT_DRIFT,
    ">= 0",
)
CALLERS: Final = 1000
MANY: Final = 64
ONE_LOAD: Final[Mapping[str, int]] = {"": CONNECTIONS}


class Surcharges:
    """Two consumers on the same core, one of which is loaded at a time."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene

    def cost(self, surcharge: Surcharge, connections: Mapping[str, int] = ONE_LOAD) -> list[Figure]:
        """Throughput with it against throughput without it, in many short rounds in turn, under each of the loads.

        Each caller sends another row of the data set.
        """
        scene = self._scene
        consumers = {
            name: scene.start_consumer(*options, cache=f"cache-{name}")
            for name, options in (("with", surcharge.options), ("without", surcharge.without))
        }
        callers = [json.dumps(row) for row in scene.rows[:CALLERS]]
        targets = {
            name: replace(scene.one_row(f"POST /predict {name}", one.url), callers=callers)
            for name, one in consumers.items()
        }
        figures = []
        for load, number in connections.items():
            rates = rates_in_turn(targets, scene.folder, SECONDS, ROUNDS, number)
            name = surcharge.name + load
            figures.append(paired_figure(name, rates["with"], rates["without"], "requests/s", surcharge.target))
        for consumer in consumers.values():
            consumer.stop()
        return figures

    def shadow(self) -> list[Figure]:
        """The challenger is scored outside the request path."""
        return self.cost(SHADOW)

    def split(self) -> list[Figure]:
        """The challenger answers its share of the callers, who are told apart by a header.

        Its runs come on top of the champion's; the more rows arrive together, the less that is for each of them.
        What the second run alone costs is measured beside it, without a server.
        """
        scene = self._scene
        arguments = (scene.release, scene.sibling, scene.rows_file, CONNECTIONS, ROUNDS)
        seen = scene.in_consumer("two_models.py", *map(str, arguments))
        name = f"{CONNECTIONS} rows without a server: 1 of them by a challenger / all by the champion"
        alone = paired_figure(name, seen["two"], seen["one"], "us", ">= 0")
        return [*self.cost(SPLIT, {**ONE_LOAD, f", {MANY} connections": MANY}), alone]

    def drift(self) -> list[Figure]:
        """Rows and answers are counted against the release's profile: at the pace that is set by default, and all."""
        return [*self.cost(DRIFT), *self.cost(EVERY_ROW)]
