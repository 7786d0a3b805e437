"""What the protocol needs of an object store: read, list, and put-if-absent.

The write condition is a value. An adapter turns its client's exceptions into `ObjectMissing`, `ObjectExists` and
the errors of `edustream_contracts`; it tells "did not land" (`Unreachable`) from "may have landed" (`OutcomeUnknown`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Literal, Protocol


class WriteCondition(Enum):
    """When a write may take place."""

    CREATE = "create"
    """Only if the key holds nothing (`If-None-Match: *`)."""
    OVERWRITE = "overwrite"
    """Always; for the disposable HEAD hint alone."""


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """One row of a listing: key below the registry's prefix, size in bytes, time of writing (UTC)."""

    key: str
    size: int
    modified: datetime


class ObjectMissing(LookupError):
    """The store answered that it holds nothing under this key."""


class ObjectExists(RuntimeError):
    """The store refused to create what is already there."""


class Reader(Protocol):
    """Gives bytes in order, none at the end."""

    def read(self, size: int = ..., /) -> bytes:
        """The next `size` bytes, fewer at the end; all that are left where `size` is negative."""


class Source(Protocol):
    """What can be sent: a `pathlib.Path`, or a file that is checked while it is read."""

    def open(self, mode: Literal["rb"], /) -> AbstractContextManager[Reader]:
        """Open it at its beginning."""


class Store(Protocol):
    """An object store below one prefix of one bucket. Keys never begin with a slash."""

    @property
    def location(self) -> str:
        """Where this is, for people, e.g. `s3://models at http://127.0.0.1:8333`."""

    @property
    def url(self) -> str:
        """The address without the endpoint, e.g. `s3://models`."""

    def get(self, key: str, max_bytes: int) -> bytes:
        """The object's bytes. Raises `ObjectMissing`; `Rejected` when it is longer than `max_bytes`."""

    def stream(self, key: str) -> Iterator[bytes]:
        """The object's bytes in chunks. Raises `ObjectMissing` before the first."""

    def read_range(self, key: str, start: int, length: int) -> bytearray:
        """`length` bytes of the object from the offset `start`, fewer where it ends before.

        Raises `ObjectMissing`; `Rejected` (kind `digest`) where the object has no byte at `start`.
        """

    def size(self, key: str) -> int:
        """The object's length in bytes, without reading it. Raises `ObjectMissing`."""

    def age_s(self, key: str) -> float:
        """Seconds since the object was last written, at least 0. Raises `ObjectMissing`.

        Both times are the store's own, so no other clock takes part.
        """

    def put(self, key: str, data: bytes, condition: WriteCondition) -> None:
        """Write a small object. Raises `ObjectExists`, `OutcomeUnknown`."""

    def upload(self, key: str, source: Source) -> None:
        """Write a content-addressed file of any size; writing the same content twice is harmless.

        What `source` raises while it is read is passed on, and then nothing is written.
        """

    def list(self, prefix: str, start_after: str = "") -> Iterator[ObjectInfo]:
        """The objects below `prefix`, beginning after the key `start_after`.

        Those of one folder come in key order; some servers put `b/1` before `b.json`.
        """

    def folders(self, prefix: str) -> Iterator[str]:
        """The names one level below `prefix` that have objects below them."""


class DeletingStore(Store, Protocol):
    """A store whose key may delete: the administrator's, and nobody else's."""

    def delete(self, key: str) -> None:
        """Delete an object; one that is missing is no error. Raises `OutcomeUnknown`."""
