"""Every experiment says in both languages what it checks; and all that it says holds."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from claims import measured, said

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
from edustream_lab.teller import HYPOTHESIS, LESSON, TITLE, Measured, Teller

# Times and what depends on the machine; every other figure is the same wherever and whenever it is measured.
TIMES_AND_RATES = {
    "change-the-shared-code": {
        "proving_s",
        "publishing_to_serving_s",
        "restart_monorepo_s",
        "training_to_serving_monorepo_s",
        "training_to_serving_multirepo_s",
    },
    "fridays-release": {"rollback_s"},
    "registry-goes-away": {"outage_recovery_s"},
}
SAID_BY_THE_PROGRAMME = {TITLE, HYPOTHESIS, LESSON}
each = pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda experiment: experiment.name)


@pytest.fixture(scope="module")
def recorded(checkout: Checkout) -> dict[str, Measured]:
    document = json.loads((checkout.root / RECORD).read_text())
    return {name: one["figures"] for name, one in document["experiments"].items()}


@each
def test_everything_that_an_experiment_says_stands_in_both_languages(experiment: Experiment) -> None:
    script = experiment.script
    assert script.problems == []
    keys = said(experiment, "step", "say", "fact")
    assert set(script.sentences) == set(keys) | SAID_BY_THE_PROGRAMME
    for key, fillings in keys.items():
        for filled in fillings:
            assert script.sentences[key].blanks[Language.ENGLISH] == filled, key


@each
def test_a_fact_says_every_figure_that_an_experiment_measures(experiment: Experiment) -> None:
    claimed = {blank for fillings in said(experiment, "fact").values() for filled in fillings for blank in filled}
    assert measured(experiment) <= claimed


def test_a_figure_that_no_fact_has_said_is_not_measured() -> None:
    experiment = EXPERIMENTS[0]
    teller = Teller(Narrator(io.StringIO(), {}), experiment.script, Language.ENGLISH)
    teller.fact("monorepo-breaks", True, code=1)
    teller.measured("code", 1)
    for name, value in (("code", 2), ("lines", 1)):
        with pytest.raises(ValueError, match=f"No fact says that {name} is {value}"):
            teller.measured(name, value)
    assert teller.figures == {"code": 1}


def test_all_that_may_differ_from_run_to_run_was_recorded(recorded: dict[str, Measured]) -> None:
    for name, figures in TIMES_AND_RATES.items():
        assert figures <= set(recorded[name])
    timed = {name: {figure for figure in figures if figure.endswith("_s")} for name, figures in recorded.items()}
    assert all(figures <= TIMES_AND_RATES.get(name, set()) for name, figures in timed.items())


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
def test_all_that_is_said_holds(
    checkout: Checkout, programs: Stage, tmp_path: Path, recorded: dict[str, Measured]
) -> None:
    out = io.StringIO()
    company = Company(checkout, programs, tmp_path / "company", quick=True)
    figures = tell_all(list(enumerate(EXPERIMENTS, start=1)), company, Narrator(out, {}), Language.SPANISH)
    for number, experiment in enumerate(EXPERIMENTS, start=1):
        assert f"{number}. {experiment.script.said(TITLE, Language.SPANISH, {})}" in out.getvalue()
        assert not (company.home / experiment.name).exists()
    # The page is written from these very figures: all but times and rates are as they were recorded.
    for name, told in figures.items():
        for figure in TIMES_AND_RATES.get(name, set()):
            told[figure] = recorded[name][figure]
    assert figures == recorded
