"""Audit a registry: every signature, every link of every log, every byte of every file; damage stops nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from typing import Final, TypeVar

from edustream_contracts.errors import EduStreamError, NothingToServe, Rejected, Unreachable
from edustream_registry import layout
from edustream_registry.announcement import require_registry
from edustream_registry.channel import LogEntry, check_link
from edustream_registry.manifest import Manifest, ReleaseFile
from edustream_registry.names import parse_version
from edustream_registry.needs import ConsumerStatement, matters_until, read_needs
from edustream_registry.object_keys import KeyKind, ObjectKey, parse_key
from edustream_registry.reading import ReleaseReader
from edustream_registry.statement import Signed
from edustream_registry.store import ObjectMissing

MAX_FAILURES_IN_A_ROW: Final = 3
"""After so many objects in a row that the store could not give, the registry counts as unreachable."""


class Severity(Enum):
    """What a finding means."""

    WRONG = "wrong"
    """Something that was released, promoted or yanked is damaged or lost."""
    NOTE = "note"
    """Nothing depends on it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that the audit found: where, and what; `kind` is an error's kind, or a word of the audit's own."""

    severity: Severity
    kind: str
    key: str
    message: str


@dataclass(slots=True)
class Audit:
    """What was looked at, and what was found, in the order of looking."""

    models: int = 0
    releases: int = 0
    files: int = 0
    bytes: int = 0
    entries: int = 0
    tombstones: int = 0
    statements: int = 0
    findings: list[Finding] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether nothing is wrong; notes do not count."""
        return not any(finding.severity is Severity.WRONG for finding in self.findings)


@dataclass(slots=True)
class _Contents:
    """The keys of one model, by what they are for."""

    files: dict[str, int] = field(default_factory=dict)
    versions: list[str] = field(default_factory=list)
    tombstones: list[str] = field(default_factory=list)
    logs: dict[str, list[int]] = field(default_factory=dict)
    heads: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)


T = TypeVar("T")


class Auditor:
    """Looks at everything in a registry on behalf of one trust policy; memory grows with the number of keys alone."""

    def __init__(self, reader: ReleaseReader, advance: Callable[[int], object] = lambda _: None) -> None:
        """Prepare an audit; `advance` is told the length of every file in bytes once it was looked at."""
        self._reader = reader
        self._store = reader.store
        self._advance = advance
        self._audit = Audit()
        self._failures = 0

    def audit(self, model: str | None = None) -> Audit:
        """Look at one model, or at the whole registry.

        Raises `NothingToServe` (kind `model_missing`) for a model that has no object, `Unreachable` when the registry
        as a whole cannot be used.
        """
        self._audit = Audit()
        found: dict[str, _Contents] = {}
        statements: dict[str, str] = {}
        for info in self._store.list(layout.model_prefix(model) if model else ""):
            key = parse_key(info.key)
            if key and key.kind is KeyKind.CONSUMER_STATEMENT:
                statements[info.key] = key.name
            else:
                self._sort(found, key, info.key, info.size)
        if model and model not in found:
            raise self._reader.model_missing(model)
        # After the listing: where the registry cannot be used at all, that was told by one request.
        self._attempt(layout.REGISTRY, lambda: require_registry(self._store))
        for name, contents in sorted(found.items()):
            self._model(name, contents)
        self._statements(statements)
        return self._audit

    def _sort(self, found: dict[str, _Contents], key: ObjectKey | None, text: str, size: int) -> None:
        if key is None:
            return self._note("unknown_key", text, "has no form that the protocol knows; readers pass it over.")
        if key.kind is KeyKind.REGISTRY:
            return None
        contents = found.setdefault(key.model, _Contents())
        match key.kind:
            case KeyKind.FILE:
                contents.files[text] = size
            case KeyKind.MANIFEST:
                contents.versions.append(key.name)
            case KeyKind.TOMBSTONE:
                contents.tombstones.append(key.name)
            case KeyKind.ENTRY:
                contents.logs.setdefault(key.channel, []).append(int(key.name))
            case KeyKind.HEAD:
                contents.heads.append(key.channel)
            case KeyKind.NOTICE:
                contents.notices.append(text)
        return None

    def _model(self, model: str, contents: _Contents) -> None:
        self._audit.models += 1
        manifests = self._manifests(model, contents)
        self._files(model, manifests, contents)
        for channel in sorted(contents.logs.keys() | set(contents.heads)):
            sequences = sorted(contents.logs.get(channel, ()))
            self._log(model, channel, sequences, manifests)
            if channel in contents.heads:
                self._head(model, channel, sequences)
        for version in contents.tombstones:
            self._tombstone(model, version, contents)
        for key in contents.notices:
            self._note("collection", key, "says that orphans are being deleted; gc removes it once it is dead.")

    def _manifests(self, model: str, contents: _Contents) -> dict[str, Signed[Manifest]]:
        found = {}
        for version in sorted(contents.versions, key=parse_version):
            self._audit.releases += 1
            key = layout.manifest_key(model, version)
            manifest = self._attempt(key, partial(self._reader.manifest, model, version))
            if manifest:
                found[version] = manifest
        return found

    def _files(self, model: str, manifests: dict[str, Signed[Manifest]], contents: _Contents) -> None:
        stated: dict[str, dict[ReleaseFile, list[str]]] = {}
        for version, manifest in manifests.items():
            for file in manifest.statement.content.files:
                key = layout.file_key(model, file.sha256, file.name)
                stated.setdefault(key, {}).setdefault(file, []).append(version)
        for key, files in stated.items():
            self._audit.files += 1
            for file, versions in files.items():
                releases = ", ".join(f"{model}@{version}" for version in versions)
                self._attempt(key, partial(self._reader.check_file, model, file), f" It is of {releases}.")
                self._audit.bytes += file.size
                self._advance(file.size)
        complete = manifests.keys() == set(contents.versions)
        doubt = "" if complete else ", though one that cannot be read may"
        for key, size in contents.files.items():
            if key not in stated:
                self._note("orphan", key, f"holds {size} bytes that no manifest names{doubt}; gc deletes it.")

    def _log(self, model: str, channel: str, sequences: list[int], manifests: dict[str, Signed[Manifest]]) -> None:
        before: Signed[LogEntry] | None = None
        expected = 1
        for sequence in sequences:
            self._audit.entries += 1
            key = layout.entry_key(model, channel, sequence)
            if sequence != expected:
                lost = f"entry {expected}" if sequence == expected + 1 else f"entries {expected} to {sequence - 1}"
                self._wrong("gap", key, f"follows a gap: {lost} of {model}@{channel} are not there.")
                before = None
            expected = sequence + 1
            entry = self._attempt(key, partial(self._reader.entry, model, channel, sequence))
            if entry:
                self._entry(key, entry, before, manifests)
            before = entry

    def _entry(
        self,
        key: str,
        entry: Signed[LogEntry],
        before: Signed[LogEntry] | None,
        manifests: dict[str, Signed[Manifest]],
    ) -> None:
        if before:
            self._attempt(key, lambda: check_link(before, entry))
        said = entry.statement
        manifest = manifests.get(said.version)
        release = f"{said.model}@{said.version}"
        if manifest is None:
            self._wrong("manifest_missing", key, f"promotes {release}, whose manifest is missing or not valid.")
        elif manifest.digest != said.manifest_digest:
            self._wrong(
                "manifest_differs",
                key,
                f"promotes {release} with the manifest {said.manifest_digest}; there is {manifest.digest}.",
            )

    def _head(self, model: str, channel: str, sequences: list[int]) -> None:
        key = layout.head_key(model, channel)
        hinted = self._attempt(key, lambda: self._reader.hint(model, channel))
        if hinted is None:
            self._note("head", key, "is no valid hint; readers list the log instead.")
        elif hinted not in sequences:
            self._note("head", key, f"points at entry {hinted}, which is not there; readers list the log instead.")

    def _tombstone(self, model: str, version: str, contents: _Contents) -> None:
        self._audit.tombstones += 1
        key = layout.tombstone_key(model, version)
        self._attempt(key, lambda: self._reader.tombstone(model, version))
        if version not in contents.versions:
            self._wrong("manifest_missing", key, f"yanks {model}@{version}, whose manifest is missing.")

    def _statements(self, ids: dict[str, str]) -> None:
        now = self._reader.clock().timestamp()
        refused: dict[str, Rejected] = {}
        void: set[str] = set()
        for key in ids:
            self._audit.statements += 1
            found = self._attempt(key, partial(self._statement, key))
            if isinstance(found, Rejected):
                refused[key] = found
            elif found:
                void.update(layout.needs_key(found.consumer, replaced) for replaced in found.replaces or ())
        for key, error in refused.items():
            if matters_until(ids[key]) <= now or key in void:
                self._note("statement", key, f"cannot be verified, and does not count any more: {error.fact}")
            else:
                self._found(key, error, " Until it expires, promotions are refused.")

    def _statement(self, key: str) -> ConsumerStatement | Rejected | None:
        try:
            return read_needs(self._store, self._reader.trust, key).statement
        except Rejected as error:
            return error
        except ObjectMissing:
            return None

    def _attempt(self, key: str, look: Callable[[], T], whose: str = "") -> T | None:
        """What `look` returns; what it raises becomes a finding about `key`."""
        try:
            found = look()
        except (Rejected, NothingToServe) as error:
            self._found(key, error, whose)
        except Unreachable as error:
            self._failures += 1
            if self._failures >= MAX_FAILURES_IN_A_ROW:
                raise
            self._found(key, error, whose)
            return None
        else:
            self._failures = 0
            return found
        self._failures = 0
        return None

    def _found(self, key: str, error: EduStreamError, whose: str) -> None:
        problems: Iterator[str] = (f" {problem}." for problem in error.problems)
        self._wrong(error.kind, key, error.fact + "".join(problems) + whose)

    def _wrong(self, kind: str, key: str, message: str) -> None:
        self._audit.findings.append(Finding(Severity.WRONG, kind, key, message))

    def _note(self, kind: str, key: str, message: str) -> None:
        self._audit.findings.append(Finding(Severity.NOTE, kind, key, message))
