"""The commands `needs ...`: a consumer says what it needs of a model, and takes it back."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.markup import escape

from edustream_contracts.errors import InvalidInput
from edustream_registry.command_line import DEFAULT_ENV, AsJson, EnvFile, Wanted, reader_from, settings_from
from edustream_registry.console import OUT, new_table, print_json, say
from edustream_registry.durations import duration_s
from edustream_registry.names import Reference, model_name
from edustream_registry.needs import MAX_LIFETIME_S, ConsumerStatement, LivingNeeds, Needs, read_living
from edustream_registry.reading import utc_now
from edustream_registry.released_contracts import ReleasedContracts
from edustream_registry.settings import CONSUMER, with_env_file
from edustream_registry.statement import Signed
from edustream_registry.stating import ConsumerAuthor, open_consumer_author

needs = typer.Typer(help="Say what a consumer needs of a model, so that no promotion takes it away unnoticed.")

Consumer = Annotated[str | None, typer.Option("--consumer", help="The consumer's name; else EDUSTREAM_CONSUMER.")]
Fields = Annotated[list[str] | None, typer.Option(help="A field; give the option once for each. Without it: all.")]
SHOWN_FIELDS: Final = 6


@needs.command()
def add(
    wanted: Wanted,
    sends: Fields = None,
    reads: Fields = None,
    major: Annotated[
        int | None, typer.Option(help="The major version that it pins; else the running one's.", min=0)
    ] = None,
    lifetime: Annotated[str, typer.Option("--for", help="How long this counts, e.g. 36h or 30d.")] = "30d",
    consumer: Consumer = None,
    env_file: EnvFile = DEFAULT_ENV,
    as_json: AsJson = False,
) -> None:
    """State what the consumer sends and reads; what it stated before about the same reference is void."""
    lifetime_s = duration_s(lifetime)
    if not 0 < lifetime_s <= MAX_LIFETIME_S:
        raise InvalidInput(
            "argument", f"Needs cannot be stated for {lifetime}.", remedy="give between 1s and 366d, e.g. --for 30d."
        )
    author = _author(env_file, consumer)
    reader = reader_from(env_file)
    found = reader.resolve(Reference.parse(wanted))
    contract = ReleasedContracts(reader).of(found.manifest)
    stated = Needs.of(found.reference, found.version, contract, sends or (), reads or (), major)
    before = author.living().stated
    about = (stated.model, stated.follows)
    void = [one.statement.write_id for one in before if (one.statement.model, one.statement.follows) == about]
    signed = author.state(stated, author.clock() + timedelta(seconds=lifetime_s), void)
    if as_json:
        return print_json(signed.statement.payload())
    said = signed.statement
    say(
        f"{said.consumer} needs {wanted}: it runs {said.model}@{said.running}, pins the major version {said.major}, "
        f"sends {len(said.sends)} fields and reads {len(said.reads)}, until {said.expires_at}."
    )
    return None


@needs.command("list")
def list_needs(
    model: Annotated[str | None, typer.Argument(help="A model's name; without it, all of them.")] = None,
    env_file: EnvFile = DEFAULT_ENV,
    as_json: AsJson = False,
) -> None:
    """List what counts now, and what nobody vouches for."""
    reader = reader_from(env_file)
    living = read_living(reader.store, reader.trust, utc_now())
    named = model and model_name(model)
    stated = [one for one in living.stated if named in (None, one.statement.model)]
    if as_json:
        return print_json(_document(stated, living))
    if not (stated or living.unverified):
        return say(f"No consumer states any needs{f' of {named}' if named else ''} in {reader.store.location}.")
    table = new_table("consumer", "follows", "runs", "major", "sends", "reads", "until")
    for said in (one.statement for one in stated):
        follows, runs = f"{said.model}@{said.follows or '?'}", said.running or "?"
        table.add_row(
            said.consumer, follows, runs, str(said.major), _fields(said.sends), _fields(said.reads), said.expires_at
        )
    if stated:
        OUT.print(table)
    for one in living.unverified:
        OUT.print(f"[bold red]not verified[/] {escape(one.key)}: {escape(one.error.fact)} {escape(one.error.remedy)}")
    return None


@needs.command()
def end(
    wanted: Annotated[
        str, typer.Argument(help="A model (churn: all that it stated), or a reference: churn@production.")
    ],
    consumer: Consumer = None,
    env_file: EnvFile = DEFAULT_ENV,
    as_json: AsJson = False,
) -> None:
    """Withdraw what the consumer stated; one that still runs states it again at its next look."""
    reference = Reference.parse(wanted) if "@" in wanted else None
    model, follows = (reference.model, reference.wanted) if reference else (model_name(wanted), None)
    author = _author(env_file, consumer)
    void = author.end(model, follows)
    if as_json:
        return print_json({"consumer": author.consumer, "withdrawn": list(void)})
    if not void:
        return say(f"{author.consumer} states no needs of {wanted}; nothing was written.")
    return say(f"{author.consumer} withdrew {len(void)} statement{'s' if len(void) > 1 else ''} about {wanted}.")


def _author(env_file: Path, consumer: str | None) -> ConsumerAuthor:
    named = consumer or with_env_file(os.environ, env_file).get(CONSUMER)
    return open_consumer_author(settings_from(env_file), named)


def _fields(names: tuple[str, ...]) -> str:
    shown = ", ".join(names[:SHOWN_FIELDS])
    return f"{shown} and {len(names) - SHOWN_FIELDS} more" if len(names) > SHOWN_FIELDS else shown


def _document(stated: list[Signed[ConsumerStatement]], living: LivingNeeds) -> dict[str, Any]:
    return {
        "stated": [one.statement.payload() | {"key": one.statement.key} for one in stated],
        "unverified": [
            {"consumer": one.consumer, "key": one.key, "kind": one.error.kind, "message": one.error.fact}
            for one in living.unverified
        ],
    }
