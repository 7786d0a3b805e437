"""Assembles a release: its files in a directory, and the statement that describes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from edustream_contracts.canonical import sha256_hex
from edustream_contracts.contract import FILE_NAME
from edustream_contracts.errors import InvalidInput
from edustream_contracts.resources import documents
from edustream_ml.cards import data_card, model_card
from edustream_ml.configuration import TrainingPlan
from edustream_ml.golden import golden_vectors
from edustream_ml.libraries import library_versions, other_than_pinned
from edustream_ml.lock_file import read_lock
from edustream_ml.onnx_export import LABEL, PROBABILITIES
from edustream_ml.onnx_scorer import OnnxScorer
from edustream_ml.plots import released_plots
from edustream_ml.profile import reference_profile
from edustream_ml.provenance import UNKNOWN, code_version, contract_path, holds_neighbours
from edustream_ml.report import REPORT, report_page
from edustream_ml.tensors import CATEGORICAL, NUMERIC, Tensors
from edustream_ml.training import Training
from edustream_registry.manifest import (
    DataSource,
    GateRecord,
    InputTensor,
    ModelOutputs,
    Rebuild,
    ReleaseContent,
    ReleaseFile,
)

SHOWN_LIBRARIES: Final = 3


def release_files(training: Training) -> dict[str, bytes]:
    """Every file of the release by its name; equal inputs give equal bytes."""
    plan = training.plan
    document = training.report()
    scorer = OnnxScorer(training.onnx)
    golden = golden_vectors(training.dataset.rows, plan.contract, scorer)
    training_scores = scorer.score(Tensors.of_columns(training.split.training.columns, plan.contract))
    profile = reference_profile(training.split.training.columns, plan.contract, training_scores)
    return {
        "model.onnx": training.onnx,
        FILE_NAME: documents().joinpath("models", plan.contract.model, FILE_NAME).read_bytes(),
        "golden.json": _json(golden),
        "profile.json": _json(profile),
        "metrics.json": _json(document),
        "model_card.md": model_card(document, plan).encode(),
        "data_card.md": data_card(document, plan).encode(),
        REPORT: report_page(document, plan).encode(),
        **{f"{name}.png": plot.png() for name, plot in released_plots(document).items()},
    }


def write_release(training: Training, directory: Path, repository: Path) -> ReleaseContent:
    """Write the files of a release into `directory`, which is made, and describe them.

    `repository` is the folder whose commit and lock file the manifest names. Where the configuration or the contract is
    not that of the commit, the manifest says that the release was made with changes; data are named by their digest.

    Raises `InvalidInput` (kind `argument`) when the directory cannot be written.
    """
    files = release_files(training)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            (directory / name).write_bytes(data)
    except OSError as error:
        raise InvalidInput(
            "argument",
            f"The release cannot be written to {directory}: {error.strerror}.",
            remedy="name a folder that you may write with --out.",
        ) from error
    return _content(training, tuple(ReleaseFile.of(directory / name) for name in sorted(files)), repository)


def obstacles(content: ReleaseContent, repository: Path) -> list[str]:
    """Why a release cannot be made again from its commit and lock file, as sentences; none where it can."""
    commit, changed = content.code.commit, content.code.dirty
    other = other_than_pinned(content.libraries, read_lock(repository).decode())
    more = f", and {len(other) - SHOWN_LIBRARIES} more" if len(other) > SHOWN_LIBRARIES else ""
    return [
        *(["it is made outside git"] if commit == UNKNOWN else []),
        *([f"code, configuration or contract are not those of the commit {commit[:12]}"] if changed else []),
        *(["; ".join(f"{one.pointer} {one.message}" for one in other[:SHOWN_LIBRARIES]) + more] if other else []),
    ]


def with_gates(content: ReleaseContent, training: Training) -> ReleaseContent:
    """The same release with what the gates said of it in `training`, whose model and files are the same."""
    gates = training.gates
    return content.model_copy(
        update={
            "metrics": {**training.metrics, **gates.metrics()},
            "thresholds": gates.thresholds(),
            "gates": tuple(map(GateRecord.model_validate, gates.record())),
        }
    )


def _content(training: Training, files: tuple[ReleaseFile, ...], repository: Path) -> ReleaseContent:
    plan = training.plan
    configuration = plan.configuration
    read = {_config(plan): plan.sha256}
    if contract := contract_path(repository, configuration.model):
        read[contract] = next(file.sha256 for file in files if file.name == FILE_NAME)
    return ReleaseContent(
        model=configuration.model,
        task=plan.task.value,
        contract_digest=plan.contract.digest,
        files=files,
        inputs=tuple(
            tensor
            for tensor in (
                InputTensor(name=NUMERIC, dtype="float32", columns=plan.contract.numeric),
                InputTensor(name=CATEGORICAL, dtype="string", columns=plan.contract.categorical),
            )
            if tensor.columns
        ),
        outputs=_outputs(plan),
        metrics={**training.metrics, **training.gates.metrics()},
        thresholds=training.gates.thresholds(),
        gates=tuple(map(GateRecord.model_validate, training.gates.record())),
        data=DataSource(name=training.dataset.name, sha256=training.dataset.sha256, rows=len(training.dataset)),
        code=code_version(repository, read),
        libraries=library_versions(neighbours=not holds_neighbours(repository)),
        rebuild=Rebuild(
            command=_command(training),
            config_sha256=plan.sha256,
            seed=configuration.seed,
            lock_sha256=sha256_hex(read_lock(repository)),
        ),
    )


def _command(training: Training) -> str:
    """What makes the same files again: a search ends after as many trials then, however fast the machine is."""
    trials = f" --trials {len(training.searched.trials)}" if training.searched else ""
    given = training.plan.given_data
    data = f" --data data/{given.name}" if given else ""
    return f"python train_publish.py --config {_config(training.plan)}{data}{trials}"


def _config(plan: TrainingPlan) -> str:
    return f"configs/{plan.path.name}"


def _outputs(plan: TrainingPlan) -> ModelOutputs:
    probabilities = PROBABILITIES if plan.task.is_classification else None
    return ModelOutputs(label=LABEL, probabilities=probabilities, classes=plan.classes)


def _json(document: Any) -> bytes:
    return (json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()
