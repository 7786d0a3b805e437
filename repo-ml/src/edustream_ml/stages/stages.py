"""What each stage does. Only `publish` talks to a registry, so that the others depend on nothing but their files."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from edustream_contracts.errors import InvalidInput, Problem
from edustream_ml.calibration import rounded
from edustream_ml.cli import connect
from edustream_ml.gates.champion import read_champion
from edustream_ml.progress import ProgressReport
from edustream_ml.stages.files import StageFiles
from edustream_ml.training import Training
from edustream_ml.workflow import Deployment, Learned, Prepared, assess, deploy, document, learn, prepare, prove
from edustream_registry.manifest import ReleaseContent, ReleaseFile
from edustream_registry.publishing import AUTO

PREPARED: Final = "prepared"
LEARNED: Final = "learned"


def run_prepare(files: StageFiles, report: ProgressReport) -> None:
    """Check the data set and set the held-out rows aside."""
    files.keep(PREPARED, prepare(files.plan, report))


def run_train(files: StageFiles, repository: Path, report: ProgressReport) -> None:
    """Choose a candidate on the training rows, and fit it."""
    prepared = files.take(PREPARED, Prepared, "prepare")
    learned = learn(files.plan, prepared.split.training, report, repository / "searches")
    files.keep(LEARNED, learned)
    files.write_json(
        "candidates.json",
        {
            score.candidate.label: {f"cross_validation_{name}": rounded(score.mean_of(name)) for name in score.folds[0]}
            for score in learned.candidates
        },
    )
    files.write_csv(
        "folds.csv",
        ("fold", "candidate", "score"),
        (
            (number, score.candidate.label, rounded(fold[score.metric]))
            for score in learned.candidates
            for number, fold in enumerate(score.folds, start=1)
        ),
    )


def run_evaluate(files: StageFiles, repository: Path, report: ProgressReport) -> None:
    """Evaluate, prove and document the fitted model; only one that every gate lets pass takes the place of the last.

    Raises `GateRefused`; the files of a refused model are in a folder of their own then.
    """
    prepared, learned = _taken(files)
    training = assess(files.plan, prepared, learned, report, refused_too=True)
    new = files.fresh_folder()
    prove(document(training, new, repository, report), new, report)
    if not training.gates.kept:
        files.put(new, files.refused)
        raise training.gates.refusal(f"the last good release stays; this one's report is in {files.refused}")
    files.put(new, files.release)
    files.write_json("metrics.json", {"metrics": training.metrics, "gates": training.gates.metrics()})
    files.write_csv(
        "importance.csv",
        ("column", "importance"),
        ((one.column, rounded(one.mean)) for one in training.inspection.importance),
    )


def run_publish(
    files: StageFiles, repository: Path, channel: str | None, environ: Mapping[str, str], report: ProgressReport
) -> Deployment:
    """Hold the model against the live release too, publish the evaluated files, and promote them to `channel`.

    Raises `GateRefused`; `InvalidInput` (kind `argument`) where the files are not those of the fitted model.
    """
    plan = files.plan
    author = connect(environ)
    champion = read_champion(author.reader, plan.configuration.model, plan.configuration.gates.champion.channel)
    training = assess(plan, *_taken(files), report, champion)
    content = _documented(training, files, repository, report)
    deployment = deploy(author, content, files.release, AUTO, channel, report)
    manifest = deployment.publication.manifest
    files.write_json(
        "published.json",
        {
            "release": f"{manifest.content.model}@{manifest.version}",
            "manifest_sha256": deployment.publication.release.digest,
            "location": deployment.publication.location,
        },
    )
    return deployment


def _taken(files: StageFiles) -> tuple[Prepared, Learned]:
    return files.take(PREPARED, Prepared, "prepare"), files.take(LEARNED, Learned, "train")


def _documented(training: Training, files: StageFiles, repository: Path, report: ProgressReport) -> ReleaseContent:
    """The statement about the evaluated files, after all of them were made again, the same."""
    new = files.fresh_folder()
    content = document(training, new, repository, report)
    problems = [
        Problem(file.name, "is not what the fitted model gives")
        for file in content.files
        if not (files.release / file.name).is_file() or ReleaseFile.of(files.release / file.name) != file
    ]
    if problems:
        raise InvalidInput(
            "argument",
            f"{files.release} does not hold the release of the model that was trained last.",
            remedy="run dvc repro, or the stage evaluate first.",
            problems=problems,
        )
    shutil.rmtree(new)
    return content
