"""`make bench-serving`: the consumer beside empty endpoints, other model servers, and scikit-learn itself.

Everything is measured side by side, A B A B, in one run: the server has one core, the load the other. What is written
are ratios of medians with the figures behind them, and a plot of them.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from figures import Figure
from record import machine, report, say, versions

from edustream_lab.company import Company
from edustream_lab.places import Checkout
from edustream_lab.processes import ProgramFailed, Stage, stage
from serving import cores
from serving.batches import Batches
from serving.offline import Offline
from serving.one_row import OneRow
from serving.peers import Peers
from serving.scene import HERE, Scene
from serving.start_up import StartUp
from serving.surcharges import Surcharges
from serving.swaps import Swaps

ROOT: Final = Path(__file__).resolve().parents[2]
RESULTS: Final = ROOT / "bench" / "serving.json"
ROWS: Final = 2_000_000
MANY_ROWS: Final = 10_000_000
COMPARED: Final = ("fastapi", "uvicorn", "onnxruntime", "boto3")


class Bench:
    """One run: every part, and what they leave for the plot."""

    def __init__(self, scene: Scene, environments: Path, rows: int, many_rows: int) -> None:
        self.scene = scene
        self.peers = Peers(scene, environments)
        self.one_row = OneRow(scene, self.peers)
        self.batches = Batches(scene)
        self.offline = Offline(scene, rows, many_rows)
        self.start_up = StartUp(scene, self.peers)
        self.swaps = Swaps(scene)
        self.surcharges = Surcharges(scene)

    def measure(self, chosen: Sequence[str]) -> Iterator[Figure | str]:
        """The figures of the chosen parts, or why a part has none."""
        for name in chosen:
            say(f"-- {name}")
            try:
                with cores.staying_on(cores.LOAD):
                    yield from PARTS[name](self)
            except (ProgramFailed, subprocess.CalledProcessError, ValueError) as error:
                yield f"{name}: {_told(error)}"


PARTS: Final[dict[str, Callable[[Bench], list[Figure]]]] = {
    "one-row": lambda bench: bench.one_row.beside_nothing(),
    "peers": lambda bench: bench.one_row.beside_peers(),
    "batch": lambda bench: bench.batches.beside_scikit_learn(),
    "offline": lambda bench: bench.offline.beside_scikit_learn(),
    "offline-memory": lambda bench: bench.offline.memory(),
    "start": lambda bench: bench.start_up.seconds(),
    "start-mlflow": lambda bench: bench.start_up.beside_mlflow(),
    "memory": lambda bench: bench.start_up.memory(),
    "swaps": lambda bench: bench.swaps.beside_steady(),
    "shadow": lambda bench: bench.surcharges.shadow(),
    "split": lambda bench: bench.surcharges.split(),
    "drift": lambda bench: bench.surcharges.drift(),
}


def results(bench: Bench, chosen: Sequence[str]) -> dict[str, Any]:
    """Measure, tell of it on the way, and return what is to be written."""
    scene = bench.scene
    figures: list[Figure] = []
    missing: list[str] = []
    for found in bench.measure(chosen):
        if isinstance(found, Figure):
            figures.append(found)
            report(found)
        else:
            missing.append(found.splitlines()[0])
            say(f"NONE {found}")
    pythons = {**dict.fromkeys(COMPARED, scene.consumer_python), "scikit-learn": scene.producer_python}
    return {
        "measured_at": datetime.now(UTC).date().isoformat(),
        "machine": machine(),
        "versions": versions({**pythons, **bench.peers.pythons()}),
        "model": scene.chosen,
        "throughput": bench.one_row.throughput,
        "latencies_ms": {**bench.one_row.latencies, **bench.swaps.latencies},
        "figures": [asdict(row) for row in figures],
        "not_measured": missing,
    }


def _told(error: Exception) -> str:
    output = getattr(error, "stderr", None)
    last = str(output).strip().splitlines()[-1:] if output else []
    return " ".join([str(error), *last])


def _prepared(programs: Stage, folder: Path) -> Scene:
    scene = Scene(Company(Checkout.of(Path(__file__)), programs, folder), folder)
    say("preparing: a registry, two trained releases")
    scene.prepare()
    return scene


def _arguments(parts: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--only", action="append", choices=parts, metavar="PART", help=f"measure this part: {', '.join(parts)}"
    )
    parser.add_argument(
        "--rows", type=int, default=ROWS, help="rows that are scored offline for speed (default: %(default)s)"
    )
    parser.add_argument("--many-rows", type=int, default=MANY_ROWS, help="the same, for memory (default: %(default)s)")
    parser.add_argument("--environments", type=Path, help="folder that keeps the peers' environments for the next run")
    parser.add_argument(
        "--output", type=Path, help="where the results go (default: bench/serving.json; with --only, nowhere)"
    )
    return parser.parse_args()


def main() -> int:
    """Measure and write; 0 when every part was measured and every target is met."""
    lacking = cores.missing()
    if lacking:
        sys.stderr.write(f"{lacking}\n")
        return 2
    given = _arguments(list(PARTS))
    output = given.output or (None if given.only else RESULTS)
    with tempfile.TemporaryDirectory(prefix="edustream-bench-") as name, stage(Path(name) / "logs") as programs:
        folder = Path(name)
        try:
            scene = _prepared(programs, folder)
            bench = Bench(scene, given.environments or folder / "environments", given.rows, given.many_rows)
            found = results(bench, given.only or list(PARTS))
        except (ProgramFailed, subprocess.CalledProcessError) as error:
            sys.stderr.write(f"The benchmark failed: {_told(error)}\n")
            return 1
        except KeyboardInterrupt:
            sys.stderr.write("Interrupted; stopping everything.\n")
            return 130
    if output:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(json.dumps(found, indent=2) + "\n")
        plot = output.with_suffix(".png")
        subprocess.run([scene.producer_python, str(HERE / "plot.py"), str(output), str(plot)], check=True)
        say(f"written: {output}, {plot}")
    met = all(row["met"] for row in found["figures"])
    return 0 if met and not found["not_measured"] else 1


if __name__ == "__main__":
    sys.exit(main())
