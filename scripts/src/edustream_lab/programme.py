"""Tells experiments one after the other, each with a registry of its own that begins from the same releases."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from edustream_lab.backup import Backup
from edustream_lab.company import Company
from edustream_lab.experiment import Experiment
from edustream_lab.language import Language, Script
from edustream_lab.narrator import Narrator
from edustream_lab.teller import HYPOTHESIS, LESSON, Measured, Teller

WORDS: Final = Script.read(Path(__file__).with_suffix(".yaml"))
Figures = dict[str, Measured]


def tell_all(
    experiments: Sequence[tuple[int, Experiment]], company: Company, narrator: Narrator, language: Language
) -> Figures:
    """Tell numbered experiments in a company that is empty; what each measured, by its name.

    Raises `ClaimFailed` for a fact that is none, `ProgramFailed` for a program that misbehaves.
    """
    narrator.heading(_word("setting", language))
    narrator.say(_word("company", language))
    needed = max(experiment.releases for _, experiment in experiments)
    backups = _release(company, narrator, language, needed)
    figures = {}
    for number, experiment in experiments:
        home = Company(company.checkout, company.stage, company.home / experiment.name, company.quick)
        backups[experiment.releases - 1].restore(home)
        figures[experiment.name] = tell(number, experiment, home, narrator, language)
        company.stage.stop_all()
        shutil.rmtree(home.home)
    return figures


def tell(number: int, experiment: Experiment, company: Company, narrator: Narrator, language: Language) -> Measured:
    """Tell one experiment in a company whose registry runs; what it measured."""
    teller = Teller(narrator, experiment.script, language)
    teller.title(number)
    narrator.heading(_word("hypothesis", language))
    teller.say(HYPOTHESIS)
    experiment.tell(company, teller)
    narrator.heading(_word("lesson", language))
    teller.say(LESSON)
    return teller.figures


def _release(company: Company, narrator: Narrator, language: Language, count: int) -> list[Backup]:
    """Train `count` releases, 1.0.0 first; a copy of the registry after each."""
    company.start_registry()
    backups = []
    for number in range(count):
        done = company.train("--config", str(company.quick_config(number + 1)))
        sentence = WORDS.said("trained", language, {"version": f"1.0.{number}"})
        narrator.fact(sentence, done.returncode == 0 and f"1.0.{number}" in done.output, done.output)
        backups.append(Backup.of(company))
    company.stage.stop_all()
    return backups


def _word(key: str, language: Language) -> str:
    return WORDS.said(key, language, {})
