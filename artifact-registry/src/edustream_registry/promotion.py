"""Promote and roll back: append to a channel's log, put-if-absent; the log is the truth, HEAD a hint."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, TypeAlias

from tenacity import RetryError, Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from edustream_contracts.errors import (
    Conflict,
    GateRefused,
    InvalidInput,
    NothingToServe,
    OutcomeUnknown,
    Problem,
    Rejected,
    Unreachable,
)
from edustream_registry import layout
from edustream_registry.announcement import require_registry
from edustream_registry.channel import LogEntry, way_back
from edustream_registry.creation import Landing
from edustream_registry.manifest import Manifest
from edustream_registry.names import model_name, parse_version
from edustream_registry.needs_gate import NeedsGate
from edustream_registry.statement import Signed
from edustream_registry.store import ObjectMissing, WriteCondition
from edustream_registry.writing import Author, create

Broken: TypeAlias = tuple[str, ...] | None
"""Names of consumers that a move breaks, or of which that is not known; None where nobody could be asked."""
CANDIDATE: Final = "candidate"
"""The only channel that a release may be promoted to which one of its own gates refused."""
ATTEMPTS: Final = 20
MAX_WAIT_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class Promotion:
    """Where a channel stands; `moved` is False when it stood there already and nothing was written.

    `broken` are the consumers that the move breaks by what they stated, or of which that is not known; None where they
    could not be asked.
    """

    entry: Signed[LogEntry]
    moved: bool
    broken: Broken = ()


class _EntryTaken(Exception):
    """Another promoter took the sequence; look at the log afresh."""


class Promoter:
    """Moves channels in the name of one author."""

    def __init__(self, author: Author) -> None:
        self._author = author

    def promote(self, model: str, channel: str, version: str, reason: str, accepted: Collection[str] = ()) -> Promotion:
        """Make `channel` point at `version`, which must be released, complete and not yanked, and break no consumer.

        Consumers that are `accepted` may break; their names are recorded in the entry's reason.

        Raises:
            GateRefused: kind `needs`, another consumer would break, or it is not known; kind `threshold`, one of the
                release's own gates refused it, and the channel is not `candidate`.
            NothingToServe: kind `release_missing`, `file_missing` or `yanked`.
            Conflict: kind `promotion_race`, others kept appending first.
            OutcomeUnknown: no reply came; ask `history` before promoting again.
        """
        release = self._promotable(model_name(model), str(parse_version(version)))
        _require_kept(release.statement, channel)
        return self._append(model, model_name(channel), release, reason, self._gate(release, channel, accepted))

    def renew(self, model: str, channel: str, version: str, reason: str) -> Promotion:
        """Confirm the release that `channel` points at by a new entry, for readers that limit the age of the last one.

        Raises as `promote` does, and `Conflict` (kind `promotion_race`) when the channel points elsewhere: a renewal
        never moves a channel.
        """
        release = self._promotable(model_name(model), str(parse_version(version)))
        return self._append(model, model_name(channel), release, reason, None)

    def rollback(self, model: str, channel: str, reason: str, version: str | None = None) -> Promotion:
        """Make `channel` point at an older version again: the one given, or the one before (see `way_back`).

        Yanked versions are passed over. A version that the channel pointed at before is gone back to whatever consumers
        need: an emergency waits for nobody. Which of them break is recorded in the entry's reason, as far as it can be
        told.

        Raises as `promote` does, `NothingToServe` (kind `channel_empty` or `release_missing`) when there is nothing to
        go back to, and `Conflict` (kind `promotion_race`) when the channel moved after its history was read: what
        somebody put there in the meantime is not what was to be rolled back.
        """
        entries = self._author.reader.history(model_name(model), model_name(channel))
        if not entries:
            raise NothingToServe(
                "channel_empty", f"Nothing was ever promoted to {model}@{channel}.", remedy="promote a release first."
            )
        wanted = str(parse_version(version)) if version else self._before(entries)
        if wanted not in {entry.statement.version for entry in entries}:
            return self.promote(model, channel, wanted, reason)
        release = self._promotable(model, wanted)
        return self._append(model, channel, release, reason, lambda: self._broken(release, channel), entries[-1])

    def _before(self, entries: list[Signed[LogEntry]]) -> str:
        current = entries[-1].statement
        for version in way_back([entry.statement for entry in entries]):
            if self._author.reader.tombstone(current.model, version) is None:
                return version
        raise NothingToServe(
            "release_missing",
            f"{current.model}@{current.channel} stands at {current.version}, with no usable version before it.",
            remedy=f"promote one by name: edustream-registry promote {current.model}@VERSION --to {current.channel}.",
        )

    def _promotable(self, model: str, version: str) -> Signed[Manifest]:
        reader = self._author.reader
        require_registry(self._author.store)
        release = reader.manifest(model, version)
        tombstone = reader.tombstone(model, version)
        if tombstone:
            raise NothingToServe(
                "yanked",
                f"{model}@{version} was yanked: {tombstone.statement.reason}",
                remedy="promote another version.",
            )
        for file in release.statement.content.files:
            try:
                self._author.store.size(layout.file_key(model, file.sha256, file.name))
            except ObjectMissing as error:
                raise NothingToServe(
                    "file_missing",
                    f"{model}@{version} lacks its file {file.name} in {self._author.store.location}.",
                    remedy="publish the release again, which puts the file back.",
                ) from error
        return release

    def _gate(self, release: Signed[Manifest], channel: str, accepted: Collection[str]) -> Callable[[], Broken]:
        gate = NeedsGate(self._author.reader)

        def ask() -> Broken:
            assessment = gate.assess(release.statement, channel, self._author.clock())
            assessment.require_harmless(accepted)
            return assessment.harmed

        return ask

    def _broken(self, release: Signed[Manifest], channel: str) -> Broken:
        try:
            return NeedsGate(self._author.reader).assess(release.statement, channel, self._author.clock()).harmed
        except (NothingToServe, Rejected, Unreachable):
            # What cannot be told must not keep anybody from going back.
            return None

    def _append(
        self,
        model: str,
        channel: str,
        release: Signed[Manifest],
        reason: str,
        ask: Callable[[], Broken] | None,
        seen: Signed[LogEntry] | None = None,
    ) -> Promotion:
        """Append an entry for `release`; `ask` says whom a move breaks, or refuses it. None renews, and never moves.

        After an entry other than `seen`, if one is given, nothing is appended.
        """
        if not reason.strip():
            raise InvalidInput("argument", "A promotion needs a reason.", remedy="say why with --reason.")
        retrying = Retrying(
            retry=retry_if_exception_type(_EntryTaken),
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait_random_exponential(multiplier=0.01, max=MAX_WAIT_S),
        )
        try:
            return retrying(self._append_once, model, channel, release, reason, ask, seen)
        except RetryError as error:
            raise Conflict(
                "promotion_race",
                f"Others appended to {model}@{channel} first, {ATTEMPTS} times in a row.",
                remedy="look at edustream-registry history, and promote again.",
            ) from error

    def _append_once(
        self,
        model: str,
        channel: str,
        release: Signed[Manifest],
        reason: str,
        ask: Callable[[], Broken] | None,
        seen: Signed[LogEntry] | None,
    ) -> Promotion:
        author = self._author
        last = author.reader.last_entry(model, channel)
        if seen and (last is None or last.digest != seen.digest):
            raise _moved(model, channel, seen, last)
        stands = last is not None and last.statement.manifest_digest == release.digest
        if ask is None and not stands:
            raise _elsewhere(model, channel, release.statement.version, last)
        if last and stands and ask is not None:
            return Promotion(last, moved=False)
        # Asked last, and anew for every attempt: what is stated after this look is seen by nobody here.
        broken = ask() if ask else ()
        entry = LogEntry(
            model=model,
            channel=channel,
            sequence=last.statement.sequence + 1 if last else 1,
            version=release.statement.version,
            manifest_digest=release.digest,
            previous=last.digest if last else None,
            promoted_at=author.now(),
            promoted_by=author.who,
            reason=reason + _recorded(broken),
            write_id=author.write_id(),
        )
        landing, found = create(author, layout.entry_key(model, channel, entry.sequence), entry)
        if landing is Landing.THEIRS:
            raise _EntryTaken(entry.sequence)
        self._hint(entry)
        return Promotion(found, moved=True, broken=broken)

    def _hint(self, entry: LogEntry) -> None:
        hint = json.dumps({"sequence": entry.sequence}).encode()
        # The entry is in the log, so the promotion stands; readers probe forward from whatever HEAD says.
        with suppress(Unreachable, OutcomeUnknown):
            self._author.store.put(layout.head_key(entry.model, entry.channel), hint, WriteCondition.OVERWRITE)


def _require_kept(manifest: Manifest, channel: str) -> None:
    """Refuse a release whose gates did not all let it pass, unless it goes where people look at such releases."""
    gates = manifest.content.gates or ()
    refused = [Problem(gate.name, gate.explanation) for gate in gates if not gate.kept]
    if refused and channel != CANDIDATE:
        raise GateRefused(
            "threshold",
            f"{len(refused)} of the {len(gates)} gates of {manifest.content.model}@{manifest.version} said no when it "
            f"was made, so it may not be promoted to {channel}.",
            remedy=f"promote another release; {CANDIDATE} is the channel for one that is published to be looked at.",
            problems=refused,
        )


def _recorded(broken: Broken) -> str:
    """What the log keeps for ever of the consumers that a move breaks."""
    if broken is None:
        return " (consumers could not be asked for their needs)"
    return f" (against the needs of {', '.join(broken)})" if broken else ""


def _moved(model: str, channel: str, seen: Signed[LogEntry], last: Signed[LogEntry] | None) -> Conflict:
    return Conflict(
        "promotion_race",
        f"{model}@{channel} stood at {model}@{seen.statement.version} (entry {seen.statement.sequence}) when its "
        f"history was read, and now {_standing(model, last)}, so it was not rolled back.",
        remedy="look at edustream-registry history, and roll back again if that is still right.",
    )


def _standing(model: str, last: Signed[LogEntry] | None) -> str:
    return f"points at {model}@{last.statement.version} (entry {last.statement.sequence})" if last else "is empty"


def _elsewhere(model: str, channel: str, version: str, last: Signed[LogEntry] | None) -> Conflict:
    return Conflict(
        "promotion_race",
        f"{model}@{channel} {_standing(model, last)}, so {model}@{version} cannot be renewed there.",
        remedy="renew what the channel points at, or promote without --renew to move it.",
    )
