"""What each stage does. Only `publish` talks to a registry, so that the others depend on nothing but their files."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import yaml

from edustream_contracts.canonical import sha256_hex
from edustream_contracts.errors import InvalidInput, Problem
from edustream_ml.calibration import rounded
from edustream_ml.cli import connect
from edustream_ml.gates.champion import read_champion
from edustream_ml.progress import ProgressReport
from edustream_ml.release import with_gates
from edustream_ml.stages.files import StageFiles
from edustream_ml.workflow import (
    Deployment,
    Learned,
    Prepared,
    assess,
    deploy,
    document,
    last_move,
    learn,
    prepare,
    prove,
)
from edustream_registry.inference.loading import MODEL_FILE
from edustream_registry.manifest import ReleaseContent, ReleaseFile
from edustream_registry.publishing import AUTO

PREPARED: Final = "prepared"
LEARNED: Final = "learned"
EVALUATED: Final = "evaluated"


def run_prepare(files: StageFiles, repository: Path, report: ProgressReport) -> None:
    """Check the data set and set the held-out rows aside.

    Raises `InvalidInput` (kind `configuration`) where params.yaml says otherwise; else as `prepare` does.
    """
    _require_parameters(files, repository)
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
    """Evaluate, prove and document the fitted model; only one that its gates let pass takes the place of the last.

    The live release's gate is that of `publish`: what is live changes, and none of the files here.

    Raises `GateRefused`; the files of a refused model are in a folder of their own then.
    """
    prepared, learned = _taken(files)
    training = assess(files.plan, prepared, learned, report, refused_too=True)
    new = files.fresh_folder()
    content = document(training, new, repository, report)
    prove(content, new, report)
    if not training.gates.kept:
        files.put(new, files.refused)
        raise training.gates.refusal(f"the last good release stays; this one's report is in {files.refused}")
    files.put(new, files.evaluated)
    files.keep(EVALUATED, content)
    files.write_json("metrics.json", {"metrics": training.metrics, "gates": training.gates.metrics()})
    files.write_csv(
        "importance.csv",
        ("column", "importance"),
        ((one.column, rounded(one.mean)) for one in training.inspection.importance),
    )


def run_publish(files: StageFiles, channel: str, environ: Mapping[str, str], report: ProgressReport) -> Deployment:
    """Hold the model against the live release too, publish the evaluated files, and promote them to `channel`.

    They take the place of the last release's files when all of that is done.

    Raises `GateRefused`; `InvalidInput` (kind `argument`) where the files are not those of the fitted model.
    """
    plan = files.plan
    author = connect(environ)
    gate = plan.configuration.gates.champion
    compared = last_move(author, plan.configuration.model, gate.channel) if channel == gate.channel else None
    champion = read_champion(author.reader, plan.configuration.model, gate.channel)
    content = files.take(EVALUATED, ReleaseContent, "evaluate")
    _require_files(files, content)
    training = assess(plan, *_taken(files), report, champion)
    if sha256_hex(training.onnx) != content.file(MODEL_FILE).sha256:
        raise InvalidInput(
            "argument",
            "The model that was trained last is not the one that was evaluated.",
            remedy="run dvc repro, or the stage evaluate first.",
        )
    content = with_gates(content, training)
    deployment = deploy(author, content, files.evaluated, AUTO, channel, report, compared)
    new = files.fresh_folder()
    shutil.copytree(files.evaluated, new)
    files.put(new, files.release)
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


def _require_parameters(files: StageFiles, repository: Path) -> None:
    path, plan = repository / "params.yaml", files.plan
    stated = yaml.safe_load(path.read_bytes()) if path.is_file() else {}
    if not stated or (repository / stated["config"]).resolve() != plan.path.resolve():
        return
    problems = [
        *(
            [Problem("model", f"is {stated['model']!r}; the configuration trains {plan.configuration.model!r}")]
            if stated["model"] != plan.configuration.model
            else []
        ),
        *(
            [Problem("data", f"is {stated['data']!r}; the configuration names {plan.data_path.resolve()}")]
            if (repository / stated["data"]).resolve() != plan.data_path.resolve()
            else []
        ),
    ]
    if problems:
        raise InvalidInput(
            "configuration",
            f"{path} does not say what {plan.path.name} says.",
            remedy="correct it: dvc.yaml depends on the files that it names.",
            problems=problems,
        )


def _require_files(files: StageFiles, content: ReleaseContent) -> None:
    problems = [
        Problem(file.name, "is missing" if not (files.evaluated / file.name).is_file() else "was changed")
        for file in content.files
        if not (files.evaluated / file.name).is_file() or ReleaseFile.of(files.evaluated / file.name) != file
    ]
    if problems:
        raise InvalidInput(
            "argument",
            f"{files.evaluated} does not hold what was evaluated.",
            remedy="run dvc repro --force evaluate, or the stage evaluate.",
            problems=problems,
        )
