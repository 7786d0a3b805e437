"""A channel: a gapless, hash-chained log of promotions, one write-once entry a move."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Literal

from edustream_contracts.schemas import ObjectName
from edustream_registry.statement import Statement, WireModel


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


class ChannelHead(WireModel):
    """The disposable hint at a channel's last entry. It is not signed, and no decision rests on it."""

    sequence: int


class Tombstone(Statement):
    """A yanked release: it is not served any more, and its number is never used again."""

    SCHEMA: ClassVar[ObjectName] = "tombstone"

    type: Literal["tombstone"] = "tombstone"
    model: str
    version: str
    yanked_at: str
    yanked_by: str
    reason: str
