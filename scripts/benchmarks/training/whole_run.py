"""The churn run, from the start of the program to the promoted release, against bare scikit-learn."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Final

from figures import Figure, figure, timed

from edustream_lab.company import Company
from edustream_lab.processes import ProgramFailed

HERE: Final = Path(__file__).resolve().parent
ROUNDS: Final = 3


class WholeRun:
    """Both sides are whole processes; ours also checks, evaluates, explains, exports, proves, writes and publishes."""

    def __init__(self, company: Company) -> None:
        self._company = company

    def beside_bare_scikit_learn(self) -> list[Figure]:
        """In turn; every round publishes the first release of a registry of its own, which runs already."""
        producer = self._company.checkout.producer
        config = producer / "configs" / "churn.yaml"
        bare = [self._company.checkout.python(producer), str(HERE / "bare_churn.py"), str(config)]
        ours, theirs = [], []
        for number in range(ROUNDS):
            theirs.append(timed(bare, producer))
            ours.append(_published(replace(self._company, home=self._company.home / str(number))))
        return [figure("churn run, start to published / bare cross-validation and fit", ours, theirs, "s", "<= 2")]


def _published(company: Company) -> float:
    registry = company.start_registry()
    try:
        began = time.perf_counter()
        done = company.train()
        took = time.perf_counter() - began
    finally:
        registry.stop()
    if done.returncode or "DEPLOY SUCCESSFUL" not in done.output:
        raise ProgramFailed(f"The training ended with {done.returncode}:\n{done.output[-2000:]}")
    return took
