"""A channel: a gapless, hash-chained log of promotions, one write-once entry a move."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar, Literal

from edustream_contracts.errors import Rejected
from edustream_contracts.schemas import ObjectName
from edustream_registry.statement import Signed, Statement


class LogEntry(Statement):
    """One move of a channel.

    `previous` is the SHA-256 of the stored bytes of the entry before, None for the first; `manifest_digest` that
    of the promoted release's manifest.
    """

    SCHEMA: ClassVar[ObjectName] = "log-entry"

    type: Literal["log-entry"] = "log-entry"
    model: str
    channel: str
    sequence: int
    version: str
    manifest_digest: str
    previous: str | None = None
    promoted_at: str
    promoted_by: str
    reason: str

    @property
    def promoted_at_time(self) -> datetime:
        """When the entry was written, by the promoter's clock (UTC)."""
        return datetime.fromisoformat(self.promoted_at)


class Tombstone(Statement):
    """A yanked release: it is not served any more, and its number is never used again."""

    SCHEMA: ClassVar[ObjectName] = "tombstone"

    type: Literal["tombstone"] = "tombstone"
    model: str
    version: str
    yanked_at: str
    yanked_by: str
    reason: str


def way_back(entries: Sequence[LogEntry]) -> list[str]:
    """The versions that a channel came by to where it stands, the nearest first, each once, without the current one.

    An entry for a version that lies on the way goes back to it, and what came after it is left behind. So who rolls
    back twice goes two steps back, and never to what was rolled back from.
    """
    way: list[str] = []
    for entry in entries:
        if entry.version in way:
            del way[way.index(entry.version) :]
        way.append(entry.version)
    return way[-2::-1]


def check_link(before: Signed[LogEntry], after: Signed[LogEntry]) -> None:
    """Raise `Rejected` (kind `mix_and_match`) unless `after` names the digest of `before` as the one before it."""
    if after.statement.previous != before.digest:
        raise broken_chain(
            f"Entry {after.statement.sequence} of {after.statement.model}@{after.statement.channel} does not follow "
            f"entry {before.statement.sequence}: their digests do not link."
        )


def broken_chain(fact: str) -> Rejected:
    """The error for a log whose entries cannot all be genuine."""
    return Rejected(
        "mix_and_match", fact, remedy="trust nothing on this channel until its log is explained; an object was changed."
    )
