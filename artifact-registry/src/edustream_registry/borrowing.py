"""The registry as a process sees it that another one asks it for: store, trust and author, borrowed (see `lending`)."""

from __future__ import annotations

import pickle
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Final

from edustream_contracts.errors import OutcomeUnknown, Unreachable
from edustream_registry.lending import Answer, Call
from edustream_registry.needs import ConsumerStatement, LivingNeeds, Needs
from edustream_registry.statement import Signed
from edustream_registry.store import ObjectInfo, Source, WriteCondition
from edustream_registry.verified_statement import VerifiedStatement

SILENCE_S: Final = 120.0
"""How long an answer, or its next piece, is waited for: the lender's own client gives up sooner a server that sends
`MAX_PART_BYTES` too slowly (see `bounded_replies`)."""
MAX_PART_BYTES: Final = 1024 * 1024
"""How much of an object is asked for at once, so that the lender holds no more of it."""


class _Unanswered(Exception):
    """The lender was asked, and did not answer."""


@dataclass(frozen=True)
class Lender:
    """Asks the process that lends at the socket `address`; `location` is where its store is, for people.

    Raises `Unreachable` (kind `connection`) where nobody answers, and what the lender raised.
    """

    address: Path
    location: str
    silence_s: float = SILENCE_S

    def asked(self, thing: str, name: str, *arguments: Any) -> Any:
        """What the lender found."""
        with self._answered(), self._call(thing, name, arguments) as answers:
            return _next(answers)[1]

    def written(self, thing: str, name: str, *arguments: Any) -> Any:
        """The same of what writes: raises `OutcomeUnknown` where the lender was asked and did not answer."""
        try:
            with self._call(thing, name, arguments) as answers:
                return _next(answers)[1]
        except _Unanswered as error:
            raise OutcomeUnknown(
                "write",
                f"{self._fact()} when it was to write; that may have happened.",
                remedy="run the same command again: it finds out what happened, and does nothing twice.",
            ) from error

    def pieces(self, thing: str, name: str, *arguments: Any) -> Iterator[Any]:
        """What the lender finds, piece by piece; that nothing is there is told at once."""
        answers = self._call(thing, name, arguments)
        try:
            with self._answered():
                kind, piece = _next(answers)
        except BaseException:
            answers.close()
            raise
        return self._rest(answers, kind, piece)

    def _rest(self, answers: BinaryIO, kind: Answer, piece: Any) -> Iterator[Any]:
        with answers:
            while kind is Answer.PIECE:
                yield piece
                with self._answered():
                    kind, piece = _next(answers)

    def _call(self, thing: str, name: str, arguments: tuple[Any, ...]) -> BinaryIO:
        """Send a call; what is answered is read from what this returns."""
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(self.silence_s)
                connection.connect(str(self.address))
                connection.sendall(pickle.dumps(Call(thing, name, arguments)))
                # Keeps the connection open until it is closed itself.
                return connection.makefile("rb")
        except OSError as error:
            raise self._unreachable() from error

    @contextmanager
    def _answered(self) -> Iterator[None]:
        try:
            yield
        except _Unanswered as error:
            raise self._unreachable() from error

    def _unreachable(self) -> Unreachable:
        return Unreachable(
            "connection", f"{self._fact()}.", remedy="if it goes on, stop the consumer and start it again."
        )

    def _fact(self) -> str:
        return f"The process that asks {self.location} for this one did not answer"


def _next(answers: BinaryIO) -> tuple[Answer, Any]:
    try:
        # From the process that started this one.
        kind, value = pickle.load(answers)  # noqa: S301
    except (EOFError, OSError, pickle.UnpicklingError) as error:
        raise _Unanswered from error
    if kind is Answer.ERROR:
        raise value
    return kind, value


class BorrowedStore:
    """The lender's store, as `edustream_registry.store.Store`; files are not published through it."""

    def __init__(self, lender: Lender, url: str) -> None:
        """Prepare to use the store at `url`."""
        self._lender = lender
        self._url = url

    @property
    def location(self) -> str:
        """The address with its endpoint, for people."""
        return self._lender.location

    @property
    def url(self) -> str:
        """The address without the endpoint."""
        return self._url

    def get(self, key: str, max_bytes: int) -> bytes:
        """The object's bytes; see `Store.get`."""
        data: bytes = self._lender.asked("store", "get", key, max_bytes)
        return data

    def stream(self, key: str) -> Iterator[bytes]:
        """The object's bytes in chunks; see `Store.stream`."""
        return self._lender.pieces("store", "stream", key)

    def read_range(self, key: str, start: int, length: int) -> bytearray:
        """Part of an object; see `Store.read_range`."""
        part = bytearray()
        while len(part) < length:
            wanted = min(length - len(part), MAX_PART_BYTES)
            found = self._lender.asked("store", "read_range", key, start + len(part), wanted)
            part += found
            if len(found) < wanted:
                break
        return part

    def size(self, key: str) -> int:
        """The object's length in bytes; see `Store.size`."""
        size: int = self._lender.asked("store", "size", key)
        return size

    def age_s(self, key: str) -> float:
        """Seconds since the object was last written; see `Store.age_s`."""
        age_s: float = self._lender.asked("store", "age_s", key)
        return age_s

    def put(self, key: str, data: bytes, condition: WriteCondition) -> None:
        """Write a small object; see `Store.put`."""
        self._lender.written("store", "put", key, data, condition)

    def upload(self, key: str, source: Source) -> None:
        """Refused, as the store refuses a consumer's key. Raises `Unreachable` (kind `access_denied`)."""
        raise Unreachable(
            "access_denied",
            f"{key} cannot be uploaded to {self.location} by a process that borrows it.",
            remedy="publish releases with the producer.",
        )

    def list(self, prefix: str, start_after: str = "") -> Iterator[ObjectInfo]:
        """The objects below `prefix`; see `Store.list`."""
        return self._lender.pieces("store", "list", prefix, start_after)

    def folders(self, prefix: str) -> Iterator[str]:
        """The names one level below `prefix`; see `Store.folders`."""
        return self._lender.pieces("store", "folders", prefix)


class BorrowedTrust:
    """The lender's trust policy, as `edustream_registry.verified_statement.Trust`."""

    def __init__(self, lender: Lender) -> None:
        """Ask how old a channel's last entry may be. Raises `Unreachable`."""
        self._lender = lender
        self.max_entry_age_s: float | None = lender.asked("trust", "max_entry_age_s")

    def verify(self, data: bytes, what: str) -> VerifiedStatement:
        """The statement in `data`; see `Trust.verify`."""
        statement: VerifiedStatement = self._lender.asked("trust", "verify", data, what)
        return statement

    def verify_needs(self, consumer: str, data: bytes, what: str) -> VerifiedStatement:
        """The statement in `data`; see `Trust.verify_needs`."""
        statement: VerifiedStatement = self._lender.asked("trust", "verify_needs", consumer, data, what)
        return statement


class BorrowedAuthor:
    """The lender's author, as `edustream_registry.needs.NeedsAuthor`."""

    def __init__(self, lender: Lender) -> None:
        self._lender = lender

    def living(self) -> LivingNeeds:
        """What the consumer has stated; see `NeedsAuthor.living`."""
        living: LivingNeeds = self._lender.asked("author", "living")
        return living

    def state(self, needs: Needs, expires: datetime, replaces: Iterable[str] = ()) -> Signed[ConsumerStatement]:
        """State `needs`; see `NeedsAuthor.state`."""
        said: Signed[ConsumerStatement] = self._lender.written("author", "state", needs, expires, tuple(replaces))
        return said
