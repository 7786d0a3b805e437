"""Every experiment says in both languages what it checks; and all that it says holds."""

from __future__ import annotations

import ast
import inspect
import io
import sys
from pathlib import Path

import pytest

from edustream_lab.company import Company
from edustream_lab.experiment import SCRIPTS, Experiment
from edustream_lab.experiments import EXPERIMENTS
from edustream_lab.language import Language
from edustream_lab.narrator import Narrator
from edustream_lab.performance import FRAME
from edustream_lab.places import Checkout
from edustream_lab.processes import Stage
from edustream_lab.programme import WORDS, tell_all
from edustream_lab.teller import HYPOTHESIS, LESSON, TITLE

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


@pytest.mark.prove
@pytest.mark.parametrize("language", Language)
@each
def test_all_that_is_said_holds(
    experiment: Experiment, language: Language, checkout: Checkout, programs: Stage, tmp_path: Path
) -> None:
    out = io.StringIO()
    narrator = Narrator(out, {})
    company = Company(checkout, programs, tmp_path / "company", quick=True)
    tell_all([(1, experiment)], company, narrator, language)
    assert experiment.script.said(TITLE, language, {}) in out.getvalue()
    assert list(company.home.glob(f"{experiment.name}*")) == []
