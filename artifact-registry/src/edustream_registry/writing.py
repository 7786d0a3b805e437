"""What every write shares: who writes, with which key, and how a lost reply is told from a lost race."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from edustream_contracts.errors import InvalidInput, OutcomeUnknown, Unreachable
from edustream_contracts.schemas import object_validator
from edustream_registry.reading import Clock, ReleaseReader, utc_now
from edustream_registry.signing import Signer, sign_statement
from edustream_registry.statement import S, Signed, Statement
from edustream_registry.store import ObjectExists, ObjectMissing, Store, WriteCondition


def new_write_id() -> str:
    """A number that nobody else uses: 32 hexadecimal digits."""
    return uuid.uuid4().hex


@dataclass(frozen=True, slots=True)
class Author:
    """Who writes, with which keys, by which clock; the reader checks what others wrote.

    Every statement is signed by `signer` and all `cosigners`, where readers ask for several signatures.
    """

    store: Store
    reader: ReleaseReader
    signer: Signer
    who: str
    clock: Clock = utc_now
    write_id: Callable[[], str] = field(default=new_write_id)
    cosigners: tuple[Signer, ...] = ()

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

    Raises `OutcomeUnknown` when it cannot be read back whose object is there, `Unreachable` when nothing was sent,
    `InvalidInput` before anything is sent when the statement is not what its schema demands, `Rejected` when the
    author's own trust file does not hold the author's key.
    """
    _check(statement)
    data = sign_statement(statement.payload(), (author.signer, *author.cosigners))
    mine = author.reader.verified(key, data, type(statement))
    try:
        author.store.put(key, data, WriteCondition.CREATE)
    except ObjectExists as refusal:
        return _told_apart(author, key, statement, _unreadable(key, author.store.location), refusal)
    except OutcomeUnknown as unknown:
        return _told_apart(author, key, statement, unknown, unknown.__cause__)
    return Landing.MINE, mine


def _check(statement: Statement) -> None:
    problems = object_validator(statement.SCHEMA).problems(statement.payload())
    if problems:
        raise InvalidInput(
            "argument",
            f"What was to be written is no valid {statement.SCHEMA}; nothing was sent.",
            remedy=f"correct it; contracts/schemas/{statement.SCHEMA}.schema.json says what it may hold.",
            problems=problems,
        )


def _told_apart(
    author: Author, key: str, statement: S, unknown: OutcomeUnknown, cause: BaseException | None
) -> tuple[Landing, Signed[S]]:
    try:
        found = author.reader.statement(key, type(statement))
    except (ObjectMissing, Unreachable):
        raise unknown from cause
    return (Landing.MINE if found.statement.write_id == statement.write_id else Landing.THEIRS), found


def _unreadable(key: str, location: str) -> OutcomeUnknown:
    # The client repeats a request whose reply was lost, so even a refusal may be of this write's own second attempt.
    return OutcomeUnknown(
        "write",
        f"{location} holds {key} already, and it cannot be read back whether this write put it there.",
        remedy="run the same command again: it finds out what happened, and does nothing twice.",
    )


def timestamp(moment: datetime) -> str:
    """ISO 8601 in UTC, to the second, e.g. 2026-11-21T09:30:00+00:00."""
    return moment.replace(microsecond=0).isoformat()
