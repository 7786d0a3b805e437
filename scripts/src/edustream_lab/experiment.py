"""An experiment: a hypothesis, steps whose facts are checked, and what it teaches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edustream_lab.company import Company
from edustream_lab.language import Script
from edustream_lab.teller import Teller

SCRIPTS: Final = Path(__file__).parent / "experiments"


@dataclass(frozen=True, slots=True)
class Experiment:
    """One experiment. When it begins, the registry runs and holds `releases` of churn, the last one in production.

    `tell` raises `ClaimFailed` for a fact that is none, `ProgramFailed` for a program that misbehaves.
    """

    name: str
    tell: Callable[[Company, Teller], None]
    releases: int = 1

    @property
    def script(self) -> Script:
        """What it says, in every language."""
        return Script.read(SCRIPTS / f"{self.name}.yaml")
