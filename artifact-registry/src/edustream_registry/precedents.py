"""The releases that a new one is held against when it gets its number (PROTOCOL.md, 6.3)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Final

from semver import Version

from edustream_contracts.errors import GateRefused, NothingToServe, Rejected
from edustream_registry.channel import LogEntry
from edustream_registry.manifest import Manifest, ReleaseContent
from edustream_registry.names import is_version, parse_version
from edustream_registry.reading import ReleaseReader
from edustream_registry.statement import Signed

RECENT: Final = 8
SHOWN_CHANNELS: Final = 3


@dataclass(frozen=True, slots=True)
class Precedent:
    """A release that a new one is held against; `channels` are those whose last entry names it."""

    release: Signed[Manifest]
    channels: tuple[str, ...] = ()

    @property
    def manifest(self) -> Manifest:
        """The release's manifest."""
        return self.release.statement

    @property
    def number(self) -> Version:
        """The release's version."""
        return parse_version(self.manifest.version)

    def __str__(self) -> str:
        return f"{self.number} ({_some(self.channels)})" if self.channels else str(self.number)


class Precedents:
    """The releases of one model at one moment: listed once, each manifest and tombstone read at most once.

    A release **binds** if it is no prerelease, whose contract is free to change by semantic versioning (clause 9), and
    was not yanked, since nobody is served it any more. Where every release was yanked, the highest one binds.

    `highest` is the highest number that binds; None where there is no release but prereleases.
    """

    def __init__(self, reader: ReleaseReader, model: str) -> None:
        """List the releases and the tombstones of `model`, and find the highest release that binds.

        Takes two listings, and a request for each yanked release above that one.
        """
        self.model = model
        self._reader = reader
        self._released = [parse_version(text) for text in reader.versions(model)]
        self._finals = [number for number in self._released if number.prerelease is None]
        self._tombstones = {parse_version(text) for text in reader.yanked(model)}
        self._manifests: dict[Version, Signed[Manifest]] = {}
        self._yanked: dict[Version, bool] = {}
        self._held: list[Precedent] | None = None
        self.highest = next(self._living(), self._finals[-1] if self._finals else None)

    @property
    def used(self) -> set[Version]:
        """Every number that carries a manifest or a tombstone."""
        return {*self._released, *self._tombstones}

    def same_as(self, content: ReleaseContent) -> Signed[Manifest] | None:
        """The release with the identity of `content`, if it is one of the highest that bind, or a channel serves it."""
        for number in islice(self._living(), RECENT):
            # One that cannot be read is not the same; where it has to be compared, reading it says so.
            with suppress(NothingToServe, Rejected):
                if self._manifest(number).statement.content.identity == content.identity:
                    return self._manifest(number)
        served = (each.release for each in self.served_and_highest() if not self.is_yanked(each.number))
        return next((one for one in served if one.statement.content.identity == content.identity), None)

    def served_and_highest(self) -> list[Precedent]:
        """The binding releases that the last entry of a channel names, and the highest one, from the highest down.

        Takes at most three requests a channel, and one for the manifest of each release.

        Raises as `neighbours` does, and where a channel names another manifest than the release's.
        """
        if self._held is None:
            self._held = self._read_held()
        return self._held

    def _read_held(self) -> list[Precedent]:
        channels: dict[Version, list[LogEntry]] = {} if self.highest is None else {self.highest: []}
        for name in self._reader.channels(self.model):
            entry = self._reader.last_entry(self.model, name)
            if entry and is_version(entry.statement.version):
                channels.setdefault(parse_version(entry.statement.version), []).append(entry.statement)
        return [
            self._precedent(number, entries)
            for number, entries in sorted(channels.items(), reverse=True)
            if number == self.highest or self._binds(number)
        ]

    def neighbours(self, number: Version) -> tuple[Precedent | None, Precedent | None]:
        """The nearest binding releases of the same major below and above `number`.

        Raises `GateRefused` (kind `version`) where the manifest of one is not there, or cannot be verified.
        """
        line = [final for final in self._finals if final.major == number.major and final != number]
        below = self._nearest(final for final in reversed(line) if final < number)
        return below, self._nearest(final for final in line if final > number)

    def last_of_minor(self, number: Version) -> tuple[Version, Precedent | None]:
        """The highest used number with major and minor of `number`, and its release; None where it has no manifest.

        Raises as `neighbours` does.
        """
        same = [used for used in self.used if used.prerelease is None and used[:2] == number[:2]]
        last = max(same)
        return last, self._precedent(last) if last in self._released else None

    def is_yanked(self, number: Version) -> bool:
        """Whether the number carries a tombstone that is verified: a name in a listing is no proof."""
        if number not in self._tombstones:
            return False
        if number not in self._yanked:
            self._yanked[number] = self._reader.tombstone(self.model, str(number)) is not None
        return self._yanked[number]

    def _living(self) -> Iterator[Version]:
        """The numbers of final releases that were not yanked, from the highest down."""
        return (number for number in reversed(self._finals) if not self.is_yanked(number))

    def _binds(self, number: Version) -> bool:
        return number.prerelease is None and not self.is_yanked(number)

    def _nearest(self, numbers: Iterable[Version]) -> Precedent | None:
        found = next((number for number in numbers if number == self.highest or not self.is_yanked(number)), None)
        return self._precedent(found) if found else None

    def _precedent(self, number: Version, entries: Sequence[LogEntry] = ()) -> Precedent:
        try:
            manifest = self._manifest(number)
        except NothingToServe as error:
            raise self._unknown(number, entries, "is not in the registry any more") from error
        except Rejected as error:
            raise self._unknown(number, entries, f"cannot be verified ({error.fact.rstrip('.')})") from error
        if any(entry.manifest_digest != manifest.digest for entry in entries):
            raise self._unknown(number, entries, "is not the one that was promoted")
        return Precedent(manifest, tuple(entry.channel for entry in entries))

    def _manifest(self, number: Version) -> Signed[Manifest]:
        if number not in self._manifests:
            self._manifests[number] = self._reader.manifest(self.model, str(number))
        return self._manifests[number]

    def _unknown(self, number: Version, entries: Sequence[LogEntry], how: str) -> GateRefused:
        channels = f" ({_some([entry.channel for entry in entries])})" if entries else ""
        promote = "promote another release there, or " if entries else ""
        return GateRefused(
            "version",
            f"{self.model}@{number}{channels} {how}, so nothing says which contract its consumers rely on.",
            remedy=f"{promote}put its manifest back from a backup, or state the next major version, which needs no "
            "comparison.",
        )


def _some(channels: Sequence[str]) -> str:
    more = len(channels) - SHOWN_CHANNELS
    return ", ".join(channels[:SHOWN_CHANNELS]) + (f" and {more} more" if more > 0 else "")
