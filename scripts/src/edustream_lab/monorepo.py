"""A real monorepo in a temporary folder: training and API share code, and the API reads its neighbour's file."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from difflib import ndiff
from pathlib import Path
from typing import Any, Final

import httpx

from edustream_lab.company import CONSUMER_BUDGET_S, Company
from edustream_lab.processes import Finished, Program, Stage, free_port

SHARED_CODE: Final = "core/transform.py"
TRAINING: Final = "ml/train_monorepo.py"
API: Final = "api/app_monorepo.py"
MODEL: Final = "ml/models/churn_model.pkl"
FITTED: Final = "fitted"


@dataclass(frozen=True, slots=True)
class MonorepoApi:
    """The monorepo's API, running."""

    program: Program
    port: int

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def wait(self) -> None:
        """Wait until it answers; `ProgramFailed` if it never does."""
        self.program.wait_for(lambda: "serving" in self.program.output, "serving", CONSUMER_BUDGET_S)

    def probability(self, row: dict[str, Any]) -> float:
        """The probability in its answer to one row. Raises `httpx.HTTPError` for any other answer."""
        answer = httpx.post(f"{self.url}/predict", json=row, timeout=30.0, trust_env=False)
        return float(answer.raise_for_status().json()["probability"])

    def answer(self, row: dict[str, Any]) -> float | None:
        """The probability in its answer to one row; None where it does not answer."""
        try:
            return self.probability(row)
        except httpx.HTTPError:
            return None

    @property
    def last_error(self) -> str:
        """The line of its output that names the last error; empty where there was none."""
        return next((line for line in reversed(self.program.output.splitlines()) if "Error" in line), "")


@dataclass(frozen=True, slots=True)
class Monorepo:
    """One repository for all: `core/`, `ml/`, `api/`, one environment with all that any of them needs."""

    folder: Path
    python: str
    stage: Stage

    @staticmethod
    def write(company: Company) -> Monorepo:
        """Write it into the company's folder. Its one environment is the one that training needs."""
        folder = company.home / "monorepo"
        shutil.copytree(company.checkout.root / "scripts" / "experiments" / "monorepo", folder)
        (folder / "data").mkdir()
        shutil.copy(company.checkout.producer / "data" / "telco_churn.csv", folder / "data" / "churn.csv")
        return Monorepo(folder, company.checkout.python(company.checkout.producer), company.stage)

    def train(self) -> Finished:
        """Run the training where it lies."""
        return self.start_training().finish()

    def start_training(self) -> Program:
        """Start the training where it lies, which prints `FITTED` before it writes the model."""
        return self.run_beside_training(Path(TRAINING).name)

    def run_beside_training(self, *arguments: str) -> Program:
        """Start a program of Python's in the folder of the training, by the training's interpreter."""
        command = [self.python, *arguments]
        return self.stage.start("monorepo-training", command, cwd=self.folder / "ml", variables=self._variables)

    def start_api(self, port: int = 0) -> MonorepoApi:
        """Start the API where it lies, and do not wait."""
        port = port or free_port()
        command = [self.python, Path(API).name, str(port)]
        program = self.stage.start("monorepo-api", command, cwd=self.folder / "api", variables=self._variables)
        return MonorepoApi(program, port)

    @property
    def model(self) -> Path:
        """The file that training leaves and the API reads."""
        return self.folder / MODEL

    def edit(self, file: str, before: str, after: str) -> int:
        """Replace a text that stands in a file; how many lines that changes."""
        path = self.folder / file
        old = path.read_text()
        if before not in old:
            raise ValueError(f"{file} does not hold {before!r}, which was to be replaced by {after!r}")
        new = old.replace(before, after)
        path.write_text(new)
        return changed_lines(old, new)

    @property
    def _variables(self) -> dict[str, str]:
        return {"PYTHONPATH": str(self.folder)}


def changed_lines(before: str, after: str) -> int:
    """How many lines of a text are new or other than before."""
    return sum(line.startswith("+ ") for line in ndiff(before.splitlines(), after.splitlines()))
