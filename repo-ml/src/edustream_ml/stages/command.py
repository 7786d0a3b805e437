"""`edustream-ml stage`: runs one stage of dvc.yaml."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from rich.console import Console

from edustream_ml.configuration import load_plan
from edustream_ml.outcomes import ended
from edustream_ml.progress import ProgressReport
from edustream_ml.stages.files import StageFiles
from edustream_ml.stages.stages import run_evaluate, run_prepare, run_publish, run_train
from edustream_ml.workflow import SEARCH_STAGES
from edustream_registry.settings import with_env_file

STEPS: Final = {"prepare": 1, "train": 2, "evaluate": 5, "publish": 4}
DESCRIPTION: Final = """\
Run one stage of dvc.yaml; dvc repro runs those whose files changed. Files are in pipeline/<model>/: prepare leaves the
checked and divided data, train the fitted model and every candidate's folds, evaluate the release's files, metrics and
plots, publish what was published."""
EPILOGUE: Final = """\
exit codes: 0 done; 2 wrong configuration or data, or an earlier stage has not run; 6 registry unreachable; 7 the
version holds something else; 8 a gate said no, and the last good release stays; 130 interrupted."""


def main(argv: Sequence[str], environ: Mapping[str, str], repository: Path) -> int:
    """Run the stage that is named; returns the process's exit code."""
    arguments = _parse(argv)
    console = Console()
    standing = "Files of earlier stages, and the last good release, are as they were."

    def execute() -> None:
        plan = load_plan(arguments.config)
        searching = SEARCH_STAGES if plan.configuration.search and arguments.stage == "train" else 0
        report = ProgressReport(console, STEPS[arguments.stage] + searching)
        files = StageFiles.of(plan, repository)
        if arguments.stage == "prepare":
            run_prepare(files, repository, report)
        elif arguments.stage == "train":
            run_train(files, repository, report)
        elif arguments.stage == "evaluate":
            run_evaluate(files, repository, report)
        else:
            known = with_env_file(environ, arguments.env_file or repository / ".env")
            run_publish(files, arguments.promote, known, report)

    return ended(execute, Console(stderr=True), lambda: standing)


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="edustream-ml stage",
        description=DESCRIPTION,
        epilog=EPILOGUE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("stage", choices=tuple(STEPS), help="which one")
    parser.add_argument("--config", type=Path, required=True, help="what to train, e.g. configs/churn.yaml")
    parser.add_argument(
        "--promote",
        default="production",
        metavar="CHANNEL",
        help="of publish: channel to move to the release (default: production)",
    )
    parser.add_argument("--env-file", type=Path, help="of publish: variables of the registry (default: .env)")
    return parser.parse_args(argv)
