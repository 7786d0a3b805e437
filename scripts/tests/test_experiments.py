"""Every experiment says in both languages what it checks; and all that it says holds."""

from __future__ import annotations

import ast
import inspect
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from edustream_lab.company import Company
from edustream_lab.comparison import RECORD
from edustream_lab.experiment import SCRIPTS, Experiment
from edustream_lab.experiments import EXPERIMENTS
from edustream_lab.language import Language
from edustream_lab.narrator import Narrator
from edustream_lab.performance import FRAME
from edustream_lab.places import Checkout
from edustream_lab.processes import Stage, environment
from edustream_lab.programme import WORDS, tell_all
from edustream_lab.teller import HYPOTHESIS, LESSON, TITLE

# What does not depend on the machine and its load.
COUNTED = {
    "breaking_changes",
    "breaking_changes_refused",
    "configuration_lines",
    "contract_fields",
    "forgeries",
    "forgeries_refused",
    "new_model_requests_failed_multirepo",
    "outage_requests_failed_within_budget",
    "release_files",
    "rename_neighbours_lines_monorepo",
    "rename_neighbours_lines_multirepo",
    "rename_own_lines",
    "rollback_requests_failed",
    "shared_code_lines",
    "simultaneous_winners",
}
SAID_BY_THE_PROGRAMME = {TITLE, HYPOTHESIS, LESSON}
each = pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda experiment: experiment.name)


def said(experiment: Experiment) -> dict[str, list[set[str]]]:
    """The keys that an experiment says, each with the blanks that are filled whenever it is said."""
    module = sys.modules[experiment.tell.__module__]
    found: dict[str, list[set[str]]] = {}
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in ("step", "say", "fact")
            and isinstance(node.args[0], ast.Constant)
        ):
            filled = {keyword.arg for keyword in node.keywords if keyword.arg}
            found.setdefault(str(node.args[0].value), []).append(filled)
    return found


@each
def test_everything_that_an_experiment_says_stands_in_both_languages(experiment: Experiment) -> None:
    script = experiment.script
    assert script.problems == []
    keys = said(experiment)
    assert set(script.sentences) == set(keys) | SAID_BY_THE_PROGRAMME
    for key, fillings in keys.items():
        for filled in fillings:
            assert script.sentences[key].blanks[Language.ENGLISH] == filled, key


def test_what_is_said_around_the_experiments_stands_in_both_languages() -> None:
    assert WORDS.problems == []
    assert FRAME.problems == []


def test_every_table_belongs_to_an_experiment() -> None:
    assert {path.stem for path in SCRIPTS.glob("*.yaml")} == {experiment.name for experiment in EXPERIMENTS}


@pytest.mark.parametrize(("language", "refusal"), [("es", "No hay ningún experimento"), ("", "There is no experiment")])
def test_an_experiment_that_there_is_not_is_refused_with_those_that_there_are(
    checkout: Checkout, language: str, refusal: str
) -> None:
    done = subprocess.run(
        [sys.executable, "scripts/experiments/tell.py", "delete-the-bucket"],
        cwd=checkout.root,
        env=environment({"LANGUAGE": language}),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert f"{refusal} delete-the-bucket" in done.stderr
    assert all(experiment.name in done.stderr for experiment in EXPERIMENTS)


@pytest.mark.prove
def test_all_that_is_said_holds(checkout: Checkout, programs: Stage, tmp_path: Path) -> None:
    out = io.StringIO()
    company = Company(checkout, programs, tmp_path / "company", quick=True)
    figures = tell_all(list(enumerate(EXPERIMENTS, start=1)), company, Narrator(out, {}), Language.SPANISH)
    for number, experiment in enumerate(EXPERIMENTS, start=1):
        assert f"{number}. {experiment.script.said(TITLE, Language.SPANISH, {})}" in out.getvalue()
        assert not (company.home / experiment.name).exists()
    # The page is written from these very figures.
    recorded = json.loads((checkout.root / RECORD).read_text())["figures"]
    assert {name: set(measured) for name, measured in figures.items()} == {
        name: set(measured) for name, measured in recorded.items()
    }
    for name, measured in figures.items():
        counted = {figure: value for figure, value in measured.items() if figure in COUNTED}
        assert counted == {figure: recorded[name][figure] for figure in counted}
