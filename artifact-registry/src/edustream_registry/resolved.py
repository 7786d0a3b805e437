"""What a reference was found to stand for."""

from __future__ import annotations

from dataclasses import dataclass

from edustream_registry.channel import LogEntry
from edustream_registry.manifest import Manifest
from edustream_registry.names import Reference
from edustream_registry.statement import Signed


@dataclass(frozen=True, slots=True)
class Resolved:
    """The release that a reference stands for, verified; `entry` is the log entry that named it, for a channel."""

    reference: Reference
    release: Signed[Manifest]
    entry: Signed[LogEntry] | None = None

    @property
    def manifest(self) -> Manifest:
        """The release's manifest."""
        return self.release.statement

    @property
    def manifest_digest(self) -> str:
        """SHA-256 of the manifest's stored bytes."""
        return self.release.digest

    @property
    def model(self) -> str:
        """The model's name."""
        return self.manifest.content.model

    @property
    def version(self) -> str:
        """The release's version."""
        return self.manifest.version

    @property
    def sequence(self) -> int | None:
        """The sequence of the channel's entry, None for an exact version or a range."""
        return self.entry.statement.sequence if self.entry else None
