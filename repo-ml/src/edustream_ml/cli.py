"""The command line of the producer: reads arguments and environment, and turns errors into exit codes."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console

from edustream_contracts.errors import InvalidInput
from edustream_ml.configuration import TrainingPlan, load_plan
from edustream_ml.gates.champion import NO_REGISTRY, Champion, read_champion
from edustream_ml.gates.comparison import Rival
from edustream_ml.outcomes import ended
from edustream_ml.prerelease import CANDIDATE
from edustream_ml.progress import ProgressReport
from edustream_ml.summary import print_summary
from edustream_ml.tracking.tracker import Tracker, open_tracker
from edustream_ml.training import Training
from edustream_ml.workflow import (
    PUBLISHING_STAGES,
    SEARCH_STAGES,
    TRAINING_STAGES,
    Deployment,
    deploy,
    document,
    last_move,
    prove,
    train,
)
from edustream_registry.announcement import require_registry
from edustream_registry.authorship import author_name, open_author
from edustream_registry.names import model_name, parse_version
from edustream_registry.publishing import AUTO
from edustream_registry.settings import RegistrySettings, with_env_file
from edustream_registry.versioning import check_stated
from edustream_registry.writing import Author

DESCRIPTION: Final = """\
Train a model as its configuration says, prove that the ONNX export agrees with it on every row, publish it as a
release, and promote it. Nothing is published unless every gate of the configuration is kept, the live release's among
them, and a clean process without the training code gives every recorded answer again."""
TRACK_HELP: Final = (
    "record the run with MLflow (the extra tracking), in tracking/mlflow.db beside this program; where "
    "MLFLOW_TRACKING_URI is set, every run of this program is recorded there"
)
EPILOGUE: Final = """\
The registry is read from the environment, or from the env file: REGISTRY_URL, AWS_ENDPOINT_URL_S3, AWS_ACCESS_KEY_ID,
AWS_SECRET_ACCESS_KEY, AWS_REGION, EDUSTREAM_TRUST_FILE, EDUSTREAM_SIGNING_KEY_FILE.

exit codes: 0 done, or nothing new; 2 wrong arguments, configuration or data; 6 registry unreachable, or the outcome of
a write is unknown; 7 the version holds something else; 8 a quality gate said no, or the version says less than the
contract does to consumers, or the promotion would break one (published, not promoted); 130 interrupted."""


@dataclass(frozen=True, slots=True)
class Arguments:
    """The command line, read; `channel` is None when nothing is to be promoted, `env_file` when none was named.

    `trials` is None where the budget of a search decides how many there are, `data` where the configuration names them.
    """

    config: Path
    version: str
    channel: str | None
    env_file: Path | None
    out: Path | None
    dry_run: bool
    publish_refused: bool
    trials: int | None = None
    data: Path | None = None
    track: bool = False


def main(argv: Sequence[str], environ: Mapping[str, str], repository: Path) -> int:
    """Run the producer; returns the process's exit code.

    Args:
        argv: the arguments after the program's name.
        environ: the process's environment.
        repository: the folder of train_publish.py, in which configs/, .env and releases/ are.
    """
    arguments = parse_arguments(argv, repository)
    run = ProducerRun(arguments, environ, repository, Console())
    return ended(run.execute, Console(stderr=True), lambda: run.standing)


def parse_arguments(argv: Sequence[str], repository: Path) -> Arguments:
    """Read the command line. Exits with code 2 for a wrong one, 0 for --help, as argparse does."""
    parser = argparse.ArgumentParser(
        prog="train_publish.py",
        description=DESCRIPTION,
        epilog=EPILOGUE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--config",
        type=Path,
        default=repository / "configs" / "churn.yaml",
        help="what to train (default: configs/churn.yaml)",
    )
    parser.add_argument(
        "--version",
        default=AUTO,
        help="semantic version of the release, or auto: patch for the same contract, minor for a compatible one, major "
        "for one that breaks consumers; or candidate: a prerelease of that number, which moves the "
        "channel candidate alone (default: auto)",
    )
    promotion = parser.add_mutually_exclusive_group()
    promotion.add_argument(
        "--promote", default="production", metavar="CHANNEL", help="channel to move to it (default: production)"
    )
    promotion.add_argument(
        "--no-promote", dest="promote", action="store_const", const=None, help="publish, and move no channel"
    )
    parser.add_argument(
        "--env-file",
        type=Path,
        help="variables that the environment does not set (default: .env beside this program)",
    )
    parser.add_argument(
        "--out", type=Path, help="folder for the release's files (default: releases/<model> beside this program)"
    )
    parser.add_argument("--dry-run", action="store_true", help="do everything but publish; needs no registry")
    parser.add_argument(
        "--publish-refused",
        action="store_true",
        help="publish also a model that a gate refused, as a prerelease, and promote it to the channel candidate "
        "alone, for people to look at; the exit code is 8 all the same",
    )
    parser.add_argument(
        "--trials",
        type=_trials,
        metavar="N",
        help="run exactly N trials of the configuration's search, whatever its budget: as many as a release had, to "
        "make it again",
    )
    parser.add_argument(
        "--data",
        type=Path,
        metavar="FILE",
        help="train on this file in place of the configuration's data; its digest is taken as it is",
    )
    parser.add_argument("--track", action="store_true", help=TRACK_HELP)
    given = parser.parse_args(argv)
    return Arguments(
        given.config,
        given.version,
        given.promote and (CANDIDATE if given.version == CANDIDATE else given.promote),
        given.env_file,
        given.out,
        given.dry_run,
        given.publish_refused,
        given.trials,
        given.data,
        given.track,
    )


def _trials(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is no number of trials: 1 is the least")
    return number


class ProducerRun:
    """One run of the producer; `standing` says at any moment what has been published."""

    def __init__(self, arguments: Arguments, environ: Mapping[str, str], repository: Path, console: Console) -> None:
        self._arguments = arguments
        self._environ = environ
        self._repository = repository
        self._console = console
        self.standing = "Nothing was published."

    def execute(self) -> None:
        """Check everything that can be checked in seconds, then train, write, prove, publish and promote."""
        arguments = self._arguments
        _check(arguments)
        plan = load_plan(arguments.config)
        plan = plan.with_data(arguments.data) if arguments.data else plan
        environ = with_env_file(self._environ, arguments.env_file or self._repository / ".env")
        tracker = open_tracker(environ, self._repository, plan, _warn, track=arguments.track)
        author = None if arguments.dry_run else connect(environ)
        if author and arguments.version not in (AUTO, CANDIDATE):
            check_stated(author.reader, plan.contract, arguments.version)
        stages = TRAINING_STAGES
        stages += SEARCH_STAGES if plan.configuration.search else 0
        stages += PUBLISHING_STAGES if author else 0
        report = ProgressReport(self._console, stages)
        with tracker:
            self._produce(plan, author, tracker, report)

    def _produce(self, plan: TrainingPlan, author: Author | None, tracker: Tracker, report: ProgressReport) -> None:
        arguments = self._arguments
        gate = plan.configuration.gates.champion
        compared = None
        if author and arguments.channel == gate.channel:
            compared = last_move(author, plan.configuration.model, gate.channel)
        training = train(
            plan,
            report,
            self._champion(author, plan),
            refused_too=arguments.publish_refused or tracker.wants_refused,
            search_directory=self._repository / "searches",
            search_trials=arguments.trials,
        )
        tracker.trained(training)
        if not arguments.publish_refused:
            training.gates.require_kept()
        directory = arguments.out or self._repository / "releases" / _folder(training)
        content = document(training, directory, self._repository, report)
        prove(content, directory, report)
        tracker.documented(content, directory)
        deployment = None
        if author:
            self.standing = (
                "Whether the release was published is not known; it is visible as a whole or not at all. "
                "Run the same command again: it finds out."
            )
            deployment = deploy(author, content, directory, arguments.version, arguments.channel, report, compared)
            self.standing = f"Published: {deployment.publication.location}."
            tracker.deployed(deployment)
        if not training.gates.kept:
            raise training.gates.refusal(_became_of(directory, deployment))
        print_summary(self._console, training, content, deployment, arguments.channel)

    def _champion(self, author: Author | None, plan: TrainingPlan) -> Champion | Rival:
        if author is None:
            return NO_REGISTRY
        return read_champion(author.reader, plan.configuration.model, plan.configuration.gates.champion.channel)


def connect(environ: Mapping[str, str]) -> Author:
    """An author whose registry answers. Raises `InvalidInput` or `Unreachable`."""
    author = open_author(RegistrySettings.from_environ(environ), author_name(environ))
    require_registry(author.store)
    return author


def _warn(text: str) -> None:
    Console(stderr=True).print(text, style="yellow", markup=False, highlight=False, soft_wrap=True)


def _folder(training: Training) -> str:
    """A model that a gate refused does not overwrite the files of a good one."""
    model = training.plan.configuration.model
    return model if training.gates.kept else f"{model}-refused"


def _became_of(directory: Path, deployment: Deployment | None) -> str:
    """What became of a model that a gate refused and that was wanted all the same."""
    if deployment is None:
        return f"nothing was published; its files and its report are in {directory}"
    manifest = deployment.publication.manifest
    promoted = f" and promoted to {CANDIDATE}" if deployment.promotion else ""
    return f"it was published as {manifest.content.model}@{manifest.version}{promoted}, and nothing else was moved"


def _check(arguments: Arguments) -> None:
    if arguments.version not in (AUTO, CANDIDATE):
        parse_version(arguments.version)
    if arguments.channel:
        model_name(arguments.channel)
    if arguments.env_file and not arguments.env_file.exists():
        raise InvalidInput(
            "argument",
            f"There is no env file {arguments.env_file}.",
            remedy="give --env-file an existing file, or leave it out.",
        )
