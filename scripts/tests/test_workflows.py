"""The workflows of .github, as far as they can be checked without GitHub: they parse, and what they call is there."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from edustream_lab.places import Checkout
from edustream_lab.processes import environment


def workflow(path: Path) -> dict[Any, Any]:
    return dict(yaml.safe_load(path.read_text(encoding="utf-8")))


def commands(document: dict[Any, Any]) -> str:
    steps = (step for job in document["jobs"].values() for step in job["steps"])
    return "\n".join(step["run"] for step in steps if "run" in step).replace("\\\n", " ")


def targets(checkout: Checkout) -> str:
    done = subprocess.run(
        ["make", "--print-data-base", "--dry-run", "--question", "help"],
        cwd=checkout.root,
        env=environment(),
        capture_output=True,
        text=True,
    )
    return done.stdout


@pytest.mark.parametrize("name", ["ci.yml", "prove.yml", "retrain.yml"])
def test_a_workflow_says_when_it_runs_what_it_may_do_and_for_how_long(checkout: Checkout, name: str) -> None:
    document = workflow(checkout.root / ".github" / "workflows" / name)
    # YAML 1.1 takes the key `on` for true.
    assert document[True]
    assert document["permissions"] == {"contents": "read"}
    for job in document["jobs"].values():
        assert job["timeout-minutes"] <= 120
        assert all(re.fullmatch(r"actions/[a-z-]+@v\d+", step["uses"]) for step in job["steps"] if "uses" in step)


def test_the_proofs_of_every_repo_run_by_themselves(checkout: Checkout) -> None:
    document = workflow(checkout.root / ".github" / "workflows" / "prove.yml")
    assert document[True]["schedule"]
    (job,) = document["jobs"].values()
    (proven,) = re.findall(r"^prove: (.*)$", targets(checkout), re.MULTILINE)
    assert {f"prove-{repo}" for repo in job["strategy"]["matrix"]["repo"]} == set(proven.split())
    assert commands(document).splitlines() == ["sudo make system-tools", "make prove-${{ matrix.repo }}"]


def test_the_scheduled_workflow_retrains_where_a_consumer_reports_drift(checkout: Checkout) -> None:
    document = workflow(checkout.root / ".github" / "workflows" / "retrain.yml")
    assert document[True]["schedule"]
    said = commands(document)
    (line,) = (line for line in said.splitlines() if "edustream-ml retrain" in line)
    program = [str(checkout.root / "repo-ml/.venv/bin/edustream-ml"), "retrain", "--help"]
    options = subprocess.run(program, env=environment(), capture_output=True, text=True, check=True).stdout
    used = re.findall(r"--[a-z-]+", line)
    assert {"--if-drift", "--config", "--data", "--promote"} <= set(used)
    assert all(f"{option} " in options for option in used)
    assert "repo-ml/.venv/ready:" in targets(checkout)
    assert (checkout.root / "repo-ml" / "configs" / "churn.yaml").is_file()
