"""The workflow belongs to the tree as a whole, as the Makefile does."""

from __future__ import annotations

import re
import subprocess

import yaml

from edustream_lab.places import Checkout
from edustream_lab.processes import environment


def test_pull_requests_learn_with_full_history_what_they_break_in_the_contracts(checkout: Checkout) -> None:
    workflow = yaml.safe_load((checkout.root / ".github" / "workflows" / "ci.yml").read_text())
    job = workflow["jobs"]["contract-diff"]
    checkouts = [step for step in job["steps"] if step.get("uses", "").startswith("actions/checkout@")]

    assert job["if"] == "github.event_name == 'pull_request'"
    assert [step["with"]["fetch-depth"] for step in checkouts] == [0]
    assert [step["run"] for step in job["steps"] if "run" in step] == ["make contract-diff"]


def test_no_variable_of_the_environment_names_an_experiment(checkout: Checkout) -> None:
    """WSL and some logins set NAME to the machine's name."""

    def told(*words: str) -> str:
        command = ["make", "--dry-run", "experiments", *words]
        done = subprocess.run(
            command, cwd=checkout.root, env=environment({"NAME": "laptop"}), check=True, capture_output=True, text=True
        )
        return next(line for line in done.stdout.splitlines() if "experiments/tell.py" in line).rstrip()

    assert told().endswith("experiments/tell.py")
    assert told("NAME=two-at-once").endswith("experiments/tell.py two-at-once")


def test_the_producers_image_and_its_environment_take_what_builds_packages_alike(checkout: Checkout) -> None:
    """How the image takes it is held against the producer's own code by the producer's tests."""
    program = re.compile(r"awk '([^']*setuptools[^']*)'")
    (of_the_image,) = program.findall((checkout.producer / "Dockerfile").read_text())
    assert program.findall((checkout.root / "Makefile").read_text()) == [of_the_image]
