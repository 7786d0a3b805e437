"""The commands that keep a registry for years: audit, and gc."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.progress import DownloadColumn, Progress, SpinnerColumn, TextColumn, TransferSpeedColumn

from edustream_contracts.errors import Rejected, Unreachable
from edustream_contracts.exit_codes import EXIT_CODES
from edustream_registry import layout
from edustream_registry.auditing import Audit, Auditor, Severity
from edustream_registry.collecting import Collection, Collector, Orphan
from edustream_registry.command_line import DEFAULT_ENV, AsJson, EnvFile, settings_from
from edustream_registry.connection import open_reader, open_trust
from edustream_registry.console import ERR, OUT, new_table, print_json, say
from edustream_registry.deletion import DeletingS3Store
from edustream_registry.durations import duration_s, in_words
from edustream_registry.names import model_name
from edustream_registry.reading import ReleaseReader
from edustream_registry.unfinished_uploads import TITLE, abort_uploads, survey_uploads

WRONG = EXIT_CODES[Rejected]

CANNOT_SAY = ("server_error", "access_denied")
"""Kinds of refusal by a store that does not list unfinished uploads, or not to this key."""

OneModel = Annotated[str | None, typer.Argument(help="A model's name; without it, all of them.")]
Grace = Annotated[str, typer.Option(help="Orphans younger than this stay: at least 1h, e.g. 36h or 7d.")]
Delete = Annotated[bool, typer.Option("--delete", help="Delete them; without it, they are only listed.")]


def audit(model: OneModel = None, env_file: EnvFile = DEFAULT_ENV, as_json: AsJson = False) -> None:
    """Verify every signature, log and file in the registry; exit code 4 when something is wrong."""
    reader = open_reader(settings_from(env_file))
    with _progress() as progress:
        task = progress.add_task("hashing files", total=None)
        done = Auditor(reader, lambda length: progress.advance(task, length)).audit(model and model_name(model))
    if as_json:
        print_json(_audit_document(done))
    else:
        _print_audit(done)
    if not done.clean:
        raise typer.Exit(WRONG)


def gc(
    model: OneModel = None,
    grace: Grace = "7d",
    delete: Delete = False,
    env_file: EnvFile = DEFAULT_ENV,
    as_json: AsJson = False,
) -> None:
    """List orphans, expired needs and unfinished uploads; --delete removes old ones, with the administrator's key."""
    settings = settings_from(env_file)
    store = DeletingS3Store(settings)
    reader = ReleaseReader(store, open_trust(settings))
    collector = Collector(store, reader, duration_s(grace))
    if model and model_name(model) not in reader.models():
        raise reader.model_missing(model)
    models = [model_name(model)] if model else reader.models()
    done = [collector.collect(name) if delete else collector.survey(name) for name in models]
    if model is None:
        done.append(collector.collect_statements() if delete else collector.survey_statements())
    below = layout.files_prefix(model_name(model)) if model else layout.MODELS
    try:
        done.append((abort_uploads if delete else survey_uploads)(store, below, duration_s(grace)))
    except Unreachable as error:
        if error.kind not in CANNOT_SAY:
            raise
        ERR.print(f"Unfinished uploads are left aside: {error.fact}", markup=False)
    if as_json:
        print_json([_collection_document(one, duration_s(grace)) for one in done])
    else:
        for one in done:
            _print_collection(one, duration_s(grace), delete)
    if any(one.refusal for one in done):
        raise typer.Exit(WRONG)


@contextmanager
def _progress() -> Iterator[Progress]:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=ERR, transient=True, disable=not ERR.is_terminal) as progress:
        yield progress


def _audit_document(done: Audit) -> dict[str, Any]:
    findings = [asdict(finding) | {"severity": finding.severity.value} for finding in done.findings]
    return {"clean": done.clean} | asdict(done) | {"findings": findings}


def _print_audit(done: Audit) -> None:
    if done.findings:
        table = new_table("", "kind", "object", "what")
        for finding in done.findings:
            colour = "bold red" if finding.severity is Severity.WRONG else "dim"
            table.add_row(
                f"[{colour}]{finding.severity.value}[/]", finding.kind, escape(finding.key), escape(finding.message)
            )
        OUT.print(table)
    say(
        f"{done.models} models, {done.releases} releases, {done.files} files ({done.bytes} bytes), {done.entries} log "
        f"entries, {done.tombstones} tombstones, {done.statements} statements: "
        + ("nothing is wrong." if done.clean else f"{_wrong(done)} wrong.")
    )


def _wrong(done: Audit) -> int:
    return sum(finding.severity is Severity.WRONG for finding in done.findings)


def _collection_document(done: Collection, grace_s: float) -> dict[str, Any]:
    refusal = {"kind": done.refusal.kind, "message": done.refusal.fact} if done.refusal else None
    return asdict(replace(done, refusal=None)) | {"grace_s": grace_s, "refusal": refusal}


def _print_collection(done: Collection, grace_s: float, delete: bool) -> None:
    if done.refusal:
        say(f"{done.model}: nothing may be deleted, since not every manifest can be read. {done.refusal}")
        return
    if done.old or done.young:
        table = new_table("object", "bytes", "age", "")
        for orphan in done.old:
            table.add_row(orphan.key, str(orphan.size), in_words(orphan.age_s), _fate(orphan, done, delete))
        for orphan in done.young:
            table.add_row(orphan.key, str(orphan.size), in_words(orphan.age_s), "stays: young")
        OUT.print(table)
    size = sum(orphan.size for orphan in done.old)
    young = len(done.young)
    what = {layout.CONSUMERS: "expired statements ", TITLE: ""}.get(done.model, "orphans ")
    say(
        f"{done.model}: {len(done.old)} {what}older than {in_words(grace_s)} ({size} bytes), {young} younger: "
        + (f"{len(done.deleted)} deleted." if delete else "nothing deleted (--delete does it).")
    )


def _fate(orphan: Orphan, done: Collection, delete: bool) -> str:
    if orphan.key in done.deleted:
        return "deleted"
    if orphan.key in done.spared:
        return "spared: needed, fresh or gone"
    return "not deleted: run gc again" if delete else "would be deleted"
