"""`make bench-training`: the producer beside pandas and scikit-learn, and the memory that it takes.

Everything is measured side by side, A B A B, in one run; what is written are ratios of medians with the seconds and
mebibytes behind them.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from figures import Figure
from record import machine, report, say, versions

from edustream_lab.company import Company
from edustream_lab.places import Checkout
from edustream_lab.processes import ProgramFailed, stage
from training.students import Students
from training.whole_run import WholeRun

ROOT: Final = Path(__file__).resolve().parents[2]
RESULTS: Final = ROOT / "bench" / "training.json"
ROWS: Final = 1_000_000
COMPARED: Final = ("pandas", "pyarrow", "scikit-learn")


class Bench:
    """One run on one throwaway company."""

    def __init__(self, company: Company, folder: Path, rows: int) -> None:
        self.company = company
        self.students = Students(company, folder, rows)
        self.whole_run = WholeRun(company)


PARTS: Final[dict[str, Callable[[Bench], list[Figure]]]] = {
    "memory": lambda bench: bench.students.memory(),
    "validation": lambda bench: bench.students.validation(),
    "churn": lambda bench: bench.whole_run.beside_bare_scikit_learn(),
}


def results(bench: Bench, chosen: Sequence[str]) -> dict[str, Any]:
    """Measure the chosen parts, tell of it on the way, and return what is to be written."""
    figures = []
    for name in chosen:
        say(f"-- {name}")
        for row in PARTS[name](bench):
            figures.append(row)
            report(row)
    python = bench.company.checkout.python(bench.company.checkout.producer)
    return {
        "measured_at": datetime.now(UTC).date().isoformat(),
        "machine": machine(),
        "versions": versions(dict.fromkeys(COMPARED, python)),
        "figures": [asdict(row) for row in figures],
    }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--only", action="append", choices=list(PARTS), metavar="PART", help=f"measure this part: {', '.join(PARTS)}"
    )
    parser.add_argument("--rows", type=int, default=ROWS, help="rows of students (default: %(default)s)")
    parser.add_argument(
        "--output", type=Path, help="where the results go (default: bench/training.json; with --only, nowhere)"
    )
    return parser.parse_args()


def main() -> int:
    """Measure and write; 0 when every target is met."""
    given = _arguments()
    output = given.output or (None if given.only else RESULTS)
    with tempfile.TemporaryDirectory(prefix="edustream-bench-") as name, stage(Path(name) / "logs") as programs:
        folder = Path(name)
        try:
            bench = Bench(Company(Checkout.of(Path(__file__)), programs, folder), folder, given.rows)
            found = results(bench, given.only or list(PARTS))
        except (ProgramFailed, subprocess.CalledProcessError) as error:
            sys.stderr.write(f"The benchmark failed: {error}\n{getattr(error, 'stderr', None) or ''}\n")
            return 1
        except KeyboardInterrupt:
            sys.stderr.write("Interrupted; stopping everything.\n")
            return 130
    if output:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(json.dumps(found, indent=2) + "\n")
        say(f"written: {output}")
    return 0 if all(row["met"] for row in found["figures"]) else 1


if __name__ == "__main__":
    sys.exit(main())
