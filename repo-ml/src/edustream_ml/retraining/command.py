"""`edustream-ml retrain`: trains on new data where a consumer reports drift, and otherwise does nothing."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from rich.console import Console

from edustream_contracts.errors import InvalidInput, NothingToServe
from edustream_ml.cli import TRACK_HELP, Arguments, ProducerRun, connect
from edustream_ml.configuration import TrainingPlan, load_plan
from edustream_ml.outcomes import ended
from edustream_ml.prerelease import CANDIDATE
from edustream_ml.retraining.drift import VERDICTS, DriftReport, ask_consumer
from edustream_registry.names import Reference
from edustream_registry.publishing import AUTO
from edustream_registry.reading import ReleaseReader
from edustream_registry.settings import with_env_file

DESCRIPTION: Final = """\
Ask a consumer whether the rows that it answers have drifted from those of its release. Where they have, train on new
data, hold the model against its gates, the live release's among them, publish it, and promote it to the channel
candidate, or to the one named. Where they have not, do nothing."""
EPILOGUE: Final = """\
exit codes: 0 no drift, or done; 2 wrong arguments, no drift report, or drift and no new data; 6 consumer or registry
unreachable; 8 drift, and a gate said no to the new model: the live one stays; else as of publish."""
SHIFTS: Final = VERDICTS[-2:]


def main(argv: Sequence[str], environ: Mapping[str, str], repository: Path) -> int:
    """Run the command; returns the process's exit code."""
    given = _parse(argv)
    console = Console()
    arguments = Arguments(
        config=given.config,
        version=CANDIDATE if given.promote == CANDIDATE else AUTO,
        channel=given.promote,
        env_file=given.env_file,
        out=None,
        dry_run=False,
        publish_refused=False,
        data=given.data,
        track=given.track,
    )
    run = ProducerRun(arguments, environ, repository, console)

    def execute() -> None:
        plan = load_plan(given.config)
        plan = plan.with_data(given.data) if given.data else plan
        drift = ask_consumer(given.if_drift, plan.configuration.model)
        if not drift.reaches(given.at):
            _say(console, f"No drift that calls for training. {drift.sentence}.")
            return
        _say(console, f"Drift. {drift.sentence}.")
        reader = connect(with_env_file(environ, given.env_file or repository / ".env")).reader
        _require_new_data(reader, plan, drift)
        if known := _trained_already(reader, plan, given.promote):
            _say(console, f"Nothing to do: {known} was trained on these rows already.")
            return
        run.execute()

    return ended(execute, Console(stderr=True), lambda: run.standing)


def _require_new_data(reader: ReleaseReader, plan: TrainingPlan, drift: DriftReport) -> None:
    """Raise `InvalidInput` (kind `data`) where the release that drifted was trained on the very same data."""
    reference = f"{drift.model}@{drift.version}"
    if _trained_on(reader, reference) == plan.configuration.data.sha256:
        raise InvalidInput(
            "data",
            f"There is drift, and no new data: {plan.data_path} is what {reference} was trained on.",
            remedy="name newer rows with --data, or in the configuration.",
        )


def _trained_already(reader: ReleaseReader, plan: TrainingPlan, channel: str) -> str | None:
    """The channel that holds a release of the plan's data already: the live one, or the one to be promoted to."""
    model = plan.configuration.model
    references = (f"{model}@{name}" for name in (plan.configuration.gates.champion.channel, channel))
    data = plan.configuration.data.sha256
    return next((reference for reference in references if _trained_on(reader, reference) == data), None)


def _trained_on(reader: ReleaseReader, reference: str) -> str | None:
    try:
        return reader.resolve(Reference.parse(reference)).manifest.content.data.sha256
    except NothingToServe:
        return None


def _say(console: Console, sentence: str) -> None:
    console.print(sentence, markup=False, highlight=False, soft_wrap=True)


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="edustream-ml retrain",
        description=DESCRIPTION,
        epilog=EPILOGUE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--if-drift",
        required=True,
        metavar="URL",
        help="the consumer's report, e.g. http://127.0.0.1:8000/drift, or /models/churn/drift where it serves several",
    )
    parser.add_argument(
        "--config", type=Path, default=Path("configs/churn.yaml"), help="what to train (default: configs/churn.yaml)"
    )
    parser.add_argument("--data", type=Path, metavar="FILE", help="newer rows, in place of the configuration's data")
    parser.add_argument(
        "--at", choices=SHIFTS, default=SHIFTS[-1], help="from which verdict on to train (default: major_shift)"
    )
    parser.add_argument(
        "--promote",
        default=CANDIDATE,
        metavar="CHANNEL",
        help=f"channel to move to the new release (default: {CANDIDATE}; it is a prerelease then, e.g. "
        "1.0.1-candidate.1, which no range such as ^1 admits)",
    )
    parser.add_argument("--track", action="store_true", help=TRACK_HELP)
    parser.add_argument("--env-file", type=Path, help="variables that the environment does not set (default: .env)")
    return parser.parse_args(argv)
