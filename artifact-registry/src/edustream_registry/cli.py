"""The command `edustream-registry`: look at a registry, move channels, run a local one."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from edustream_contracts.errors import EduStreamError, Rejected
from edustream_contracts.exit_codes import EXIT_CODES, exit_code
from edustream_registry import presentation
from edustream_registry.command_line import (
    DEFAULT_ENV,
    AsJson,
    ChannelOf,
    EnvFile,
    Exact,
    Model,
    Reason,
    Wanted,
    author_from,
    reader_from,
    settings_from,
)
from edustream_registry.commands_audit import audit, gc
from edustream_registry.commands_check import check
from edustream_registry.commands_doctor import doctor
from edustream_registry.commands_keys import keys as keys_app
from edustream_registry.commands_needs import needs as needs_app
from edustream_registry.commands_policy import policy
from edustream_registry.commands_releases import diff, history
from edustream_registry.commands_types import types
from edustream_registry.env_file import read_env_file
from edustream_registry.names import Reference, channel_of, exact_release, model_name
from edustream_registry.promotion import Promoter
from edustream_registry.provisioning import Folders, Provisioner
from edustream_registry.pulling import pull as pull_release
from edustream_registry.serving import serve_until_stopped
from edustream_registry.transfer_bar import transfer_bar
from edustream_registry.yanking import Yanker

app = typer.Typer(
    help="Look at an EduStream artifact registry, move its channels, and run a local one.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


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
    presentation.provisioned(Provisioner(settings_from(env_file), keys=keys).init(Folders.below(root)))


app.command()(doctor)
app.command()(policy)
app.add_typer(keys_app, name="keys")
app.add_typer(needs_app, name="needs")
app.command()(audit)
app.command()(gc)
app.command()(check)
app.command()(diff)
app.command()(history)
app.command()(types)


@app.command()
def models(env_file: EnvFile = DEFAULT_ENV, as_json: AsJson = False) -> None:
    """List the models."""
    presentation.models(reader_from(env_file), as_json)


@app.command()
def releases(model: Model, env_file: EnvFile = DEFAULT_ENV, as_json: AsJson = False) -> None:
    """List the releases of a model, oldest version first; exit code 4 when one of them is refused."""
    if not presentation.releases(reader_from(env_file), model_name(model), as_json):
        raise typer.Exit(EXIT_CODES[Rejected])


@app.command()
def show(wanted: Wanted, env_file: EnvFile = DEFAULT_ENV, as_json: AsJson = False) -> None:
    """Show what a release holds, where it comes from and how good it is."""
    presentation.release(reader_from(env_file).resolve(Reference.parse(wanted)), as_json)


@app.command()
def resolve(wanted: Wanted, env_file: EnvFile = DEFAULT_ENV, as_json: AsJson = False) -> None:
    """Say which release a reference stands for now."""
    presentation.resolved(reader_from(env_file).resolve(Reference.parse(wanted)), as_json)


@app.command()
def pull(
    wanted: Wanted,
    to: Annotated[Path, typer.Option(help="Folder for the files; must be new or empty.")],
    env_file: EnvFile = DEFAULT_ENV,
    as_json: AsJson = False,
) -> None:
    """Fetch a release, verify every byte, and write its files and its manifest into a folder."""
    reader = reader_from(env_file)
    found = reader.resolve(Reference.parse(wanted))
    total = sum(file.size for file in found.manifest.content.files)
    with transfer_bar(f"{found.model}@{found.version}", total) as progress:
        files = pull_release(reader, found, to, progress)
    presentation.pulled(found, files, to, as_json)


@app.command()
def promote(
    release: Exact,
    to: Annotated[str, typer.Option("--to", help="The channel, e.g. production.")],
    reason: Reason = "promoted by hand",
    broken: Annotated[
        list[str] | None,
        typer.Option("--break", help="A consumer that may break; recorded in the log. Once for each."),
    ] = None,
    renew: Annotated[
        bool, typer.Option("--renew", help="Confirm what the channel points at by a new entry; never moves it.")
    ] = False,
    env_file: EnvFile = DEFAULT_ENV,
    as_json: AsJson = False,
) -> None:
    """Make a channel point at a release, unless that breaks a consumer."""
    model, version = exact_release(release)
    promoter = Promoter(author_from(env_file))
    if renew:
        done = promoter.renew(model, to, version, reason)
    else:
        done = promoter.promote(model, to, version, reason, broken or ())
    presentation.promotion(done, as_json)


@app.command()
def rollback(
    channel: ChannelOf,
    reason: Reason,
    to_version: Annotated[str | None, typer.Option(help="The version to go back to; else the one before.")] = None,
    env_file: EnvFile = DEFAULT_ENV,
    as_json: AsJson = False,
) -> None:
    """Make a channel point at an older release again, whatever consumers need; the log only grows."""
    model, name = channel_of(channel)
    presentation.promotion(Promoter(author_from(env_file)).rollback(model, name, reason, to_version), as_json)


@app.command()
def yank(release: Exact, reason: Reason, env_file: EnvFile = DEFAULT_ENV, as_json: AsJson = False) -> None:
    """Take a release out of service for ever; its files stay, its number is never used again."""
    model, version = exact_release(release)
    presentation.yank(Yanker(author_from(env_file)).yank(model, version, reason), as_json)


def main() -> None:
    """Run the command; an error of ours becomes its message on stderr and its exit code."""
    try:
        app()
    except EduStreamError as error:
        presentation.failed(error)
        sys.exit(exit_code(error))
