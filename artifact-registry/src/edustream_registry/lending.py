"""What a process lends of its registry to the processes that it started: its store, its trust, the consumer's author.

Whoever borrows needs no S3 client, no keys and no cryptography of its own, nor their memory. Calls and answers are
pickled, so the socket has to lie in a folder that nobody else may enter. Each call has a connection of its own: whoever
dies, on either side, leaves nothing half said to the next one.
"""

from __future__ import annotations

import logging
import pickle
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from enum import Enum, auto
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingMixIn, UnixStreamServer
from threading import Thread
from typing import Any, Final, NamedTuple

from edustream_contracts.errors import EduStreamError, InvalidInput
from edustream_registry.needs import NeedsAuthor
from edustream_registry.store import ObjectExists, ObjectMissing, Store
from edustream_registry.verified_statement import Trust

LOG: Final = logging.getLogger("edustream_registry.lending")


class Call(NamedTuple):
    """What a borrower asks: `name` is one of what is `LENT` of a `thing`."""

    thing: str
    name: str
    arguments: tuple[Any, ...] = ()


class Answer(Enum):
    """What a message of the lender holds."""

    PIECE = auto()
    """What was found, or one piece of it."""
    END = auto()
    """Nothing: there are no more pieces."""
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


class _Lender(ThreadingMixIn, UnixStreamServer):
    """Answers each call in a thread of its own, which ends with the process."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 1024

    def __init__(self, address: Path, things: Mapping[str, Any], begin: Callable[[], None]) -> None:
        self.things = things
        self.begin = begin
        super().__init__(str(address), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Tell of a call that could not be answered; the next ones are."""
        LOG.exception("lent_call_failed")


class _Handler(StreamRequestHandler):
    server: _Lender
    wbufsize = -1

    def handle(self) -> None:
        """Read one call and answer it."""
        self.server.begin()
        # A borrower that is gone waits for nothing.
        with suppress(EOFError, OSError):
            # Nobody else may enter the folder of the socket.
            call = pickle.load(self.rfile)  # noqa: S301
            for answer in _answers(self.server.things, call):
                self.wfile.write(answer)
            self.wfile.flush()

    def finish(self) -> None:
        """Let go of the connection, whether or not the borrower is still there."""
        with suppress(OSError):
            super().finish()


@contextmanager
def lent(
    address: Path,
    store: Store,
    trust: Trust,
    author: NeedsAuthor | None = None,
    begin: Callable[[], None] = lambda: None,
) -> Iterator[None]:
    """Lend at the socket `address`, which must not be there yet.

    Several threads call `store`, `trust` and `author` at a time; each calls `begin` first. Raises `InvalidInput` (kind
    `configuration`) where there can be no socket.
    """
    try:
        lender = _Lender(address, {"store": store, "trust": trust, "author": author}, begin)
    except OSError as error:
        raise InvalidInput(
            "configuration",
            f"There can be no socket {address}: {error}.",
            remedy="set TMPDIR to a folder that can be written and whose path is short, e.g. /tmp.",
        ) from error
    thread = Thread(target=lender.serve_forever, name="lender", daemon=True)
    thread.start()
    try:
        yield
    finally:
        lender.shutdown()
        lender.server_close()
        address.unlink(missing_ok=True)


def _answers(things: Mapping[str, Any], call: Call) -> Iterator[bytes]:
    try:
        if call.name not in LENT[call.thing]:
            raise ValueError(f"{call.name} of the {call.thing} is not lent")
        found = getattr(things[call.thing], call.name)
        if callable(found):
            found = found(*call.arguments)
        if call.name not in IN_PIECES:
            yield pickle.dumps((Answer.PIECE, found))
            return
        for piece in found:
            yield pickle.dumps((Answer.PIECE, piece))
        yield pickle.dumps((Answer.END, None))
    except (EduStreamError, ObjectMissing, ObjectExists) as error:
        yield pickle.dumps((Answer.ERROR, error))
    except Exception as error:
        # A defect, which the lender's log tells whole: not every exception can be sent.
        LOG.exception("lent_call_failed", extra={"thing": call.thing, "call": call.name})
        yield pickle.dumps((Answer.ERROR, RuntimeError(f"{type(error).__name__}: {error}")))
