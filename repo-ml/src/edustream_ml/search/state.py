"""The trials that are done, in a file that grows by one line a trial: a search that was ended goes on from it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from edustream_contracts.errors import InvalidInput
from edustream_ml.search.settings import Value

STATE_FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class Trial:
    """One set of hyper-parameters that was measured.

    `number` counts from 0 over all spaces, `space` is the number of its space, `value` the mean over the folds of the
    task's selection metric, `seconds` how long it took.
    """

    number: int
    space: int
    parameters: Mapping[str, Value]
    value: float
    seconds: float


class SearchState:
    """The trials of one search; `path` is None for a search that is forgotten when it ends.

    The file's name holds a digest of all that decides what a trial measures, so a file of other data, features or
    ranges is never gone on with. The budget is not among it: a larger one goes on where the smaller one ended.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self.trials: list[Trial] = []
        if path and path.exists():
            self.trials = list(_read(path))

    def add(self, trial: Trial) -> None:
        """Remember a trial, on the disk before this returns.

        Raises `InvalidInput` (kind `argument`) when the file cannot be written.
        """
        self.trials.append(trial)
        if not self._path:
            return
        line = json.dumps({"search_format": STATE_FORMAT, **asdict(trial)}, allow_nan=False) + "\n"
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            _drop_torn_line(self._path)
            with self._path.open("a", encoding="utf-8") as file:
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise InvalidInput(
                "argument",
                f"The state of the search cannot be written to {self._path}: {error.strerror}.",
                remedy="make the folder writable.",
            ) from error


def _read(path: Path) -> list[Trial]:
    """The whole lines of a file; a last one without its end was torn by a kill, and its trial is done again."""
    lines = path.read_bytes().splitlines(keepends=True)
    trials = []
    for number, line in enumerate(line for line in lines if line.endswith(b"\n")):
        try:
            document: dict[str, Any] = json.loads(line)
            known = document.pop("search_format") == STATE_FORMAT
            trial = Trial(**document)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise _damaged(path, number) from error
        if not known or trial.number != number:
            raise _damaged(path, number)
        trials.append(trial)
    return trials


def _drop_torn_line(path: Path) -> None:
    if not path.exists():
        return
    data = path.read_bytes()
    if data and not data.endswith(b"\n"):
        with path.open("r+b") as file:
            file.truncate(data.rfind(b"\n") + 1)


def _damaged(path: Path, number: int) -> InvalidInput:
    return InvalidInput(
        "data",
        f"The state of the search {path} is damaged in line {number + 1}.",
        remedy="remove the file; the search then begins anew.",
    )
