"""The commands that compare releases: diff, history."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from rich.markup import escape

from edustream_contracts import compatibility
from edustream_registry import presentation
from edustream_registry.command_line import DEFAULT_ENV, AsJson, ChannelOf, EnvFile, Wanted, reader_from
from edustream_registry.comparison import Change, Comparison, compare
from edustream_registry.console import OUT, new_table, print_json, say
from edustream_registry.names import Reference, channel_of
from edustream_registry.reading import utc_now
from edustream_registry.resolved import Resolved
from edustream_registry.timeline import Reign, Window, live

At = Annotated[
    str | None, typer.Option(help="What was live then: ISO 8601, UTC unless it says otherwise; a date is that day.")
]


def diff(before: Wanted, after: Wanted, env_file: EnvFile = DEFAULT_ENV, as_json: AsJson = False) -> None:
    """Show what differs between two releases: the contract and what it breaks, metrics, data, code, files."""
    reader = reader_from(env_file)
    resolved = [reader.resolve(Reference.parse(text)) for text in (before, after)]
    _print_comparison(compare(reader, *resolved), as_json)


def history(channel: ChannelOf, at: At = None, env_file: EnvFile = DEFAULT_ENV, as_json: AsJson = False) -> None:
    """Show every move of a channel, newest first, after checking the whole chain; or what was live at a time."""
    model, name = channel_of(channel)
    reader = reader_from(env_file)
    if at is None:
        entries = reader.history(model, name)
        if not entries:
            raise reader.nothing_promoted(model, name)
        presentation.history(entries, as_json)
    else:
        window = Window.parse(at)
        _print_reigns(live(reader, model, name, window, utc_now()), channel, window, as_json)


def _print_comparison(done: Comparison, as_json: bool) -> None:
    if as_json:
        return print_json(_comparison_document(done))
    one, other = _named(done.before), _named(done.after)
    _print_contract(done.contract, one, other)
    if not done.changes:
        return say(f"{one} and {other} differ in nothing but when and by whom they were released.")
    table = new_table("part", "what", one, other, "difference")
    for change in done.changes:
        difference = "" if change.difference is None else f"{change.difference:+.6g}"
        table.add_row(change.part, escape(change.name), _cell(change.before), _cell(change.after), difference)
    OUT.print(table)
    if done.identical:
        return say("A consumer could not tell them apart.")
    return None


def _print_contract(contract: compatibility.Comparison | None, one: str, other: str) -> None:
    if contract is None:
        return say(f"{one} and {other} are of two models, so nothing is said about their contracts' compatibility.")
    say(f"contract: {contract.verdict} (input {contract.input}, output {contract.output})")
    if contract.reasons:
        table = new_table("side", "verdict", "where", "rule", "what")
        for reason in contract.reasons:
            what = escape(reason.sentence)
            table.add_row(reason.side, reason.verdict, escape(reason.pointer), reason.rule, what)
        OUT.print(table)
    for reason in contract.breaking:
        if reason.counterexample:
            instance = json.dumps(dict(reason.counterexample), ensure_ascii=False)
            say(f"counterexample of {reason.pointer}, {_standing(reason, one, other)}: {instance}")
    return None


def _standing(reason: compatibility.Reason, one: str, other: str) -> str:
    """What both contracts say of a counterexample."""
    if not reason.refutes:
        return f"valid for {one} and {other}, with another meaning"
    valid, refused = (one, other) if reason.side == "input" else (other, one)
    return f"valid for {valid}, refused by {refused}"


def _comparison_document(done: Comparison) -> dict[str, Any]:
    changes: dict[str, list[dict[str, Any]]] = {}
    for change in done.changes:
        changes.setdefault(change.part, []).append(_change_document(change))
    return {
        "before": presentation.summary(done.before),
        "after": presentation.summary(done.after),
        "identical": done.identical,
        "contract": None if done.contract is None else done.contract.as_document(),
        "changes": changes,
    }


def _change_document(change: Change) -> dict[str, Any]:
    document = {"name": change.name, "before": change.before, "after": change.after}
    return document if change.difference is None else document | {"difference": change.difference}


def _named(found: Resolved) -> str:
    return f"{found.model}@{found.version}"


def _cell(value: Any) -> str:
    return "-" if value is None else escape(str(value))


def _print_reigns(found: list[Reign], channel: str, window: Window, as_json: bool) -> None:
    if as_json:
        document = {"from": window.start.isoformat(), "to": window.end.isoformat()}
        return print_json(document | {"live": [_reign_document(reign) for reign in found]})
    if not found:
        return say(f"Nothing had been promoted to {channel} by {window.end.isoformat()}.")
    table = new_table("entry", "version", "since", "until", "who", "why", "")
    for reign in found:
        said = reign.entry.statement
        yanked = reign.yanked.statement if reign.yanked else None
        table.add_row(
            str(said.sequence),
            said.version,
            reign.since.isoformat(),
            reign.until.isoformat() if reign.until else "now",
            escape(said.promoted_by),
            escape(said.reason),
            escape(f"yanked {yanked.yanked_at} by {yanked.yanked_by}: {yanked.reason}") if yanked else "",
        )
    return OUT.print(table)


def _reign_document(reign: Reign) -> dict[str, Any]:
    return {
        "since": reign.since.isoformat(),
        "until": reign.until.isoformat() if reign.until else None,
        "entry": reign.entry.statement.payload(),
        "yanked": reign.yanked.statement.payload() if reign.yanked else None,
    }
