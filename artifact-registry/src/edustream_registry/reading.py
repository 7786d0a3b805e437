"""The reading side: list, resolve, verify. Nothing here writes, and nothing unverified is returned."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

from semver import Version

from edustream_contracts.errors import NothingToServe, Rejected
from edustream_registry import layout
from edustream_registry.announcement import require_registry
from edustream_registry.channel import LogEntry, Tombstone, broken_chain
from edustream_registry.log_reading import LogReader
from edustream_registry.manifest import Manifest, ReleaseFile
from edustream_registry.memory_store import too_long
from edustream_registry.names import Reference, VersionRange, is_name, is_version, parse_version
from edustream_registry.resolved import Resolved
from edustream_registry.statement import Signed, require_place
from edustream_registry.store import ObjectMissing, Store
from edustream_registry.verified_statement import Trust

SHOWN_VERSIONS: Final = 10
MAX_FOLLOWED: Final = 8
PUT_RIGHT: Final = "do not use it; publish the release again, which puts the right file back."

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The current time, in UTC."""
    return datetime.now(UTC)


class ReleaseReader(LogReader):
    """Reads a registry on behalf of one trust policy."""

    def __init__(self, store: Store, trust: Trust, clock: Clock = utc_now) -> None:
        super().__init__(store, trust)
        self.clock = clock

    def models(self) -> list[str]:
        """The models that have at least one object, in alphabetical order."""
        return [name for name in self.store.folders(layout.MODELS) if is_name(name)]

    def versions(self, model: str) -> list[str]:
        """Every version ever released, yanked ones included, in the order of semantic versioning."""
        return sorted(self._versions_below(layout.releases_prefix(model)), key=parse_version)

    def yanked(self, model: str) -> set[str]:
        """The versions that carry a tombstone."""
        return set(self._versions_below(layout.yanked_prefix(model)))

    def channels(self, model: str) -> list[str]:
        """The channels of a model, in alphabetical order."""
        return [name for name in self.store.folders(layout.channels_prefix(model)) if is_name(name)]

    def tombstone(self, model: str, version: str) -> Signed[Tombstone] | None:
        """The tombstone of a version, verified; None where it was not yanked."""
        key = layout.tombstone_key(model, version)
        try:
            signed = self.statement(key, Tombstone)
        except ObjectMissing:
            return None
        require_place(key, {"model": (signed.statement.model, model), "version": (signed.statement.version, version)})
        return signed

    def manifest(self, model: str, version: str) -> Signed[Manifest]:
        """The manifest of a release, verified.

        Raises `NothingToServe` (kind `release_missing` or `model_missing`), `Rejected`.
        """
        key = layout.manifest_key(model, version)
        try:
            signed = self.statement(key, Manifest)
        except ObjectMissing as error:
            raise self._no_release(model, version) from error
        content = signed.statement.content
        require_place(key, {"model": (content.model, model), "version": (signed.statement.version, version)})
        return signed

    def resolve(self, reference: Reference, known: Resolved | None = None) -> Resolved:
        """The release that a reference stands for now.

        Args:
            reference: what is asked for.
            known: what the reader last accepted for the same reference; a channel that shows a lower sequence, or
                another entry under the same one, is refused, and so is another manifest under the same version, and a
                range whose highest release is lower without a tombstone that says why.

        Raises:
            NothingToServe: kind `model_missing`, `channel_empty`, `release_missing`, `no_version_matches`, `yanked`.
            Rejected: what was found is not signed, not intact, older than `known`, or too old.
            Unreachable: the registry cannot be used.
        """
        if reference.channel:
            entry = self._newest_entry(reference.model, reference.channel, known)
            return self._promoted(reference, entry)
        if reference.versions:
            return self._released(reference, self._best(reference.model, reference.versions, known), known)
        assert reference.version is not None  # noqa: S101 - Reference.parse sets exactly one of the three
        return self._released(reference, reference.version, known)

    def poll(self, known: Resolved) -> Resolved:
        """Like `resolve`, from what is known already: two requests while nothing changes.

        Returns `known` itself when it still stands. A deleted object is not noticed here, a tombstone is.
        """
        if known.reference.versions:
            latest = self._best(known.model, known.reference.versions, known)
            return known if latest == known.version else self._released(known.reference, latest, known)
        if known.entry:
            entry = self.newest(known.entry, MAX_FOLLOWED)
            if entry is not known.entry:
                return self._promoted(known.reference, entry)
            self._refuse_stale(entry)
        self._refuse_yanked(known.model, known.version)
        return known

    def read_file(self, model: str, file: ReleaseFile) -> bytes:
        """The bytes of a release's file, checked against its length and digest.

        Raises `NothingToServe` (kind `file_missing`), `Rejected` (kind `digest`).
        """
        key = layout.file_key(model, file.sha256, file.name)
        try:
            data = self.store.get(key, file.size)
        except ObjectMissing as error:
            raise self.file_missing(model, file) from error
        file.check(data, f"{key} in {self.store.location}", remedy=PUT_RIGHT)
        return data

    def check_file(self, model: str, file: ReleaseFile) -> None:
        """Check a release's file as `read_file` does, and keep nothing of it: for files of any size."""
        key = layout.file_key(model, file.sha256, file.name)
        digest, size = hashlib.sha256(), 0
        try:
            for chunk in self.store.stream(key):
                digest.update(chunk)
                size += len(chunk)
                if size > file.size:
                    raise too_long(key, file.size)
        except ObjectMissing as error:
            raise self.file_missing(model, file) from error
        file.check_digest(size, digest.hexdigest(), f"{key} in {self.store.location}", remedy=PUT_RIGHT)

    def file_missing(self, model: str, file: ReleaseFile) -> NothingToServe:
        """The error for a file that a release names and the registry does not hold."""
        return NothingToServe(
            "file_missing",
            f"The file {file.name} of {model} is not in the registry: "
            f"{layout.file_key(model, file.sha256, file.name)} was looked for in {self.store.location}.",
            remedy="publish the release again, which puts the file back, or promote another release.",
        )

    def model_missing(self, model: str) -> NothingToServe:
        """The error for a model of which the registry holds no object."""
        return NothingToServe(
            "model_missing",
            f"{self.store.location} holds nothing of {model}.",
            remedy="look at edustream-registry models.",
        )

    def _newest_entry(self, model: str, channel: str, known: Resolved | None) -> Signed[LogEntry]:
        entry = self.last_entry(model, channel)
        if entry is None:
            raise self.nothing_promoted(model, channel)
        floor = known.entry if known else None
        if floor and entry.statement.sequence < floor.statement.sequence:
            raise Rejected(
                "rollback",
                f"The channel {model}@{channel} shows entry {entry.statement.sequence} as its last; entry "
                f"{floor.statement.sequence} was seen before.",
                remedy="find out who took entries away; to go back, promote the older version again.",
            )
        if floor and entry.statement.sequence == floor.statement.sequence and entry.digest != floor.digest:
            raise broken_chain(f"Entry {entry.statement.sequence} of {model}@{channel} was replaced by another one.")
        return entry

    def _promoted(self, reference: Reference, entry: Signed[LogEntry]) -> Resolved:
        self._refuse_stale(entry)
        said = entry.statement
        self._refuse_yanked(said.model, said.version)
        release = self.manifest(said.model, said.version)
        if release.digest != said.manifest_digest:
            raise Rejected(
                "mix_and_match",
                f"The manifest of {said.model}@{said.version} has the digest {release.digest}; the channel promoted "
                f"{said.manifest_digest}.",
                remedy="do not use it; the manifest was replaced after the promotion.",
            )
        return Resolved(reference, release, entry)

    def _released(self, reference: Reference, version: str, known: Resolved | None) -> Resolved:
        self._refuse_yanked(reference.model, version)
        release = self.manifest(reference.model, version)
        if known and known.version == version and known.manifest_digest != release.digest:
            raise Rejected(
                "mix_and_match",
                f"The manifest of {reference.model}@{version} has the digest {release.digest}; it had "
                f"{known.manifest_digest} before.",
                remedy="do not use it; a manifest never changes, so this one was replaced.",
            )
        return Resolved(reference, release)

    def _best(self, model: str, wanted: VersionRange, known: Resolved | None) -> str:
        versions = [parse_version(text) for text in self.versions(model)]
        if not versions:
            raise self._no_release(model, wanted.text)
        yanked = self.yanked(model)
        for version in reversed(versions):
            # A name in a listing is no proof: only a signed tombstone may move a consumer to an older release.
            if wanted.admits(version) and not (str(version) in yanked and self.tombstone(model, str(version))):
                self._refuse_lower_version(model, wanted, version, known)
                return str(version)
        raise NothingToServe(
            "no_version_matches",
            f"No release of {model} matches {wanted.text}; released: {_newest(list(map(str, versions)))}"
            + (f"; yanked: {_newest(sorted(yanked, key=parse_version))}." if yanked else "."),
            remedy="ask for another range, or have a matching version published.",
        )

    def _refuse_lower_version(self, model: str, wanted: VersionRange, version: Version, known: Resolved | None) -> None:
        if known and version < parse_version(known.version) and not self.tombstone(model, known.version):
            raise Rejected(
                "rollback",
                f"{model}@{wanted.text} shows {version} as its highest release; {known.version} was seen before, and "
                "no tombstone says that it was yanked.",
                remedy="find out who took the release away; to go back, yank the higher version.",
            )

    def _versions_below(self, prefix: str) -> Iterator[str]:
        for info in self.store.list(prefix):
            version = layout.stem(info.key, prefix)
            if version and is_version(version):
                yield version

    def is_too_old(self, entry: Signed[LogEntry]) -> bool:
        """Whether the trust file allows no last entry of a channel to be as old as this one."""
        limit = self.trust.max_entry_age_s
        return limit is not None and self._age_s(entry) > limit

    def _age_s(self, entry: Signed[LogEntry]) -> float:
        return (self.clock() - entry.statement.promoted_at_time).total_seconds()

    def _refuse_stale(self, entry: Signed[LogEntry]) -> None:
        if not self.is_too_old(entry):
            return
        said = entry.statement
        channel = f"{said.model}@{said.channel}"
        raise Rejected(
            "freeze",
            f"The last entry of {channel} is {self._age_s(entry):.0f} s old; your trust file allows "
            f"{self.trust.max_entry_age_s:.0f} s.",
            remedy=f"confirm it: edustream-registry promote {said.model}@{said.version} --to {said.channel} "
            "--renew; or find out who withholds newer entries.",
        )

    def _refuse_yanked(self, model: str, version: str) -> None:
        tombstone = self.tombstone(model, version)
        if tombstone:
            said = tombstone.statement
            raise NothingToServe(
                "yanked",
                f"{model}@{version} was yanked by {said.yanked_by} at {said.yanked_at}: {said.reason}",
                remedy=f"promote another version: edustream-registry promote {model}@VERSION --to CHANNEL.",
            )

    def nothing_promoted(self, model: str, channel: str) -> NothingToServe:
        """The error for a channel without an entry; kind `model_missing` where there is no release at all."""
        versions = self.versions(model)
        if not versions:
            return self._no_release(model, channel)
        yanked = self.yanked(model)
        usable = [version for version in versions if version not in yanked]
        return NothingToServe(
            "channel_empty",
            f"Nothing was promoted to {model}@{channel} in {self.store.location}; released: {_newest(versions)}; "
            f"channels: {', '.join(self.channels(model)) or 'none'}.",
            remedy=f"promote a release: edustream-registry promote {model}@{usable[-1]} --to {channel}."
            if usable
            else f"publish a release; all of {model} are yanked.",
        )

    def _no_release(self, model: str, wanted: str) -> NothingToServe:
        versions = self.versions(model)
        if versions:
            return NothingToServe(
                "release_missing",
                f"{model}@{wanted} is not in {self.store.location}; released: {_newest(versions)}.",
                remedy="ask for a released version, or publish this one.",
            )
        models = self.models()
        if not models:
            require_registry(self.store)
        return NothingToServe(
            "model_missing",
            f"{model}@{wanted} was looked for in {self.store.location}, which holds no release of {model}; models: "
            f"{', '.join(models) or 'none'}.",
            remedy="ask edustream-registry doctor what is missing of it, and put that back from a copy of the bucket."
            if model in models
            else "publish one: python train_publish.py in repo-ml.",
        )


def _newest(versions: Sequence[str]) -> str:
    """The highest of some sorted versions, for a message that stays readable however many there are."""
    older = len(versions) - SHOWN_VERSIONS
    return ", ".join(versions[-SHOWN_VERSIONS:]) + (f" and {older} older ones" if older > 0 else "")
