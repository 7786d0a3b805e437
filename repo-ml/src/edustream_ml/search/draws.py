"""Draws the hyper-parameters of one trial by the tree-structured Parzen estimator (Bergstra and others, 2011)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from edustream_ml.search.settings import Choices, Interval, Space
from edustream_ml.search.state import Trial


def draw(space: Space, before: Sequence[Trial], seed: int, number: int) -> dict[str, Any]:
    """The hyper-parameters of one trial, by their names.

    Each trial has a sampler of its own, seeded by the configuration's seed and the trial's number. What it draws
    depends on these and on the trials of its space before it, and on nothing that a killed process would forget.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    own_seed = int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=own_seed))
    distributions = {name: _distribution(values) for name, values in space.vary.items()}
    for trial in before:
        parameters = dict(trial.parameters)
        study.add_trial(optuna.trial.create_trial(params=parameters, distributions=distributions, value=trial.value))
    return dict(study.ask(distributions).params)


def _distribution(values: Interval | Choices) -> BaseDistribution:
    if isinstance(values, Choices):
        return CategoricalDistribution(values.choices)
    if values.is_whole:
        return IntDistribution(int(values.low), int(values.high), log=values.log)
    return FloatDistribution(float(values.low), float(values.high), log=values.log)
