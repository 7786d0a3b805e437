"""The command `edustream-registry`: look at a registry, move channels, run a local one."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from edustream_contracts.errors import EduStreamError
from edustream_contracts.exit_codes import exit_code
from edustream_registry import presentation, verification
from edustream_registry.authorship import author_name, open_author
from edustream_registry.connection import open_reader
from edustream_registry.env_file import read_env_file
from edustream_registry.names import Reference, channel_of, exact_release, model_name
from edustream_registry.promotion import Promoter
from edustream_registry.provisioning import Folders, Provisioner
from edustream_registry.reading import ReleaseReader
from edustream_registry.serving import serve_until_stopped
from edustream_registry.settings import RegistrySettings, with_env_file
from edustream_registry.writing import Author
from edustream_registry.yanking import Yanker

app = typer.Typer(
    help="Look at an EduStream artifact registry, move its channels, and run a local one.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

EnvFile = Annotated[Path, typer.Option("--env-file", help="File with REGISTRY_URL, credentials and key files.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a program instead of a table for a person.")]
Model = Annotated[str, typer.Argument(help="A model's name, e.g. churn.")]
Wanted = Annotated[str, typer.Argument(help="A release: churn@production, churn@2.1.0 or churn@^2.")]
Exact = Annotated[str, typer.Argument(help="A release by its exact version, e.g. churn@2.1.0.")]
ChannelOf = Annotated[str, typer.Argument(help="A channel of a model, e.g. churn@production.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; recorded for ever.")]
DEFAULT_ENV = Path(".env")


@app.command()
def serve(
    engine: Annotated[str, typer.Option(help="auto, seaweedfs or moto.")] = "auto",
    port: Annotated[int, typer.Option(help="S3 port on 127.0.0.1; 0 takes a free one.", min=0, max=65535)] = 8333,
    data: Annotated[Path, typer.Option(help="Folder for the server's data and the administrator's env file.")] = Path(
        "data"
    ),
    url: Annotated[str, typer.Option(help="Address that the registry will have.")] = "s3://models",
    init: Annotated[
        Path | None, typer.Option(help="Also run init, writing the env files below this folder (a checkout).")
    ] = None,
) -> None:
    """Run a local S3 server on 127.0.0.1 until Ctrl-C."""
    serve_until_stopped(engine, data, port, url, Folders.below(init) if init else None)


@app.command()
def init(
    root: Annotated[
        Path, typer.Option(help="Folder whose artifact-registry/, repo-ml/ and repo-api/ get their env files.")
    ] = Path(".."),
    env_file: Annotated[Path, typer.Option(help="The administrator's settings, as serve writes them.")] = Path(
        "data/admin.env"
    ),
    keys_file: Annotated[
        Path | None, typer.Option(help="Env file with the keys of users made elsewhere, for a store without IAM.")
    ] = None,
) -> None:
    """Create bucket, users, rights, signing key, trust files and one env file per repo. Safe to run again."""
    keys = read_env_file(keys_file) if keys_file else None
    presentation.provisioned(Provisioner(_settings(env_file), keys=keys).init(Folders.below(root)))


@app.command()
def models(env_file: EnvFile = DEFAULT_ENV, as_json: AsJson = False) -> None:
    """List the models."""
    presentation.models(_reader(env_file), as_json)


@app.command()
def releases(model: Model, env_file: EnvFile = DEFAULT_ENV, as_json: AsJson = False) -> None:
    """List the releases of a model, oldest version first."""
    presentation.releases(_reader(env_file), model_name(model), as_json)


@app.command()
def show(wanted: Wanted, env_file: EnvFile = DEFAULT_ENV, as_json: AsJson = False) -> None:
    """Show what a release holds, where it comes from and how good it is."""
    presentation.release(_reader(env_file).resolve(Reference.parse(wanted)), as_json)


@app.command()
def resolve(wanted: Wanted, env_file: EnvFile = DEFAULT_ENV, as_json: AsJson = False) -> None:
    """Say which release a reference stands for now."""
    presentation.resolved(_reader(env_file).resolve(Reference.parse(wanted)), as_json)


@app.command()
def pull(
    wanted: Wanted,
    to: Annotated[Path, typer.Option(help="Folder for the files; must be new or empty.")],
    env_file: EnvFile = DEFAULT_ENV,
    as_json: AsJson = False,
) -> None:
    """Fetch a release, verify every byte, and write its files and its manifest into a folder."""
    reader = _reader(env_file)
    found = reader.resolve(Reference.parse(wanted))
    presentation.pulled(found, verification.pull(reader, found, to), to, as_json)


@app.command()
def promote(
    release: Exact,
    to: Annotated[str, typer.Option("--to", help="The channel, e.g. production.")],
    reason: Reason = "promoted by hand",
    env_file: EnvFile = DEFAULT_ENV,
    as_json: AsJson = False,
) -> None:
    """Make a channel point at a release."""
    model, version = exact_release(release)
    presentation.promotion(_promoter(env_file).promote(model, to, version, reason), as_json)


@app.command()
def rollback(
    channel: ChannelOf,
    reason: Reason,
    to_version: Annotated[str | None, typer.Option(help="The version to go back to; else the one before.")] = None,
    env_file: EnvFile = DEFAULT_ENV,
    as_json: AsJson = False,
) -> None:
    """Make a channel point at an older release again; the log only grows."""
    model, name = channel_of(channel)
    presentation.promotion(_promoter(env_file).rollback(model, name, reason, to_version), as_json)


@app.command()
def history(channel: ChannelOf, env_file: EnvFile = DEFAULT_ENV, as_json: AsJson = False) -> None:
    """Show every move of a channel, newest first, after checking the whole chain."""
    model, name = channel_of(channel)
    presentation.history(_reader(env_file).history(model, name), channel, as_json)


@app.command()
def yank(release: Exact, reason: Reason, env_file: EnvFile = DEFAULT_ENV, as_json: AsJson = False) -> None:
    """Take a release out of service for ever; its files stay, its number is never used again."""
    model, version = exact_release(release)
    presentation.yank(Yanker(_author(env_file)).yank(model, version, reason), as_json)


@app.command()
def check(wanted: Wanted, env_file: EnvFile = DEFAULT_ENV, as_json: AsJson = False) -> None:
    """Verify a release completely: signatures, chain, every file's digest, contract and golden vectors' form."""
    reader = _reader(env_file)
    presentation.checked(verification.check(reader, Reference.parse(wanted)), as_json)


def main() -> None:
    """Run the command; an error of ours becomes its message on stderr and its exit code."""
    try:
        app()
    except EduStreamError as error:
        presentation.failed(error)
        sys.exit(exit_code(error))


def _settings(env_file: Path) -> RegistrySettings:
    return RegistrySettings.from_environ(with_env_file(os.environ, env_file))


def _reader(env_file: Path) -> ReleaseReader:
    return open_reader(_settings(env_file))


def _promoter(env_file: Path) -> Promoter:
    return Promoter(_author(env_file))


def _author(env_file: Path) -> Author:
    environ = with_env_file(os.environ, env_file)
    return open_author(RegistrySettings.from_environ(environ), author_name(environ))
