"""`edustream-ml`: everything that the producer does, one command each."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from edustream_contracts.exit_codes import DONE, USAGE
from edustream_ml import cli
from edustream_ml.rebuild import command as rebuild
from edustream_ml.retraining import command as retrain
from edustream_ml.stages import command as stage

Command = Callable[[Sequence[str], Mapping[str, str], Path], int]

COMMANDS: Final[dict[str, tuple[Command, str]]] = {
    "publish": (cli.main, "train, prove, publish and promote, as train_publish.py does"),
    "rebuild": (rebuild.main, "train a release again from its manifest, and compare the digests"),
    "retrain": (retrain.main, "train on new data where a consumer reports drift"),
    "stage": (stage.main, "one stage of dvc.yaml: prepare, train, evaluate, publish"),
}
HELP: Final = ("-h", "--help")


def main(argv: Sequence[str], environ: Mapping[str, str], repository: Path) -> int:
    """Run the command that `argv` begins with, in the producer's folder `repository`; returns the exit code."""
    if argv and argv[0] in COMMANDS:
        command, _ = COMMANDS[argv[0]]
        return command(argv[1:], environ, repository)
    asked = bool(argv) and argv[0] in HELP
    (sys.stdout if asked else sys.stderr).write(_usage())
    return DONE if asked else USAGE


def run() -> int:
    """The program of this name, in the current folder."""
    # SIGTERM ends a run as Ctrl-C does. By default it would end this process alone, and leave its workers behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    return main(sys.argv[1:], os.environ, Path.cwd())


def _usage() -> str:
    lines = [f"  {name:<8}  {sentence}" for name, (_, sentence) in COMMANDS.items()]
    return "\n".join(
        [
            "usage: edustream-ml COMMAND ...",
            "",
            "Run it in the producer's folder, which holds configs/ and data/. Commands:",
            "",
            *lines,
            "",
            "edustream-ml COMMAND --help lists the options of a command and its exit codes.",
            "",
        ]
    )
