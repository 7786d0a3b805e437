"""Lets the worker processes of one consumer add up what each of them counts: one small file a process."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import orjson

MULTIPROCESS_DIR: Final = "PROMETHEUS_MULTIPROC_DIR"
"""The variable of Prometheus's client that names the directory which all processes of one consumer share."""

SHOW_INTERVAL_S: Final = 1.0
"""How old what others read may be."""


class WorkerFiles:
    """What every worker last showed of its counts under one name; a worker that died is counted until it is forgotten.

    Processes share the directory of Prometheus's multiprocess mode, which lives as long as the consumer does. A process
    that is alone has none: it shows nothing, and there are no others.
    """

    def __init__(self, directory: Path | None, name: str) -> None:
        self._directory = directory
        self._name = name

    @staticmethod
    def of(environ: Mapping[str, str], name: str) -> WorkerFiles:
        """The files of `name` in the directory that PROMETHEUS_MULTIPROC_DIR names, if it is set."""
        directory = environ.get(MULTIPROCESS_DIR)
        return WorkerFiles(Path(directory) if directory else None, name)

    @property
    def shared(self) -> bool:
        """Whether there may be other processes."""
        return self._directory is not None

    def show(self, counts: Mapping[str, Any]) -> None:
        """Replace what this process shows, as a whole: a reader never meets half of it."""
        if self._directory is None:
            return
        part = self._directory / f"{self._file(os.getpid())}.part"
        try:
            part.write_bytes(orjson.dumps(counts))
            part.replace(self._directory / self._file(os.getpid()))
        except BaseException:
            part.unlink(missing_ok=True)
            raise

    def others(self) -> list[dict[str, Any]]:
        """What the other processes showed last, in no order."""
        if self._directory is None:
            return []
        own = self._file(os.getpid())
        found = []
        for path in self._directory.glob(self._file("*")):
            if path.name != own:
                # Another process may have forgotten it meanwhile.
                with suppress(FileNotFoundError):
                    found.append(orjson.loads(path.read_bytes()))
        return found

    def forget(self, process: int) -> None:
        """Remove what a process that died showed, where the dead count no longer."""
        if self._directory is not None:
            (self._directory / self._file(process)).unlink(missing_ok=True)

    def _file(self, process: int | str) -> str:
        return f"{self._name}.{process}.json"


def runs(process: int) -> bool:
    """Whether a process of this user has this number."""
    try:
        os.kill(process, 0)
    except (ProcessLookupError, PermissionError):
        # What may not be signalled is of another user, and so has the number of one that died.
        return False
    return True
