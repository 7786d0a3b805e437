"""What the commands share: their arguments and options, and how these open the registry."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Final

import typer

from edustream_contracts.errors import InvalidInput
from edustream_registry.authorship import author_name, open_author
from edustream_registry.connection import open_reader
from edustream_registry.reading import ReleaseReader
from edustream_registry.settings import RegistrySettings, with_env_file
from edustream_registry.writing import Author

EnvFile = Annotated[Path, typer.Option("--env-file", help="File with REGISTRY_URL, credentials and key files.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a program instead of a table for a person.")]
Model = Annotated[str, typer.Argument(help="A model's name, e.g. churn.")]
Wanted = Annotated[str, typer.Argument(help="A release: churn@production, churn@2.1.0 or churn@^2.")]
Exact = Annotated[str, typer.Argument(help="A release by its exact version, e.g. churn@2.1.0.")]
ChannelOf = Annotated[str, typer.Argument(help="A channel of a model, e.g. churn@production.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; recorded for ever.")]
DEFAULT_ENV: Final = Path(".env")


def settings_from(env_file: Path) -> RegistrySettings:
    """The settings of this process and its env file. Raises `InvalidInput` (kind `configuration`)."""
    return RegistrySettings.from_environ(_environ(env_file))


def reader_from(env_file: Path) -> ReleaseReader:
    """A reader of the registry that the env file names. Raises `InvalidInput` (kind `configuration`)."""
    return open_reader(settings_from(env_file))


def author_from(env_file: Path) -> Author:
    """An author in the registry that the env file names. Raises `InvalidInput` (kind `configuration`)."""
    environ = _environ(env_file)
    return open_author(RegistrySettings.from_environ(environ), author_name(environ))


def _environ(env_file: Path) -> dict[str, str]:
    environ = with_env_file(os.environ, env_file)
    if env_file != DEFAULT_ENV and not env_file.is_file():
        raise InvalidInput(
            "argument",
            f"There is no env file {env_file}.",
            remedy="correct --env-file, or leave it out and set the variables.",
        )
    return environ
