"""A consumer's verified copy of what it serves, on its own disk: survives an outage, is checked on every read."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from edustream_contracts.errors import NothingToServe, Rejected
from edustream_registry.channel import LogEntry
from edustream_registry.downloading import download
from edustream_registry.durable_files import make_folder, open_regular, read_bounded, write_whole
from edustream_registry.manifest import Manifest, ReleaseFile
from edustream_registry.names import Reference, parse_version
from edustream_registry.reading import Clock, ReleaseReader, utc_now
from edustream_registry.resolved import Resolved
from edustream_registry.statement import MAX_STATEMENT_BYTES, S, Signed
from edustream_registry.verified_statement import Trust, malformed

COPY_FORMAT: Final = 1
LOCK: Final = "state.lock"
# Two statements as JSON texts, in which no character takes more than three times its bytes in UTF-8.
MAX_STATE_BYTES: Final = 8 * MAX_STATEMENT_BYTES
UNUSED_S: Final = 3600.0
"""How old files of a release that nobody remembers are when they are removed."""


@dataclass(frozen=True, slots=True)
class LocalRelease:
    """A release whose files lie on this disk."""

    resolved: Resolved
    directory: Path

    def read(self, name: str) -> bytes:
        """The bytes of one file; length and SHA-256 are checked on these very bytes.

        Raises `Rejected` (kind `digest`) for bytes that differ from the manifest or cannot be read, `InvalidInput`
        for a file that the release does not have.
        """
        file = self.resolved.manifest.content.file(name)
        path = _file_path(self.directory, file.sha256, file.name)
        try:
            data = read_bounded(path, file.size)
        except OSError as error:
            raise Rejected(
                "digest",
                f"The local copy {path} cannot be read: {error.strerror}.",
                remedy="start again while the registry is reachable; the file is fetched anew.",
            ) from error
        file.check(data, str(path), remedy="start again while the registry is reachable; the file is fetched anew.")
        return data


@dataclass(frozen=True, slots=True)
class Recalled:
    """The last known good release, and when the registry last confirmed it and last answered at all (UTC).

    `withdrawn` says why it may be served no more, where the registry took it away.
    """

    release: LocalRelease
    contacted_at: datetime
    answered_at: datetime
    withdrawn: NothingToServe | None


class LocalCopy:
    """Keeps files and state below one directory; processes that share it see whole files only."""

    def __init__(self, directory: Path, trust: Trust, clock: Clock = utc_now) -> None:
        self._directory = directory
        self._trust = trust
        self._clock = clock

    def fetch(self, reader: ReleaseReader, resolved: Resolved, names: Collection[str] | None = None) -> LocalRelease:
        """Bring a release's files, or those of `names` alone, onto this disk; what is intact is not fetched again.

        An interrupted call is gone on with by the next one. Raises `NothingToServe` (kind `file_missing`), `Rejected`
        (kind `digest`), `Unreachable`.
        """
        release = LocalRelease(resolved, self._directory)
        with self._alone():
            # Until it is committed no state holds it, and whoever shares this directory may tidy up.
            self._renew(resolved)
        for file in resolved.manifest.content.files:
            if names is None or file.name in names:
                path = _file_path(self._directory, file.sha256, file.name)
                download(reader, resolved.model, file, path, flushed=True)
        return release

    def holds(self, file: ReleaseFile) -> bool:
        """Whether something lies on this disk under a file's digest and name; whether it is intact is not checked."""
        return _file_path(self._directory, file.sha256, file.name).exists()

    def commit(self, release: LocalRelease, since: Resolved | None = None) -> None:
        """Remember a release as the last known good one, confirmed now. Call it only after every check passed.

        What another process, which shares this directory, accepted later stays: a later entry of the channel, a higher
        version of the range. Only a release that was resolved from the held one, `since`, may be lower: then there is a
        tombstone that says why.
        """
        self._keep(release.resolved, since)

    def contacted(self, resolved: Resolved) -> None:
        """Note that the registry was reached just now and still says the same. What was accepted later stays."""
        self._keep(resolved, None)

    def answered(self, resolved: Resolved) -> None:
        """Note that the registry answered just now, and neither confirmed `resolved` nor took it away.

        Nothing is noted of another release than the one that is held.
        """
        with self._alone():
            state = self._state_or_none(resolved.reference)
            if state and state["manifest"].encode() == resolved.release.data:
                self._write(resolved.reference, {**state, "answered_at": self._clock().isoformat()})

    def withdrawn(self, resolved: Resolved, why: NothingToServe) -> None:
        """Note that the registry took `resolved` away: it stays what was accepted last, and is served no more.

        Forgotten when the registry confirms it again. Nothing is noted of another release than the one that is held.
        """
        with self._alone():
            state = self._state_or_none(resolved.reference)
            if state and _holds(state, resolved):
                told = {"kind": why.kind, "fact": why.fact, "remedy": why.remedy}
                self._write(resolved.reference, {**state, "withdrawn": told})

    def tidy(self) -> None:
        """Remove the files of releases that no state here holds, but for those asked for, or held, in the last hour.

        A rollback may ask for these, and another process, which shares this directory, may be about to use them.
        Nothing is removed where a state cannot be read.
        """
        with self._alone():
            try:
                held = {digest for path in self._states() for digest in _digests(path)}
            except (OSError, ValueError, LookupError, TypeError):
                return
            oldest = self._clock().timestamp() - UNUSED_S
            for folder in (self._directory / "files").iterdir():
                if folder.name not in held and folder.stat().st_mtime < oldest:
                    shutil.rmtree(folder, ignore_errors=True)

    def known(self, reference: Reference) -> Resolved | None:
        """What was last accepted for `reference`, with its signatures checked anew; None if nothing was.

        Raises `Rejected` for a state file that was changed.
        """
        state = self._state(reference)
        return self._resolved(reference, state) if state else None

    def recall(self, reference: Reference) -> Recalled | None:
        """The last known good release; its files are checked when they are read. Raises as `known` does."""
        state = self._state(reference)
        if state is None:
            return None
        release = LocalRelease(self._resolved(reference, state), self._directory)
        contacted_at = datetime.fromisoformat(state["contacted_at"])
        return Recalled(release, contacted_at, _answered_at(state), _withdrawn(state))

    def _keep(self, resolved: Resolved, since: Resolved | None) -> None:
        with self._alone():
            state = self._state_or_none(resolved.reference)
            # Its own bytes were verified when it was resolved. A poll that finds nothing new verifies nothing.
            held = self._held(resolved.reference, state) if state and not _holds(state, resolved) else None
            if held and _is_earlier(resolved, held, since):
                return
            if held:
                self._renew(held)
            self._remember(resolved)

    def _held(self, reference: Reference, state: dict[str, Any]) -> Resolved | None:
        try:
            return self._resolved(reference, state)
        except Rejected:
            return None

    def _renew(self, resolved: Resolved) -> None:
        """Have the files of a release grow old from now on."""
        now = self._clock().timestamp()
        for file in resolved.manifest.content.files:
            with suppress(OSError):
                os.utime(self._directory / "files" / file.sha256, (now, now))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        make_folder(self._directory)
        # Between the look at what is held and the write, another process could accept what is later.
        with open_regular(self._directory / LOCK, "a+b") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _remember(self, resolved: Resolved) -> None:
        now = self._clock().isoformat()
        state = {
            "copy_format": COPY_FORMAT,
            "reference": str(resolved.reference),
            "contacted_at": now,
            "answered_at": now,
            "manifest": resolved.release.data.decode(),
            "entry": resolved.entry.data.decode() if resolved.entry else None,
        }
        self._write(resolved.reference, state)

    def _write(self, reference: Reference, state: Mapping[str, Any]) -> None:
        write_whole(self._state_path(reference), json.dumps(state, indent=2).encode())

    def _state_or_none(self, reference: Reference) -> dict[str, Any] | None:
        try:
            return self._state(reference)
        except Rejected:
            return None

    def _state(self, reference: Reference) -> dict[str, Any] | None:
        path = self._state_path(reference)
        try:
            state = json.loads(read_bounded(path, MAX_STATE_BYTES))
            fits = state["copy_format"] == COPY_FORMAT and state["reference"] == str(reference)
            texts = (state["manifest"], state["entry"] or "")
            # Text with a lone surrogate has no UTF-8 form, and so was never a statement.
            moments = (datetime.fromisoformat(state["contacted_at"]), _answered_at(state))
            _withdrawn(state)
            whole = all(moment.tzinfo for moment in moments) and all(
                isinstance(text, str) and text.encode() for text in (texts[0], texts[1] or "-")
            )
        except FileNotFoundError:
            return None
        except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
            raise malformed(f"The state file {path}", "cannot be read") from error
        if not whole:
            raise malformed(f"The state file {path}", "cannot be read")
        if not fits:
            raise malformed(f"The state file {path}", "belongs to another reference or another version")
        return dict(state)

    def _resolved(self, reference: Reference, state: dict[str, Any]) -> Resolved:
        where = str(self._state_path(reference))
        manifest = self._read(Manifest, state["manifest"].encode(), f"the manifest in {where}")
        entry = self._read(LogEntry, state["entry"].encode(), f"the log entry in {where}") if state["entry"] else None
        if entry and entry.statement.manifest_digest != manifest.digest:
            raise malformed(f"The state file {where}", "names a manifest that its log entry did not promote")
        if not _answers(reference, manifest.statement, entry.statement if entry else None):
            raise malformed(f"The state file {where}", f"holds a release that {reference} does not ask for")
        return Resolved(reference, manifest, entry)

    def _read(self, kind: type[S], data: bytes, what: str) -> Signed[S]:
        statement = self._trust.verify(data, what)
        return Signed(kind.read(statement, what), data, statement.digest, statement.key_ids)

    def _states(self) -> list[Path]:
        return [path for path in (self._directory / "state").iterdir() if path.suffix == ".json"]

    def _state_path(self, reference: Reference) -> Path:
        return self._directory / "state" / state_name(reference)


def state_name(reference: Reference) -> str:
    """The name of the file that holds what is remembered about `reference`."""
    name = str(reference).replace("@", ".at.").replace("^", "caret_").replace("~", "tilde_")
    return f"{name}.json"


def _answered_at(state: Mapping[str, Any]) -> datetime:
    # Older states hold no such moment.
    return datetime.fromisoformat(state.get("answered_at", state["contacted_at"]))


def _withdrawn(state: Mapping[str, Any]) -> NothingToServe | None:
    told = state.get("withdrawn")
    if told is None:
        return None
    kind, fact, remedy = (str(told[name]) for name in ("kind", "fact", "remedy"))
    return NothingToServe(kind, fact, remedy=remedy)


def _digests(path: Path) -> list[str]:
    """The digests of the files of the release that a state holds. Raises `ValueError`, `LookupError`, `TypeError`."""
    state = json.loads(read_bounded(path, MAX_STATE_BYTES))
    return [str(file["sha256"]) for file in json.loads(state["manifest"])["signed"]["content"]["files"]]


def _holds(state: Mapping[str, Any], resolved: Resolved) -> bool:
    """Whether a state holds the very bytes of `resolved`."""
    entry = resolved.entry.data.decode() if resolved.entry else None
    return bool(state["manifest"] == resolved.release.data.decode() and state["entry"] == entry)


def _is_earlier(resolved: Resolved, held: Resolved, since: Resolved | None) -> bool:
    """Whether `resolved` is what was true before `held` was."""
    if resolved.reference.versions:
        lower = parse_version(resolved.version) < parse_version(held.version)
        return lower and (since is None or since.manifest_digest != held.manifest_digest)
    return (resolved.sequence or 0) < (held.sequence or 0)


def _answers(reference: Reference, manifest: Manifest, entry: LogEntry | None) -> bool:
    if manifest.content.model != reference.model:
        return False
    if reference.channel:
        return entry is not None and (entry.model, entry.channel) == (reference.model, reference.channel)
    if reference.versions:
        return reference.versions.admits(parse_version(manifest.version))
    return manifest.version == reference.version


def _file_path(directory: Path, sha256: str, name: str) -> Path:
    return directory / "files" / sha256 / name
