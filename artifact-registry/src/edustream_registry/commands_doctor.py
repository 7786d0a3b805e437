"""The command `doctor`: examines the configured store and prints what it found."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer
from rich.markup import escape

from edustream_contracts.errors import EduStreamError, InvalidInput
from edustream_registry import presentation
from edustream_registry.command_line import DEFAULT_ENV, AsJson, EnvFile, settings_from
from edustream_registry.console import OUT, new_table, print_json, say
from edustream_registry.examination import Examination, Verdict
from edustream_registry.settings import RegistrySettings, with_env_file
from edustream_registry.store_doctor import ROUNDS, StoreDoctor

STYLES: Final = {
    Verdict.OK: "green",
    Verdict.UNSAFE: "bold red",
    Verdict.WARNING: "yellow",
    Verdict.INFO: "dim",
    Verdict.SKIPPED: "dim",
}


def doctor(
    env_file: EnvFile = DEFAULT_ENV,
    administrator_env: Annotated[
        Path | None, typer.Option(help="The administrator's env file, to try what its key may do.")
    ] = None,
    producer_env: Annotated[
        Path | None, typer.Option(help="The producer's env file, to try what its key may do.")
    ] = None,
    consumer_env: Annotated[
        Path | None, typer.Option(help="The consumer's env file, to try what its key may do.")
    ] = None,
    rounds: Annotated[int, typer.Option(help="How often 16 writers race for one key.", min=1)] = ROUNDS,
    as_json: AsJson = False,
) -> None:
    """Race and examine the configured store; exit 0 only if nothing that was tried makes it unsafe for a registry."""
    settings = settings_from(env_file)
    files = {"administrator": administrator_env, "producer": producer_env, "consumer": consumer_env}
    users = {role: _user(role, path, settings) for role, path in files.items() if path is not None}
    try:
        found = StoreDoctor(settings, users, rounds=rounds).examine()
    except EduStreamError as error:
        if as_json:
            print_json({"store": settings.location, "safe": None} | presentation.refusal(error))
        raise
    if as_json:
        print_json(found.payload())
    else:
        _print(found)
    found.require_safe()


def _user(role: str, env_file: Path, examined: RegistrySettings) -> RegistrySettings:
    """The settings in a user's env file alone; the process's own variables belong to somebody else."""
    settings = RegistrySettings.from_environ(with_env_file({}, env_file))
    if settings.url != examined.url or settings.access_key_id is None:
        raise InvalidInput(
            "configuration",
            f"{env_file} holds no key of the {role} of {examined.url}, but is about {settings.url}.",
            remedy="name the env file that init wrote for this registry, or leave the option out.",
        )
    return settings


def _print(found: Examination) -> None:
    table = new_table("check", "", "found")
    for finding in found.findings:
        verdict = f"[{STYLES[finding.verdict]}]{finding.verdict.value}[/]"
        table.add_row(finding.check, verdict, escape(finding.detail))
    OUT.print(table)
    if found.safe and found.untried:
        say(f"{found.location} did all that was tried as a registry needs it. Not tried: {', '.join(found.untried)}.")
    elif found.safe:
        say(f"{found.location} is safe for a registry.")
