"""What every write shares: who writes, with which key, and how a lost reply is told from a lost race."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from edustream_contracts.errors import OutcomeUnknown, Unreachable
from edustream_registry.reading import Clock, ReleaseReader, utc_now
from edustream_registry.signing import Signer
from edustream_registry.statement import S, Signed
from edustream_registry.store import ObjectExists, ObjectMissing, Store, WriteCondition


def new_write_id() -> str:
    """A number that nobody else uses: 32 hexadecimal digits."""
    return uuid.uuid4().hex


@dataclass(frozen=True, slots=True)
class Author:
    """Who writes, with which key, by which clock; the reader checks what others wrote."""

    store: Store
    reader: ReleaseReader
    signer: Signer
    who: str
    clock: Clock = utc_now
    write_id: Callable[[], str] = field(default=new_write_id)

    def now(self) -> str:
        """The time of writing, ISO 8601 in UTC, to the second."""
        return timestamp(self.clock())


class Landing(Enum):
    """What became of a create-only write."""

    MINE = "mine"
    """It is there, and this write put it there, even if the first reply was lost."""
    THEIRS = "theirs"
    """Somebody else's object is there."""


def create(author: Author, key: str, statement: S) -> tuple[Landing, Signed[S]]:
    """Sign `statement` and write it under `key`, which must hold nothing.

    After a refusal the object is read back: a statement with this one's write id is this one, whose first reply
    got lost. Returns what is under the key now.

    Raises `OutcomeUnknown` when no reply came and nothing can be read back, `Unreachable` when nothing was sent,
    `Rejected` before anything is sent when the author's own trust file does not hold the author's key.
    """
    data = author.signer.sign(statement.payload())
    mine = author.reader.verified(key, data, type(statement))
    try:
        author.store.put(key, data, WriteCondition.CREATE)
    except ObjectExists:
        return _told_apart(author.reader.statement(key, type(statement)), statement)
    except OutcomeUnknown as unknown:
        try:
            return _told_apart(author.reader.statement(key, type(statement)), statement)
        except (ObjectMissing, Unreachable):
            raise unknown from None
    return Landing.MINE, mine


def _told_apart(found: Signed[S], statement: S) -> tuple[Landing, Signed[S]]:
    return (Landing.MINE if found.statement.write_id == statement.write_id else Landing.THEIRS), found


def timestamp(moment: datetime) -> str:
    """ISO 8601 in UTC, to the second, e.g. 2026-11-21T09:30:00+00:00."""
    return moment.replace(microsecond=0).isoformat()
