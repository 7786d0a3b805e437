"""Yank a release: a tombstone takes it out of service; its number is never used again, its files stay."""

from __future__ import annotations

from dataclasses import dataclass

from edustream_contracts.errors import InvalidInput, Rejected
from edustream_registry import layout
from edustream_registry.channel import Tombstone
from edustream_registry.creation import Landing
from edustream_registry.names import model_name, parse_version
from edustream_registry.statement import Signed
from edustream_registry.writing import Author, create


@dataclass(frozen=True, slots=True)
class Yank:
    """A tombstone; `new` is False when the version was yanked before. `channels` still point at the version."""

    tombstone: Signed[Tombstone]
    new: bool
    channels: tuple[str, ...]


class Yanker:
    """Yanks releases in the name of one author."""

    def __init__(self, author: Author) -> None:
        self._author = author

    def yank(self, model: str, version: str, reason: str) -> Yank:
        """Take a release out of service.

        Raises `NothingToServe` without a release, `InvalidInput` without a reason, `Rejected` where something that is
        no tombstone of it lies in its place.
        """
        if not reason.strip():
            raise InvalidInput("argument", "A yank needs a reason.", remedy="say why with --reason.")
        author = self._author
        version = str(parse_version(version))
        author.reader.manifest(model_name(model), version)
        self._require_no_junk(model, version)
        tombstone = Tombstone(
            model=model,
            version=version,
            yanked_at=author.now(),
            yanked_by=author.who,
            reason=reason,
            write_id=author.write_id(),
        )
        # Looked up before the write: an outage after it would report a yank that stands as one that failed.
        pointing = tuple(self._pointing(model, version))
        landing, found = create(author, layout.tombstone_key(model, version), tombstone)
        return Yank(found, landing is Landing.MINE, pointing)

    def _require_no_junk(self, model: str, version: str) -> None:
        try:
            self._author.reader.tombstone(model, version)
        except Rejected as error:
            raise Rejected(
                error.kind,
                f"{error.fact} It lies where the tombstone belongs, so {model}@{version} was not yanked.",
                remedy=f"have the administrator delete {layout.tombstone_key(model, version)}, then yank again; until "
                "then readers refuse the release.",
                problems=error.problems,
            ) from error

    def _pointing(self, model: str, version: str) -> list[str]:
        reader = self._author.reader
        last = {channel: reader.last_entry(model, channel) for channel in reader.channels(model)}
        return [channel for channel, entry in last.items() if entry and entry.statement.version == version]
