"""What the command line prints: tables for people, JSON for programs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from edustream_contracts.errors import EduStreamError, Rejected
from edustream_contracts.exit_codes import exit_code
from edustream_registry.channel import LogEntry
from edustream_registry.console import ERR, OUT, new_table, print_json, say
from edustream_registry.local_server import RunningServer
from edustream_registry.manifest import GateRecord, ReleaseFile
from edustream_registry.promotion import Promotion
from edustream_registry.provisioning import Provisioned
from edustream_registry.reading import ReleaseReader
from edustream_registry.resolved import Resolved
from edustream_registry.statement import Signed
from edustream_registry.yanking import Yank


def failed(error: EduStreamError) -> None:
    """An error, on stderr."""
    ERR.print(f"[bold red]error[/] [dim]({error.kind})[/] {escape(str(error))}")


def refusal(error: EduStreamError) -> dict[str, Any]:
    """An error as JSON."""
    return {
        "exit_code": exit_code(error),
        "kind": error.kind,
        "message": error.fact,
        "problems": [str(problem) for problem in error.problems],
        "next": error.remedy,
    }


def serving(server: RunningServer, data: Path, *, prepared: bool) -> None:
    """Which engine runs, and what it does with data."""
    say(f"{server.engine.value} answers at {server.endpoint_url}: it {server.engine.traits}.")
    say(f"Data and log: {data.resolve()}")
    if not prepared:
        say(f"Next, in another terminal: edustream-registry init --env-file {server.admin_env}")


def ready() -> None:
    """The registry is up; how to end it."""
    say("Registry ready. Press Ctrl-C to stop it.")


def stopped() -> None:
    """The server has ended."""
    say("Registry stopped.")


def provisioned(done: Provisioned) -> None:
    """What init made and found."""
    say("Bucket created." if done.bucket_created else "Bucket found.")
    say(f"Users with new keys: {', '.join(done.users_created)}." if done.users_created else "Users keep their keys.")
    say(f"Signing key {'created' if done.key_created else 'kept'}: {done.key_id[:12]}.")
    made = "created" if done.consumer_key_created else "kept"
    say(f"Key for the needs of the consumer {done.consumer} {made}: {done.consumer_key_id[:12]}.")
    enforced = "the store refused a consumer's write" if done.rights_enforced else "NOT enforced by this store"
    say(f"Rights: {enforced}.")
    for path in done.files:
        say(f"  wrote {path.resolve()}")


def models(reader: ReleaseReader, as_json: bool) -> None:
    """The models with their latest version and their channels."""
    rows: list[dict[str, Any]] = []
    for model in reader.models():
        versions = reader.versions(model)
        channels = {name: _version_of(reader, model, name) for name in reader.channels(model)}
        rows.append({"model": model, "latest": versions[-1] if versions else None, "channels": channels})
    if as_json:
        return print_json(rows)
    if not rows:
        return say(f"{reader.store.location} holds no model yet. Publish one: python train_publish.py in repo-ml.")
    table = new_table("model", "latest", "channels")
    for row in rows:
        table.add_row(row["model"], row["latest"] or "-", ", ".join(f"{k} → {v}" for k, v in row["channels"].items()))
    return OUT.print(table)


def releases(reader: ReleaseReader, model: str, as_json: bool) -> bool:
    """The releases of a model; whether all of them, and their tombstones, could be verified."""
    yanked = reader.yanked(model)
    rows = [_release_row(reader, model, version, version in yanked) for version in reader.versions(model)]
    if as_json:
        print_json(rows)
    elif not rows:
        say(f"{model} has no release in {reader.store.location}.")
    else:
        table = new_table("version", "published", "by", "metrics", "digest", "")
        for row in rows:
            metrics = "  ".join(f"{name} {value:.4f}" for name, value in row["metrics"].items())
            note = f"refused: {row['refused']['message']}" if row["refused"] else "yanked" if row["yanked"] else ""
            cells = (row["published_at"], row["published_by"], metrics, row["digest"][:12], note)
            table.add_row(row["version"], *map(escape, cells))
        OUT.print(table)
    return not any(row["refused"] for row in rows)


def _release_row(reader: ReleaseReader, model: str, version: str, has_tombstone: bool) -> dict[str, Any]:
    row: dict[str, Any] = {"version": version, "digest": "", "published_at": "", "published_by": "", "metrics": {}}
    row |= {"yanked": None, "refused": None}
    try:
        # A name in a listing is no proof that the version was yanked.
        row["yanked"] = has_tombstone and reader.tombstone(model, version) is not None
        one = reader.manifest(model, version)
    except Rejected as error:
        return row | {"refused": {"kind": error.kind, "message": error.fact}}
    said = one.statement
    return row | {
        "digest": one.digest,
        "published_at": said.published_at,
        "published_by": said.published_by,
        "metrics": dict(said.content.metrics),
    }


def resolved(found: Resolved, as_json: bool) -> None:
    """Which release a reference stands for."""
    if as_json:
        return print_json(summary(found))
    via = f" (entry {found.sequence} of the channel)" if found.sequence else ""
    return say(f"{found.reference} → {found.model}@{found.version}{via}, manifest {found.manifest_digest[:12]}")


def release(found: Resolved, as_json: bool) -> None:
    """A release in full."""
    manifest = found.manifest
    if as_json:
        return print_json(summary(found) | {"manifest": manifest.payload()})
    content = manifest.content
    table = Table(show_header=False, box=None)
    rows = {
        "release": f"{content.model}@{manifest.version}",
        "manifest": found.manifest_digest,
        "published": f"{manifest.published_at} by {manifest.published_by}",
        "signed by": ", ".join(found.release.key_ids),
        "task": content.task,
        "contract": content.contract_digest,
        "data": f"{content.data.name}, {content.data.rows} rows, {content.data.sha256}",
        "code": content.code.commit + (" with local changes" if content.code.dirty else ""),
        "rebuild": content.rebuild.command,
        "metrics": "  ".join(f"{name} {value:.4f}" for name, value in content.metrics.items()),
        "thresholds": "  ".join(f"{name} {value:g}" for name, value in content.thresholds.items()),
        "libraries": "  ".join(f"{name} {version}" for name, version in content.libraries.items()),
    }
    for name, value in rows.items():
        table.add_row(name, escape(value))
    OUT.print(table)
    if content.gates:
        OUT.print(_gates_table(content.gates))
    return OUT.print(_files_table(content.files))


def _gates_table(gates: Sequence[GateRecord]) -> Table:
    table = new_table("gate", "kept", "what it said")
    for gate in gates:
        table.add_row(escape(gate.name), "yes" if gate.kept else "no", escape(gate.explanation))
    return table


def pulled(found: Resolved, files: Sequence[ReleaseFile], to: Path, as_json: bool) -> None:
    """What was written where."""
    if as_json:
        return print_json(summary(found) | {"directory": str(to.resolve()), "files": [file.name for file in files]})
    OUT.print(_files_table(files))
    return say(f"{found.model}@{found.version}: {len(files)} files verified and written to {to.resolve()}")


def promotion(done: Promotion, as_json: bool) -> None:
    """Where a channel stands now."""
    said = done.entry.statement
    if as_json:
        return print_json({"moved": done.moved, "entry": said.payload(), "broken": done.broken})
    verb = "now points" if done.moved else "pointed already"
    say(f"{said.model}@{said.channel} {verb} at {said.model}@{said.version} (entry {said.sequence}).")
    if done.broken is None:
        say("  consumers could not be asked for their needs: look at edustream-registry needs list.")
    for name in done.broken or ():
        say(f"  against the needs of {name}: tell whoever runs it.")
    return None


def history(entries: Sequence[Signed[LogEntry]], as_json: bool) -> None:
    """A channel's moves, newest first."""
    said = [one.statement for one in reversed(entries)]
    if as_json:
        return print_json([one.payload() for one in said])
    table = new_table("entry", "version", "when", "who", "why")
    for one in said:
        table.add_row(str(one.sequence), one.version, one.promoted_at, one.promoted_by, escape(one.reason))
    return OUT.print(table)


def yank(done: Yank, as_json: bool) -> None:
    """A tombstone, and the channels that still point at it."""
    said = done.tombstone.statement
    if as_json:
        return print_json({"new": done.new, "tombstone": said.payload(), "channels": list(done.channels)})
    say(f"{said.model}@{said.version} {'is yanked' if done.new else 'was yanked before'}: {said.reason}")
    for name in done.channels:
        say(f"  {said.model}@{name} still points at it: promote another version or roll back.")
    return None


def _version_of(reader: ReleaseReader, model: str, channel: str) -> str | None:
    entry = reader.last_entry(model, channel)
    return entry.statement.version if entry else None


def summary(found: Resolved) -> dict[str, Any]:
    """Which release a reference stands for, as JSON."""
    return {
        "reference": str(found.reference),
        "model": found.model,
        "version": found.version,
        "manifest_digest": found.manifest_digest,
        "sequence": found.sequence,
        "key_ids": list(found.release.key_ids),
    }


def _files_table(files: Sequence[ReleaseFile]) -> Table:
    table = new_table("file", "bytes", "sha256")
    for file in files:
        table.add_row(file.name, str(file.size), file.sha256)
    return table
