"""The walls between the repos: each one would be noticed if it fell."""

from __future__ import annotations

import json
import subprocess
import tomllib

import pytest

from edustream_lab.places import Checkout
from edustream_lab.processes import environment

OURS = {"edustream-contracts", "edustream-registry", "edustream-ml", "edustream-api", "edustream-lab"}
ALLOWED = {
    "contracts": {"edustream-contracts"},
    "artifact-registry": {"edustream-contracts", "edustream-registry"},
    "repo-ml": {"edustream-contracts", "edustream-registry", "edustream-ml"},
    "repo-api": {"edustream-contracts", "edustream-registry", "edustream-api"},
    "scripts": {"edustream-lab"},
}


def installed(checkout: Checkout, repo: str) -> set[str]:
    command = [str(checkout.root / repo / ".venv/bin/python"), "-m", "pip", "list", "--format", "json"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment())
    return {row["name"].lower().replace("_", "-") for row in json.loads(done.stdout)}


@pytest.mark.parametrize("repo", sorted(ALLOWED))
def test_an_environment_holds_its_own_package_and_those_it_is_built_on(checkout: Checkout, repo: str) -> None:
    assert installed(checkout, repo) & OURS == ALLOWED[repo]


def test_the_consumers_environment_has_no_training_library(checkout: Checkout) -> None:
    assert not installed(checkout, "repo-api") & {"scikit-learn", "pandas", "skl2onnx", "matplotlib", "mlflow"}


@pytest.mark.parametrize("repo", sorted(ALLOWED))
def test_a_repo_states_no_dependency_on_a_neighbour_it_must_not_know(checkout: Checkout, repo: str) -> None:
    project = tomllib.loads((checkout.root / repo / "pyproject.toml").read_text())["project"]
    stated = [*project["dependencies"], *(row for extra in project["optional-dependencies"].values() for row in extra)]
    named = {name for name in OURS for row in stated if row.startswith(name)}
    assert named <= ALLOWED[repo] - {project["name"]}


@pytest.mark.parametrize("repo", sorted(ALLOWED))
def test_a_lock_pins_everything_with_hashes_and_names_no_place(checkout: Checkout, repo: str) -> None:
    lock = (checkout.root / repo / "requirements.lock").read_text()
    pinned = [line for line in lock.splitlines() if line and not line.startswith((" ", "#"))]
    assert pinned
    assert all("==" in line and line.endswith("\\") for line in pinned)
    assert "://" not in lock
