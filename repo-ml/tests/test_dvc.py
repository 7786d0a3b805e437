"""`dvc repro` itself, on the repository's own dvc.yaml, in a git repository with a small model."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from conftest import REPOSITORY, small_document, write_project

from edustream_contracts.resources import documents

PROGRAM = """\
#!{python}
import json, os, sys
from pathlib import Path
from edustream_ml import cli
from edustream_ml.command import main
from edustream_registry.testing.simulator import RegistrySimulator

registry = RegistrySimulator()
cli.open_author = lambda settings, who: registry.author
code = main(sys.argv[1:], os.environ, Path.cwd())
Path({published!r}).write_text(json.dumps(sorted(registry.memory.objects)))
sys.exit(code)
"""


class Pipeline:
    """A clone in which `dvc` is run."""

    def __init__(self, top: Path) -> None:
        self.folder = top / "repo-ml"
        self.made = self.folder / "pipeline" / "churn"
        self.published = top / "published.json"
        self._home = top / "home"
        programs = top / "bin"
        programs.mkdir()
        program = programs / "edustream-ml"
        program.write_text(PROGRAM.format(python=sys.executable, published=str(self.published)))
        program.chmod(0o755)
        self._environ = {
            **os.environ,
            "PATH": f"{programs}:{os.environ['PATH']}",
            "HOME": str(self._home),
            "DVC_NO_ANALYTICS": "1",
            "DVC_SITE_CACHE_DIR": str(top / "site"),
            "REGISTRY_URL": "s3://models",
            "MPLCONFIGDIR": str(top / "matplotlib"),
        }
        for name in ("dvc.yaml", "params.yaml", ".dvcignore", "requirements.lock"):
            self.folder.mkdir(exist_ok=True)
            shutil.copy(REPOSITORY / name, self.folder)
        (self.folder / ".dvc").mkdir()
        for name in ("config", ".gitignore"):
            shutil.copy(REPOSITORY / ".dvc" / name, self.folder / ".dvc")
        shutil.copytree(REPOSITORY / "src", self.folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
        packages = self.folder / yaml.safe_load((REPOSITORY / "params.yaml").read_text())["packages"]
        self.contract = packages / "edustream_contracts" / "documents" / "models" / "churn" / "contract.json"
        self.contract.parent.mkdir(parents=True)
        self.contract.write_bytes(documents().joinpath("models", "churn", "contract.json").read_bytes())
        (packages / "edustream_registry").mkdir()
        (packages / "edustream_registry" / "__init__.py").write_text("")
        (self.folder / ".gitignore").write_text("/.venv/\n/pipeline/\n/dvc_plots/\n")
        write_project(self.folder)
        subprocess.run(["git", "init", "--quiet", str(top)], check=True)

    def dvc(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "dvc", *arguments]
        return subprocess.run(command, cwd=self.folder, env=self._environ, capture_output=True, text=True, check=False)

    @property
    def written_at_home(self) -> list[Path]:
        return list(self._home.rglob("*")) if self._home.exists() else []


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    """All four stages have run once."""
    made = Pipeline(tmp_path_factory.mktemp("dvc"))
    done = made.dvc("repro")
    assert done.returncode == 0, done.stdout + done.stderr
    return made


def test_repro_runs_every_stage_and_publishes(pipeline: Pipeline) -> None:
    assert (pipeline.made / "release" / "model.onnx").is_file()
    assert '"churn@1.0.0"' in (pipeline.made / "published.json").read_text()
    assert "models/churn/releases/1.0.0.json" in pipeline.published.read_text()
    assert pipeline.written_at_home == []


def test_a_second_repro_does_nothing(pipeline: Pipeline) -> None:
    pipeline.published.unlink()
    done = pipeline.dvc("repro")
    assert done.returncode == 0
    for name in ("prepare", "train", "evaluate", "publish"):
        assert f"Stage '{name}' didn't change, skipping" in done.stdout
    assert not pipeline.published.exists()


def test_metrics_and_plots_are_shown(pipeline: Pipeline) -> None:
    metrics = pipeline.dvc("metrics", "show")
    assert metrics.returncode == 0
    assert "metrics.roc_auc" in metrics.stdout
    assert "random_forest.cross_validation_roc_auc" in metrics.stdout
    plots = pipeline.dvc("plots", "show")
    assert plots.returncode == 0
    page = (pipeline.folder / "dvc_plots" / "index.html").read_text(encoding="utf-8")
    assert "Candidates on every fold" in page
    assert "Permutation importance" in page


def test_another_contract_is_noticed(pipeline: Pipeline) -> None:
    kept = pipeline.contract.read_text()
    pipeline.contract.write_text(kept.replace('"maximum": 120', '"maximum": 240', 1))
    assert pipeline.contract.read_text() != kept
    status = pipeline.dvc("status").stdout
    pipeline.contract.write_text(kept)
    assert "prepare:" in status
    assert "edustream_contracts" in status
    assert "Data and pipelines are up to date" in pipeline.dvc("status").stdout


def test_a_gate_that_fails_leaves_the_good_model_where_it_was(pipeline: Pipeline) -> None:
    """Before the stages run, DVC removes what they made, unless it is to persist."""
    good = (pipeline.made / "release" / "model.onnx").read_bytes()
    config = pipeline.folder / "configs" / "churn.yaml"
    kept = config.read_bytes()
    document = small_document()
    document["data"] = yaml.safe_load(kept)["data"]
    document["thresholds"] = {"roc_auc": 0.999}
    config.write_text(yaml.safe_dump(document), encoding="utf-8")

    done = pipeline.dvc("repro")

    assert done.returncode != 0
    assert "exited with 8" in done.stderr
    assert "Running stage 'publish'" not in done.stdout
    assert (pipeline.made / "release" / "model.onnx").read_bytes() == good
    assert '"churn@1.0.0"' in (pipeline.made / "published.json").read_text()
