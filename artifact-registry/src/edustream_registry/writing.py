"""What every write of the producer shares: who writes, and with which keys."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from edustream_registry.creation import Landing, create_statement, timestamp
from edustream_registry.reading import Clock, ReleaseReader, utc_now
from edustream_registry.signing import Signer
from edustream_registry.statement import S, Signed
from edustream_registry.store import Store


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


def create(author: Author, key: str, statement: S) -> tuple[Landing, Signed[S]]:
    """Sign `statement` as `author` and write it under `key`, which must hold nothing; see `create_statement`."""
    return create_statement(
        author.store,
        key,
        statement,
        (author.signer, *author.cosigners),
        lambda data: author.reader.verified(key, data, type(statement)),
    )
