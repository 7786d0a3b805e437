"""Runs the search: draws hyper-parameters, measures them by cross-validation, and names the best of each space.

A trial is begun when the one before it is done, and only whole trials are remembered: so a search that was killed and
gone on with is the one that was never killed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import numpy as np

import edustream_ml
from edustream_contracts.canonical import document_digest, sha256_hex
from edustream_ml.calibration import rounded
from edustream_ml.candidates import Candidate
from edustream_ml.configuration import TrainingPlan
from edustream_ml.dataset import Dataset
from edustream_ml.progress import ProgressReport
from edustream_ml.search.draws import draw
from edustream_ml.search.settings import Search
from edustream_ml.search.state import SearchState, Trial
from edustream_ml.selection import cross_validate

NAME_DIGITS: Final = 16
LIBRARIES: Final = ("lightgbm", "numpy", "optuna", "pandas", "scikit-learn", "scipy")
CODE: Final = Path(edustream_ml.__file__).parent
DECISIVE: Final = ("seed", "features", "target", "cross_validation", "held_out_fraction")

Clock = Callable[[], float]


@dataclass(frozen=True)
class Searched:
    """A finished search: every trial, and the best candidate of each space, in the order of the configuration."""

    settings: Search
    trials: tuple[Trial, ...]
    winners: tuple[Candidate, ...]

    def document(self) -> dict[str, Any]:
        """What `metrics.json` says of it: with the number of trials, the search can be done again, budget or none."""
        return {
            "trials": len(self.trials),
            "best": [
                {
                    "candidate": winner.label,
                    "trials": sum(trial.space == number for trial in self.trials),
                    "value": rounded(best.value),
                    "hyper_parameters": dict(best.parameters),
                }
                for number, winner in self._spaces_with_winners()
                for best in [_best(self.trials, number)]
            ],
        }

    def _spaces_with_winners(self) -> list[tuple[int, Candidate]]:
        tried = [number for number in range(len(self.settings.spaces)) if _of(self.trials, number)]
        return list(zip(tried, self.winners, strict=True))


def search(
    training: Dataset,
    plan: TrainingPlan,
    settings: Search,
    report: ProgressReport,
    directory: Path | None = None,
    trials: int | None = None,
    clock: Clock = time.monotonic,
) -> Searched:
    """Search the spaces of `settings` in turn, on the training rows alone.

    Args:
        training: the rows to cross-validate on; the held-out rows are never seen.
        plan: says how a candidate is trained and measured.
        settings: the spaces, the budget and the largest number of trials.
        report: gets a progress bar and the best of each space.
        directory: where the state is kept, in a file of this search alone; None forgets it.
        trials: exactly so many trials, whatever the budget; None for as many as the budget allows.
        clock: seconds, rising.
    """
    name = f"{plan.configuration.model}-{_digest(training, plan, settings)}.jsonl"
    state = SearchState(directory / name if directory else None)
    if state.trials:
        report.note(f"going on after {len(state.trials)} trials that are done already")
    wanted = trials or settings.trials
    fold_plan = _once(plan)

    def measured() -> Iterator[Trial]:
        yield from state.trials[:wanted]
        while len(state.trials) < wanted and (
            trials is not None or sum(trial.seconds for trial in state.trials) < settings.budget_s
        ):
            number = len(state.trials)
            begun = clock()
            space = number % len(settings.spaces)
            drawn = draw(settings.spaces[space], _of(state.trials, space), plan.configuration.seed, number)
            candidate = settings.spaces[space].with_values(drawn)
            folds = list(cross_validate(training, fold_plan, candidate))
            value = float(np.mean([fold[plan.task.selection_metric] for fold in folds]))
            trial = Trial(number, space, drawn, value, clock() - begun)
            state.add(trial)
            yield trial

    done = tuple(report.track(measured(), f"{plan.task.selection_metric} of each trial", wanted))
    searched = Searched(settings, done, tuple(_winners(settings, done)))
    for best in searched.document()["best"]:
        shown = ", ".join(f"{name} {value}" for name, value in best["hyper_parameters"].items())
        report.note(f"{best['candidate']}: best of {best['trials']} trials {best['value']:.4f} with {shown}")
    return searched


def _once(plan: TrainingPlan) -> TrainingPlan:
    """The plan with one repeat: the candidates that the search proposes are compared on all of them later."""
    once = plan.configuration.cross_validation.model_copy(update={"repeats": 1})
    return replace(plan, configuration=plan.configuration.model_copy(update={"cross_validation": once}))


def _digest(training: Dataset, plan: TrainingPlan, settings: Search) -> str:
    """Of all that decides what a trial draws and measures; the budget and the number of trials are not among it."""
    configuration = plan.configuration.model_dump(mode="json")
    document = {
        **{name: configuration[name] for name in DECISIVE},
        "spaces": settings.model_dump(mode="json")["spaces"],
        "data": training.sha256,
        "contract": plan.contract.digest,
        "libraries": [_version(name) for name in LIBRARIES],
        "code": {str(path.relative_to(CODE)): sha256_hex(path.read_bytes()) for path in sorted(CODE.rglob("*.py"))},
    }
    return document_digest(document)[:NAME_DIGITS]


def _version(library: str) -> str:
    with suppress(PackageNotFoundError):
        return version(library)
    return "not installed"


def _of(trials: Sequence[Trial], space: int) -> list[Trial]:
    return [trial for trial in trials if trial.space == space]


def _best(trials: Sequence[Trial], space: int) -> Trial:
    """The trial with the highest value; the first of equals."""
    return max(_of(trials, space), key=lambda trial: trial.value)


def _winners(settings: Search, trials: Sequence[Trial]) -> Iterator[Candidate]:
    for number, space in enumerate(settings.spaces):
        if _of(trials, number):
            yield space.with_values(dict(_best(trials, number).parameters))
