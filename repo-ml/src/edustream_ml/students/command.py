"""The command line of the generator: writes a file of students, and says what the configuration must know of it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.console import Console

from edustream_contracts.errors import EduStreamError, InvalidInput
from edustream_contracts.exit_codes import DONE, exit_code
from edustream_ml.students.file import Drift, write_students

ROWS: Final = 200_000
SEED: Final = 42
DESCRIPTION: Final = """\
Write synthetic students of a subscription as a CSV file, for configs/edustream.yaml. Equal options give equal bytes.
The best possible ROC AUC is that of the true probabilities, which no model can surpass."""


def main(argv: Sequence[str], repository: Path) -> int:
    """Write the file; returns the process's exit code.

    Args:
        argv: the arguments after the program's name.
        repository: the folder of generate_students.py, in which data/ is.
    """
    given = _arguments(argv, repository)
    try:
        if given.rows < 1:
            raise InvalidInput("argument", f"--rows is {given.rows}.", remedy="ask for at least one student.")
        if given.seed < 0 or given.drift_from < 0:
            raise InvalidInput(
                "argument",
                f"--seed is {given.seed} and --drift-from is {given.drift_from}.",
                remedy="give whole numbers from 0 on.",
            )
        _write(given)
    except EduStreamError as error:
        Console(stderr=True).print(f"error: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        return exit_code(error)
    return DONE


def _arguments(argv: Sequence[str], repository: Path) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="generate_students.py", description=DESCRIPTION, allow_abbrev=False)
    parser.add_argument("--rows", type=int, default=ROWS, help="how many students (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=SEED, help="other seeds give other students (default: %(default)s)")
    parser.add_argument(
        "--drift",
        type=Drift,
        choices=list(Drift),
        default=Drift.NONE,
        help="what changes: inputs (less engaged students, higher prices), relation (other reasons to cancel)",
    )
    parser.add_argument(
        "--drift-from", type=int, default=0, metavar="ROW", help="from which row on, counted from 0 (default: 0)"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=repository / "data" / "edustream_students.csv",
        help="the file (default: data/edustream_students.csv beside this program)",
    )
    return parser.parse_args(argv)


def _write(given: argparse.Namespace) -> None:
    try:
        done = write_students(given.out, given.rows, given.seed, given.drift, given.drift_from)
    except OSError as error:
        raise InvalidInput(
            "argument",
            f"The students cannot be written to {given.out}: {error.strerror}.",
            remedy="name a file that you may write with --out.",
        ) from error
    facts = {
        "file": done.path,
        "rows": done.rows,
        "cancelled": f"{done.cancelled:.4f}",
        "best possible ROC AUC": f"{done.best_roc_auc:.6f}",
        "SHA-256": done.sha256,
    }
    console = Console()
    for name, fact in facts.items():
        console.print(f"{name:<21}  {fact}", markup=False, highlight=False, soft_wrap=True)
