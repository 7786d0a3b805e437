"""What a process lends of its registry to the processes that it started: its store, its trust, the consumer's author.

Whoever borrows needs no S3 client, no keys and no cryptography of its own, nor their memory. Calls and answers are
pickled, so the socket has to lie in a folder that nobody else may enter. Each call has a connection of its own: whoever
dies, on either side, leaves nothing half said to the next one.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from enum import Enum, auto
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from threading import Event, Thread
from typing import Any, Final, NamedTuple

from edustream_contracts.errors import EduStreamError, InvalidInput
from edustream_registry.needs import NeedsAuthor
from edustream_registry.store import ObjectExists, ObjectMissing, Store
from edustream_registry.verified_statement import Trust

LOG: Final = logging.getLogger("edustream_registry.lending")
FAMILY: Final = "AF_UNIX"
BACKLOG: Final = 64


class Call(NamedTuple):
    """What a borrower asks: `lent` is one of `LENT`, `name` one of what is lent of it."""

    lent: str
    name: str
    arguments: tuple[Any, ...] = ()


class Told(Enum):
    """What a message of the lender holds."""

    FOUND = auto()
    """What was found, or the next piece of it."""
    END = auto()
    """Nothing: all pieces were told."""
    ERROR = auto()
    """The error that was raised."""


LENT: Final[Mapping[str, frozenset[str]]] = {
    "store": frozenset({"get", "stream", "read_range", "size", "age_s", "put", "list", "folders"}),
    "trust": frozenset({"max_entry_age_s", "verify", "verify_needs"}),
    "author": frozenset({"living", "state"}),
}
"""What may be asked of each thing that is lent."""

IN_PIECES: Final = frozenset({"stream", "list", "folders"})
"""What is answered piece by piece."""


@contextmanager
def lent(address: Path, store: Store, trust: Trust, author: NeedsAuthor | None = None) -> Iterator[None]:
    """Lend at the socket `address`, which must not be there yet and is removed in the end.

    Several threads call `store`, `trust` and `author` at a time. Raises `InvalidInput` (kind `configuration`) where
    there can be no socket.
    """
    try:
        listener = Listener(str(address), FAMILY, BACKLOG)
    except OSError as error:
        raise InvalidInput(
            "configuration",
            f"There can be no socket {address}: {error}.",
            remedy="set TMPDIR to a folder that can be written and whose path is short, e.g. /tmp.",
        ) from error
    ended = Event()
    owned = {"store": store, "trust": trust, "author": author}
    thread = Thread(target=_lend, args=(listener, owned, ended), name="lender", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        # Who waits for the next call is woken by one that asks for nothing.
        with suppress(OSError):
            Client(str(address), FAMILY).close()
        thread.join()
        listener.close()


def _lend(listener: Listener, owned: Mapping[str, Any], ended: Event) -> None:
    while True:
        connection = listener.accept()
        if ended.is_set():
            connection.close()
            return
        Thread(target=_answer, args=(connection, owned), name="lender-call", daemon=True).start()


def _answer(connection: Connection[Any, Any], owned: Mapping[str, Any]) -> None:
    # A borrower that is gone waits for nothing.
    with connection, suppress(EOFError, OSError):
        for message in _messages(owned, connection.recv()):
            connection.send(message)


def _messages(owned: Mapping[str, Any], call: Call) -> Iterator[tuple[Told, Any]]:
    try:
        if call.name not in LENT[call.lent]:
            raise ValueError(f"{call.name} of the {call.lent} is not lent")
        found = getattr(owned[call.lent], call.name)
        if callable(found):
            found = found(*call.arguments)
        if call.name not in IN_PIECES:
            yield Told.FOUND, found
            return
        for piece in found:
            yield Told.FOUND, piece
        yield Told.END, None
    except (EduStreamError, ObjectMissing, ObjectExists) as error:
        yield Told.ERROR, error
    except Exception as error:
        # A defect, which the lender's log tells whole: not every exception can be sent.
        LOG.exception("lent_call_failed", extra={"lent": call.lent, "call": call.name})
        yield Told.ERROR, RuntimeError(f"{type(error).__name__}: {error}")
