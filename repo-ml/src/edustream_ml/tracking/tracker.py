"""Where a training run is recorded: nowhere, unless somebody asks for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from edustream_contracts.errors import InvalidInput
from edustream_ml.configuration import TrainingPlan
from edustream_ml.training import Training
from edustream_ml.workflow import Deployment
from edustream_registry.manifest import ReleaseContent

TRACKING_URI: Final = "MLFLOW_TRACKING_URI"
FOLDER: Final = "tracking"


class Tracker:
    """Told what becomes of a run, as a context manager around it; this one records nothing."""

    wants_refused = False
    """Whether a model that a gate refused is to be recorded, too."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        pass

    def trained(self, training: Training) -> None:
        """A model was fitted and evaluated, and its gates have spoken."""

    def documented(self, content: ReleaseContent, directory: Path) -> None:
        """The files of its release are written."""

    def deployed(self, deployment: Deployment) -> None:
        """It is published."""


def open_tracker(
    environ: Mapping[str, str], repository: Path, plan: TrainingPlan, warn: Callable[[str], None], *, track: bool
) -> Tracker:
    """What records a run: MLflow at MLFLOW_TRACKING_URI, or with `track` in SQLite below `repository`; or nothing.

    `warn` is told when a record is lost later on.

    Raises `InvalidInput` (kind `configuration`) without the extra `tracking`, `Unreachable` where MLflow does not
    answer: both before any training.
    """
    uri = environ.get(TRACKING_URI)
    if not uri and not track:
        return Tracker()
    if find_spec("mlflow") is None:
        wanted = f"{TRACKING_URI} is set" if uri else "--track is given"
        raise InvalidInput(
            "configuration",
            f"{wanted}, and mlflow is not installed.",
            remedy="install edustream-ml[tracking], or leave it out.",
        )
    # An optional dependency, which takes seconds to import.
    from edustream_ml.tracking.mlflow_tracker import MlflowTracker

    if uri:
        return MlflowTracker(uri, plan, warn)
    folder = (repository / FOLDER).resolve()
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise InvalidInput(
            "argument", f"Runs cannot be recorded in {folder}: {error.strerror}.", remedy="make it a folder of yours."
        ) from error
    return MlflowTracker(f"sqlite:///{folder / 'mlflow.db'}", plan, warn, (folder / "artifacts").as_uri())
