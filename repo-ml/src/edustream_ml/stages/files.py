"""The files that one stage leaves to the next: each is replaced as a whole, by one that is complete."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import joblib

from edustream_contracts.errors import InvalidInput
from edustream_ml.configuration import TrainingPlan

FOLDER: Final = "pipeline"
T = TypeVar("T")


@dataclass(frozen=True)
class StageFiles:
    """The pipeline's files of one model, below `folder`.

    The objects between stages are pickles: they are made and read on one machine, and are no part of a release.
    """

    plan: TrainingPlan
    folder: Path

    @staticmethod
    def of(plan: TrainingPlan, repository: Path) -> StageFiles:
        """The files of the plan's model below `repository`; the folder is made."""
        folder = repository / FOLDER / plan.configuration.model
        folder.mkdir(parents=True, exist_ok=True)
        files = StageFiles(plan, folder)
        for place in (files.evaluated, files.release, files.refused):
            # A stage was killed between the two moves of `put`.
            if _old(place).exists() and not place.exists():
                _old(place).rename(place)
        return files

    @property
    def evaluated(self) -> Path:
        """The files of the last model that its own gates let pass."""
        return self.folder / "evaluated"

    @property
    def release(self) -> Path:
        """The files of the last model that is published, after the live release's gate let it pass too."""
        return self.folder / "release"

    @property
    def refused(self) -> Path:
        """The files of a model that a gate refused, for people to look at."""
        return self.folder / "refused"

    def keep(self, name: str, made: object) -> None:
        """Write an object for a later stage, marked with what it was made for."""
        new = self.folder / f"{name}.joblib.new"
        joblib.dump((self._mark, made), new)
        new.replace(self.folder / f"{name}.joblib")

    def take(self, name: str, kind: type[T], stage: str) -> T:
        """Read what an earlier stage kept.

        Raises `InvalidInput` (kind `argument`) where it has not run, or ran for another configuration or contract.
        """
        path = self.folder / f"{name}.joblib"
        mark, made = joblib.load(path) if path.is_file() else (None, None)
        if mark != self._mark or not isinstance(made, kind):
            found = "is not there" if made is None else "was made from another configuration or contract"
            raise InvalidInput(
                "argument",
                f"{path} {found}.",
                remedy=f"run dvc repro, which runs what is missing, or the stage {stage} first.",
            )
        return made

    def write_json(self, name: str, document: Any) -> None:
        """Write a small JSON file, e.g. for `dvc metrics show`."""
        new = self.folder / f"{name}.new"
        new.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        new.replace(self.folder / name)

    def write_csv(self, name: str, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Write a small table, e.g. for `dvc plots show`."""
        new = self.folder / f"{name}.new"
        with new.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([header, *rows])
        new.replace(self.folder / name)

    def fresh_folder(self) -> Path:
        """Where a release can be written before it takes the place of the last one; nothing is there."""
        new = self.folder / "files.new"
        shutil.rmtree(new, ignore_errors=True)
        return new

    def put(self, new: Path, place: Path) -> None:
        """Let the complete folder `new` take the place of `place`, whose files are removed after that."""
        old = _old(place)
        shutil.rmtree(old, ignore_errors=True)
        if place.exists():
            place.rename(old)
        new.rename(place)
        shutil.rmtree(old, ignore_errors=True)

    @property
    def _mark(self) -> tuple[str, str, str]:
        return (self.plan.sha256, self.plan.configuration.data.sha256, self.plan.contract.digest)


def _old(place: Path) -> Path:
    return place.with_name(f"{place.name}.old")
