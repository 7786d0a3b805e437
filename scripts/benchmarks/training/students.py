"""A million generated students: the time to validate them, the memory to generate them and to train on them."""

from __future__ import annotations

import hashlib
import subprocess
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any, Final

import yaml
from figures import Figure, figure, printed_json

from edustream_lab.company import Company
from edustream_lab.processes import ProgramFailed, environment
from serving.memory import resident_mib_of_all

HERE: Final = Path(__file__).resolve().parent
ALLOWED_MIB: Final = 3 * 1024
SAMPLED_EVERY_S: Final = 0.05
FAULTY_EVERY: Final = 1000
WRONG_TYPE_IN: Final = 900_000
MONTHS: Final = 7
"""The column whose numbers become wrong ones."""
# With a million rows a tenth of the trees is enough to know what memory a training takes.
TREES: Final = 30
FOLDS: Final = 2


class Students:
    """One file of students, and what is done with it."""

    def __init__(self, company: Company, folder: Path, rows: int) -> None:
        self._producer = company.checkout.producer
        self._python = company.checkout.python(company.checkout.producer)
        self._folder = folder
        self._rows = rows
        self._data = folder / "students.csv"

    def memory(self) -> list[Figure]:
        """The most that all processes hold together, of the generator, and of a training without a registry."""
        config = self._folder / "training.yaml"
        generated = self._generate()
        config.write_text(yaml.safe_dump(self._configuration(self._data)))
        training = ["train_publish.py", "--dry-run", "--config", str(config), "--out", str(self._folder / "release")]
        trained = self._most_memory(training)
        allowed = [float(ALLOWED_MIB)]
        written = f"{self._rows:,} students"
        return [
            figure(f"memory to generate {written} / allowed", [generated], allowed, "MiB", "<= 1"),
            figure(f"memory to train on {written} / allowed", [trained], allowed, "MiB", "<= 1"),
        ]

    def validation(self) -> list[Figure]:
        """Loading the file, one with a number out of range in every thousandth row, one with a text among numbers.

        The other side is pandas reading the same file.
        """
        if not self._data.exists():
            self._generate()
        outside = self._folder / "outside.csv"
        text = self._folder / "text.csv"
        many = self._plant(outside, range(FAULTY_EVERY, self._rows + 1, FAULTY_EVERY), "999")
        one = self._plant(text, [min(WRONG_TYPE_IN, self._rows)], "none")
        title = f"validate {self._rows:,} rows"
        return [
            self._validated(title, self._data, 0),
            self._validated(f"{title}, {many} with a number out of range", outside, many),
            self._validated(f"{title}, {one} with a text for a number", text, one),
        ]

    def _validated(self, title: str, data: Path, violations: int) -> Figure:
        config = self._folder / f"{data.stem}.yaml"
        config.write_text(yaml.safe_dump(self._configuration(data)))
        command = [self._python, str(HERE / "validate_rows.py"), str(config), str(violations)]
        seconds = printed_json(command, self._folder)
        return figure(f"{title} / pandas.read_csv", seconds["producer"], seconds["pandas"], "s", "<= 2")

    def _generate(self) -> float:
        return self._most_memory(["generate_students.py", "--rows", str(self._rows), "--out", str(self._data)])

    def _plant(self, target: Path, rows: Collection[int], cell: str) -> int:
        """Write the file with another cell in some rows (from 1); how many there are."""
        with self._data.open() as source, target.open("w") as sink:
            for number, line in enumerate(source):
                cells = line.split(",")
                sink.write(",".join([*cells[:MONTHS], cell, *cells[MONTHS + 1 :]]) if number in rows else line)
        return len(rows)

    def _configuration(self, data: Path) -> dict[str, Any]:
        """The producer's configuration for other data, with fewer trees and folds."""
        configuration: dict[str, Any] = yaml.safe_load((self._producer / "configs" / "edustream.yaml").read_text())
        with data.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        configuration["data"] |= {"path": str(data), "sha256": digest}
        for candidate in configuration["candidates"]:
            if "max_iter" in candidate:
                candidate["max_iter"] = TREES
        configuration["cross_validation"] = {"folds": FOLDS, "repeats": 1}
        configuration["thresholds"] = {"roc_auc": 0.75}
        return configuration

    def _most_memory(self, command: list[str]) -> float:
        log = self._folder / "students.log"
        most = 0.0
        with log.open("wb") as sink:
            process = subprocess.Popen(
                [self._python, *command],
                cwd=self._producer,
                env=environment(),
                stdout=sink,
                stderr=subprocess.STDOUT,
            )
            while process.poll() is None:
                most = max(most, resident_mib_of_all(process.pid))
                time.sleep(SAMPLED_EVERY_S)
        if process.returncode:
            raise ProgramFailed(f"{command[0]} ended with {process.returncode}:\n{log.read_text()[-2000:]}")
        return most
