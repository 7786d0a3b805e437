"""`edustream-ml rebuild`: trains a release again, from its manifest alone, and says whether the same model came out."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from rich.console import Console

from edustream_contracts.errors import GateRefused, InvalidInput
from edustream_contracts.exit_codes import DONE, EXIT_CODES
from edustream_ml.outcomes import ended
from edustream_ml.progress import ProgressReport
from edustream_ml.rebuild.comparison import Rebuilt, compare, require_same_model
from edustream_ml.rebuild.environment import Environment, current_environment, fresh_environment
from edustream_ml.rebuild.recipe import PROGRAM, Recipe
from edustream_ml.rebuild.source import check_out, place_data
from edustream_registry.announcement import require_registry
from edustream_registry.connection import open_reader
from edustream_registry.inference.loading import MODEL_FILE
from edustream_registry.names import Reference
from edustream_registry.settings import RegistrySettings, with_env_file

STAGES: Final = 4
SAME: Final = "REBUILT: the same model, byte for byte"
DESCRIPTION: Final = """\
Train a release again from what its manifest names: the commit, the lock file, the configuration with its seed, the
data. The commit is taken from the git repository of this folder into a folder of its own; nothing here is changed, and
nothing is published. A new environment is made from the commit's lock, with hashes; contracts and registry client are
built from the same commit, or come from --wheels where the producer has a repository of its own."""
EPILOGUE: Final = """\
exit codes: 0 the same model.onnx; 2 it cannot be tried: no such commit, other data, another Python, trained with
changes that were not in git; 3 no such release; 4 model.onnx differs, or the manifest cannot be trusted; 6 registry
unreachable."""


def main(argv: Sequence[str], environ: Mapping[str, str], repository: Path) -> int:
    """Run the command; returns the process's exit code. `repository` is the producer's folder, inside git."""
    arguments = _parse(argv)
    console = Console()

    def execute() -> None:
        settings = RegistrySettings.from_environ(with_env_file(environ, arguments.env_file or repository / ".env"))
        reader = open_reader(settings)
        require_registry(reader.store)
        report = ProgressReport(console, STAGES)
        recipe = Recipe.of(reader.resolve(Reference.parse(arguments.release)).manifest)
        with tempfile.TemporaryDirectory(prefix="edustream-rebuild-") as work:
            rebuilt = rebuild(recipe, repository, Path(work).resolve(), arguments, environ, report)
        for one in rebuilt:
            report.note(one.line)
        require_same_model(recipe, rebuilt)
        console.print(f"{SAME}: {recipe.release}", style="bold green", markup=False, highlight=False, soft_wrap=True)

    return ended(execute, Console(stderr=True), lambda: "Nothing was changed.")


def rebuild(
    recipe: Recipe,
    repository: Path,
    work: Path,
    arguments: argparse.Namespace,
    environ: Mapping[str, str],
    report: ProgressReport,
) -> list[Rebuilt]:
    """Make the release's files again below the folder `work`, and compare them.

    Raises `InvalidInput` where it cannot be tried; see `check_out`, `place_data`, `fresh_environment`.
    """
    report.stage(f"Taking the commit {recipe.commit[:12]} of {recipe.release} out of git")
    folder = check_out(recipe, repository, work / "commit")
    place_data(recipe, folder, repository, arguments.data)
    report.stage("Making its environment")
    if arguments.environment == "current":
        environment = current_environment(recipe, folder, environ)
    else:
        environment = fresh_environment(recipe, folder, work, arguments.python, arguments.wheels, environ, report)
    report.stage(f"Training as its manifest says: {recipe.config}, seed {recipe.seed}")
    made = work / "release"
    _train(recipe, folder, environment, made)
    report.stage("Comparing every file")
    return compare(recipe, made)


def _train(recipe: Recipe, folder: Path, environment: Environment, made: Path) -> None:
    command = [str(environment.python), PROGRAM, *recipe.options, "--out", str(made)]
    # The options were matched against what the producer itself writes into a manifest.
    code = subprocess.run(command, cwd=folder, env=environment.environ, check=False).returncode  # noqa: S603
    if code not in (DONE, EXIT_CODES[GateRefused]) or not (made / MODEL_FILE).is_file():
        raise InvalidInput(
            "configuration",
            f"The training of {recipe.release} ended with exit code {code}, and made no model.",
            remedy="read what it said, above.",
        )


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="edustream-ml rebuild",
        description=DESCRIPTION,
        epilog=EPILOGUE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("release", help="e.g. churn@1.2.0, churn@production, churn@^1")
    parser.add_argument(
        "--environment",
        choices=("fresh", "current"),
        default="fresh",
        help="fresh: a new one from the commit's lock; current: this one, if its versions are those of the manifest "
        "(default: fresh)",
    )
    parser.add_argument(
        "--python",
        type=Path,
        default=Path(sys.executable),
        help="the interpreter that a fresh environment is made with (default: this one)",
    )
    parser.add_argument(
        "--wheels",
        type=Path,
        metavar="FOLDER",
        help="the wheels of contracts and registry client, where the commit does not hold these",
    )
    parser.add_argument(
        "--data", type=Path, metavar="FILE", help="the release's data, where the commit does not hold them"
    )
    parser.add_argument("--env-file", type=Path, help="variables that the environment does not set (default: .env)")
    return parser.parse_args(argv)
