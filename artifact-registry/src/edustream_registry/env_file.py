"""Writes the files that hold secrets: readable by their owner alone, replaced as a whole."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import StringIO
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
def writing_to(path: Path, remedy: str = "name a folder that you may write to.") -> Iterator[None]:
    """Turn the operating system's refusal to write `path` into `InvalidInput` (kind `argument`)."""
    try:
        yield
    except OSError as error:
        raise InvalidInput("argument", f"{path} cannot be written: {error.strerror}.", remedy=remedy) from error


def write_env_file(path: Path, variables: Mapping[str, str], comment: str = "") -> None:
    """Write `NAME='value'` lines that both a shell and python-dotenv read."""
    head = [f"# {comment}"] if comment else []
    lines = [*head, *(f"{name}='{value}'" for name, value in variables.items())]
    write_private(path, ("\n".join(lines) + "\n").encode())


def read_env_file(path: Path) -> dict[str, str]:
    """The variables in an env file; none where there is no such file.

    Raises `InvalidInput` (kind `configuration`) for a folder, and for what cannot be read as UTF-8 text.
    """
    try:
        text = path.read_text(encoding="utf-8") if path.is_file() or path.is_dir() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(
            "configuration",
            f"The env file {path} cannot be read: {_unreadable(error)}.",
            remedy="name a file of NAME='value' lines in UTF-8, such as edustream-registry init writes.",
        ) from error
    return {name: value for name, value in dotenv_values(stream=StringIO(text)).items() if value is not None}


def _unreadable(error: OSError | UnicodeDecodeError) -> str:
    if isinstance(error, IsADirectoryError):
        return "it is a folder"
    return f"it is no UTF-8 text ({error.reason})" if isinstance(error, UnicodeDecodeError) else str(error.strerror)
