from __future__ import annotations

import copy
import os
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console
from threadpoolctl import threadpool_limits

from edustream_contracts.canonical import sha256_hex
from edustream_ml.configuration import TrainingPlan, load_plan
from edustream_ml.progress import ProgressReport
from edustream_ml.release import write_release
from edustream_ml.training import Training
from edustream_ml.workflow import train
from edustream_registry.manifest import ReleaseContent
from edustream_registry.testing.simulator import RegistrySimulator

# MLflow reads it when it is imported, which the tests of tracking do themselves.
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

REPOSITORY = Path(__file__).resolve().parents[1]
SMALL_ROWS = 600
LONGEST_FIRST = (
    "test_dvc.py",
    "test_tracking.py",
    "test_documents.py",
    "test_cli.py",
    "test_rebuild.py",
    "test_refused_data.py",
    "test_interruption.py",
    "test_retraining.py",
    "test_refused_models.py",
    "test_stages.py",
    "test_search.py",
)

Document = dict[str, Any]


@cache
def _churn() -> Document:
    document: Document = yaml.safe_load((REPOSITORY / "configs" / "churn.yaml").read_text(encoding="utf-8"))
    return document


def small_document() -> Document:
    """The churn configuration with candidates and folds that are fitted in a moment, and modest thresholds."""
    document = copy.deepcopy(_churn())
    document["candidates"] = [
        {"estimator": "logistic_regression"},
        {"estimator": "random_forest", "n_estimators": 5},
        {"estimator": "histogram_gradient_boosting", "max_iter": 10},
    ]
    document["cross_validation"] = {"folds": 2, "repeats": 1}
    document["thresholds"] = {"roc_auc": 0.6, "brier_score": 0.18}
    document["gates"] = {"resamples": 100}
    return document


def small_csv() -> str:
    """The header and the first rows of the data set, the first customer without a bill among them."""
    lines = (REPOSITORY / "data" / "telco_churn.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    return "".join(lines[: SMALL_ROWS + 1])


def write_project(folder: Path, document: Document | None = None, csv: str | bytes | None = None) -> Path:
    """A repository with configs/ and data/; returns the configuration's path."""
    given = document or small_document()
    text = small_csv() if csv is None else csv
    data = text.encode() if isinstance(text, str) else text
    (folder / "data").mkdir(parents=True, exist_ok=True)
    (folder / "configs").mkdir(exist_ok=True)
    (folder / "data" / "telco_churn.csv").write_bytes(data)
    if csv is None:
        given["data"]["sha256"] = sha256_hex(data)
    path = folder / "configs" / "churn.yaml"
    path.write_text(yaml.safe_dump(given, sort_keys=False), encoding="utf-8")
    return path


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Workers get the files in this order: the last that they get are short, so that they end at the same time."""
    items.sort(key=lambda item: [item.path.name != name for name in LONGEST_FIRST])


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """The test processes share the cores; threads that wait for one another would take the rest of them."""
    with threadpool_limits(limits=1):
        yield


@pytest.fixture(scope="session")
def report() -> ProgressReport:
    return ProgressReport(Console(quiet=True), 8)


@pytest.fixture(scope="session")
def small_plan(tmp_path_factory: pytest.TempPathFactory) -> TrainingPlan:
    return load_plan(write_project(tmp_path_factory.mktemp("small")))


@pytest.fixture(scope="session")
def small_training(small_plan: TrainingPlan, report: ProgressReport) -> Training:
    return train(small_plan, report)


@pytest.fixture(scope="session")
def small_release(small_training: Training, tmp_path_factory: pytest.TempPathFactory) -> tuple[ReleaseContent, Path]:
    """The release of the small training, and the folder of its files, which a test that changes them copies."""
    folder = tmp_path_factory.mktemp("release")
    return write_release(small_training, folder, REPOSITORY), folder


@pytest.fixture
def content(small_release: tuple[ReleaseContent, Path], tmp_path: Path) -> ReleaseContent:
    """The release of the small training, with files of its own in `tmp_path / "release"`."""
    content, folder = small_release
    shutil.copytree(folder, tmp_path / "release")
    return content


@pytest.fixture
def registry() -> RegistrySimulator:
    return RegistrySimulator()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    shutil.copy(REPOSITORY / "train_publish.py", tmp_path)
    write_project(tmp_path)
    return tmp_path
