"""Records a run in MLflow: parameters, every candidate with its folds, metrics, plots and cards, and the release.

MLflow holds no model. The version in its model registry names the release, which alone is what consumers load, and
there is none for a model that a gate refused.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from edustream_contracts.errors import EduStreamError, Unreachable
from edustream_ml.addresses import shown_address, without_secrets
from edustream_ml.configuration import TrainingPlan
from edustream_ml.selection import CandidateScore
from edustream_ml.tracking.tracker import Tracker
from edustream_ml.training import Training
from edustream_ml.workflow import Deployment
from edustream_registry.manifest import ReleaseContent

# MLflow reads these once, when it is imported. Nobody's run is reported to anybody else.
for _name, _value in {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
}.items():
    os.environ.setdefault(_name, _value)

from mlflow import MlflowClient  # noqa: E402
from mlflow.entities import Metric, Param, RunTag  # noqa: E402

PUBLISHED_SUFFIXES: Final = (".html", ".md", ".png")
METRICS_FILE: Final = "metrics.json"
PARENT: Final = "mlflow.parentRunId"
NOTE: Final = "mlflow.note.content"
RELEASE: Final = "release"
LONGEST_TAG: Final = 5000


class MlflowTracker(Tracker):
    """One run of MLflow, in the experiment of the model's name, with a run below it for each candidate."""

    wants_refused = True

    def __init__(self, uri: str, plan: TrainingPlan, warn: Callable[[str], None], artifacts: str | None = None) -> None:
        """Ask MLflow at `uri`; `artifacts` is where a new experiment keeps files, None for MLflow's own choice.

        Once it has answered, a record that fails decides nothing: `warn` is told once, and the run goes on without it.

        Raises `Unreachable` (kind `connection`) where it does not answer.
        """
        self._uri = uri
        self._plan = plan
        self._model = plan.configuration.model
        self._run = ""
        self._kept = False
        self._warn = warn
        self._lost = False
        with self._reached():
            self._client = MlflowClient(tracking_uri=uri, registry_uri=uri)
            found = self._client.get_experiment_by_name(self._model)
            self._experiment = found.experiment_id if found else self._client.create_experiment(self._model, artifacts)

    def __enter__(self) -> Self:
        configuration = self._plan.configuration
        with self._reached():
            self._run = self._client.create_run(self._experiment).info.run_id
            self._parameters(
                self._run,
                {
                    "config": self._plan.path.name,
                    "config_sha256": self._plan.sha256,
                    "data": configuration.data.title,
                    "data_sha256": configuration.data.sha256,
                    "seed": configuration.seed,
                    "folds": configuration.cross_validation.folds,
                    "repeats": configuration.cross_validation.repeats,
                    "held_out_fraction": configuration.held_out_fraction,
                },
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        status = "FINISHED" if kind is None else "KILLED" if kind is KeyboardInterrupt else "FAILED"
        with self._recorded():
            if isinstance(error, EduStreamError):
                self._tags(self._run, {NOTE: str(error)})
            self._client.set_terminated(self._run, status)

    def trained(self, training: Training) -> None:
        """Record what was chosen and how good it is, every candidate, and what the gates said."""
        self._kept = training.gates.kept
        with self._recorded():
            self._parameters(self._run, {"chosen": training.chosen.candidate.label, "task": self._plan.task.value})
            self._parameters(self._run, training.chosen.candidate.hyper_parameters)
            self._metrics(self._run, {**training.metrics, **training.gates.metrics()})
            refused = ", ".join(row.name for row in training.gates.refused)
            self._tags(self._run, {"gates": "kept" if self._kept else f"refused by {refused}"})
            for score in training.candidates:
                self._candidate(score)

    def documented(self, content: ReleaseContent, directory: Path) -> None:
        """Keep what people read: cards, report, plots, metrics."""
        with self._recorded():
            for file in content.files:
                if file.name.endswith(PUBLISHED_SUFFIXES) or file.name == METRICS_FILE:
                    self._client.log_artifact(self._run, str(directory / file.name))

    def deployed(self, deployment: Deployment) -> None:
        """Link the run with its release; where every gate was kept, register a version that names the release."""
        manifest, location = deployment.publication.manifest, deployment.publication.location
        release = f"{self._model}@{manifest.version}"
        digest = deployment.publication.release.digest
        link = {RELEASE: release, "release_location": location, "manifest_sha256": digest}
        with self._recorded():
            self._tags(self._run, {**link, NOTE: f"{release}, {location}"})
            if not self._kept:
                return
            if not self._client.search_registered_models(f"name = '{self._model}'"):
                self._client.create_registered_model(self._model)
            known = self._client.search_model_versions(f"name = '{self._model}'")
            version = next((one.version for one in known if one.tags.get(RELEASE) == release), None)
            if version is None:
                made = self._client.create_model_version(self._model, location, self._run, tags=link)
                version = made.version
            if deployment.promotion:
                channel = deployment.promotion.entry.statement.channel
                self._client.set_registered_model_alias(self._model, channel, version)

    def _candidate(self, score: CandidateScore) -> None:
        tags = {PARENT: self._run, "mlflow.runName": score.candidate.label}
        run = self._client.create_run(self._experiment, tags=tags).info.run_id
        self._parameters(run, {"estimator": score.candidate.estimator, **score.candidate.hyper_parameters})
        self._metrics(run, {f"cross_validation_{name}": score.mean_of(name) for name in score.folds[0]})
        for step, fold in enumerate(score.folds):
            self._metrics(run, fold, step)
        self._client.set_terminated(run)

    def _parameters(self, run: str, parameters: dict[str, object]) -> None:
        self._client.log_batch(run, params=[Param(name, str(value)) for name, value in parameters.items()])

    def _metrics(self, run: str, metrics: Mapping[str, float], step: int = 0) -> None:
        now = int(time.time() * 1000)
        self._client.log_batch(run, metrics=[Metric(name, value, now, step) for name, value in metrics.items()])

    def _tags(self, run: str, tags: dict[str, str]) -> None:
        shortened = [RunTag(name, text[:LONGEST_TAG]) for name, text in tags.items()]
        self._client.log_batch(run, tags=shortened)

    @contextmanager
    def _reached(self) -> Iterator[None]:
        try:
            yield
        # Whatever it is: e.g. MLflow imports the driver of a database, which nobody may have installed.
        except Exception as error:
            raise Unreachable(
                "connection",
                f"MLflow at {shown_address(self._uri)} does not take the run: {self._said(error)}",
                remedy="check MLFLOW_TRACKING_URI, or unset it to train without a record.",
            ) from error

    @contextmanager
    def _recorded(self) -> Iterator[None]:
        try:
            yield
        # Whatever it is: a record goes to servers and disks by code of others, and must not end a training.
        except Exception as error:
            if not self._lost:
                self._warn(f"warning: MLflow at {shown_address(self._uri)} lost the run: {self._said(error)}")
            self._lost = True

    def _said(self, error: Exception) -> str:
        said = without_secrets(" ".join(str(error).split()), self._uri)
        return f"{type(error).__name__}: {said}"
