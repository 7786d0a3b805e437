"""Writes the files that hold secrets: readable by their owner alone, replaced as a whole."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from dotenv import dotenv_values

from edustream_contracts.errors import InvalidInput


def write_private(path: Path, data: bytes) -> None:
    """Write `data` to `path` with mode 0600, whole or not at all.

    Raises `InvalidInput` (kind `argument`) where that cannot be done.
    """
    with writing_to(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(temporary).replace(path)


@contextmanager
def writing_to(path: Path) -> Iterator[None]:
    """Turn the operating system's refusal to write `path` into `InvalidInput` (kind `argument`)."""
    try:
        yield
    except OSError as error:
        raise InvalidInput(
            "argument", f"{path} cannot be written: {error.strerror}.", remedy="name a folder that you may write to."
        ) from error


def write_env_file(path: Path, variables: Mapping[str, str], comment: str = "") -> None:
    """Write `NAME='value'` lines that both a shell and python-dotenv read."""
    head = [f"# {comment}"] if comment else []
    lines = [*head, *(f"{name}='{value}'" for name, value in variables.items())]
    write_private(path, ("\n".join(lines) + "\n").encode())


def read_env_file(path: Path) -> dict[str, str]:
    """The variables in an env file; none where there is no such file."""
    return {name: value for name, value in dotenv_values(path).items() if value is not None} if path.is_file() else {}
