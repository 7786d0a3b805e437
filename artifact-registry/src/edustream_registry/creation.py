"""How a signed statement comes to be: created once, and a lost reply told from a lost race (PROTOCOL.md, 6.1)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from enum import Enum

from edustream_contracts.errors import InvalidInput, OutcomeUnknown, Unreachable
from edustream_contracts.schemas import object_validator
from edustream_registry.signing import Signer, sign_statement
from edustream_registry.statement import MAX_STATEMENT_BYTES, S, Signed, Statement
from edustream_registry.store import ObjectExists, ObjectMissing, Store, WriteCondition


class Landing(Enum):
    """What became of a create-only write."""

    MINE = "mine"
    """It is there, and this write put it there, even if the first reply was lost."""
    THEIRS = "theirs"
    """Somebody else's object is there."""


def create_statement(
    store: Store, key: str, statement: S, signers: Sequence[Signer], verified: Callable[[bytes], Signed[S]]
) -> tuple[Landing, Signed[S]]:
    """Sign `statement` and write it under `key`, which must hold nothing.

    After a refusal the object is read back: a statement with this one's write id is this one, whose first reply
    got lost. Returns what is under the key now. `verified` reads stored bytes as the writer's own trust file demands.

    Raises `OutcomeUnknown` when it cannot be read back whose object is there, `Unreachable` when nothing was sent,
    `InvalidInput` before anything is sent when the statement is not what its schema demands, and what `verified`
    raises when the writer's own trust file does not hold the writer's key.
    """
    _check(statement)
    data = sign_statement(statement.payload(), signers)
    mine = verified(data)
    try:
        store.put(key, data, WriteCondition.CREATE)
    except ObjectExists as refusal:
        return _told_apart(store, key, statement, verified, _unreadable(key, store.location), refusal)
    except OutcomeUnknown as unknown:
        return _told_apart(store, key, statement, verified, unknown, unknown.__cause__)
    return Landing.MINE, mine


def timestamp(moment: datetime) -> str:
    """ISO 8601 in UTC, to the second, e.g. 2026-11-21T09:30:00+00:00."""
    return moment.replace(microsecond=0).isoformat()


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
    store: Store,
    key: str,
    statement: S,
    verified: Callable[[bytes], Signed[S]],
    unknown: OutcomeUnknown,
    cause: BaseException | None,
) -> tuple[Landing, Signed[S]]:
    try:
        found = verified(store.get(key, MAX_STATEMENT_BYTES))
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
