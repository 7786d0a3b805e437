"""A store in memory with the whole interface, so that most tests need no server."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from edustream_contracts.errors import Rejected
from edustream_registry.store import ObjectExists, ObjectInfo, ObjectMissing, Source, WriteCondition

CHUNK = 64 * 1024


class MemoryStore:
    """Objects in a dictionary. `objects` may be damaged by tests that play the attacker."""

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.objects: dict[str, bytes] = {}
        self._modified: dict[str, datetime] = {}
        self._clock = clock
        self._writing = threading.Lock()

    @property
    def location(self) -> str:
        """Where this is, for people."""
        return "memory://registry"

    @property
    def url(self) -> str:
        """The address of the store."""
        return "memory://registry"

    def get(self, key: str, max_bytes: int) -> bytes:
        """The object's bytes; see `Store.get`."""
        data = self._held(key)
        if len(data) > max_bytes:
            raise too_long(key, max_bytes)
        return data

    def stream(self, key: str) -> Iterator[bytes]:
        """The object's bytes in chunks; see `Store.stream`."""
        data = self._held(key)
        return (data[start : start + CHUNK] for start in range(0, len(data), CHUNK))

    def read_range(self, key: str, start: int, length: int) -> bytearray:
        """Part of an object; see `Store.read_range`."""
        data = self._held(key)
        if start >= len(data):
            raise Rejected(
                "digest",
                f"{key} is shorter than its manifest states: it has {len(data)} bytes.",
                remedy="publish the release again, which puts the right file back.",
            )
        return bytearray(data[start : start + length])

    def size(self, key: str) -> int:
        """The object's length in bytes."""
        return len(self._held(key))

    def age_s(self, key: str) -> float:
        """Seconds since the object was last written; see `Store.age_s`."""
        self._held(key)
        now = self._clock()
        return (now - self._modified.get(key, now)).total_seconds()

    def put(self, key: str, data: bytes, condition: WriteCondition) -> None:
        """Write an object; see `Store.put`."""
        with self._writing:
            if condition is WriteCondition.CREATE and key in self.objects:
                raise ObjectExists(key)
            self.objects[key] = data
            self._modified[key] = self._clock()

    def upload(self, key: str, source: Source) -> None:
        """Write a file; see `Store.upload`."""
        with source.open("rb") as file:
            self.put(key, file.read(), WriteCondition.OVERWRITE)

    def delete(self, key: str) -> None:
        """Delete an object; see `DeletingStore.delete`."""
        with self._writing:
            self.objects.pop(key, None)
            self._modified.pop(key, None)

    def list(self, prefix: str, start_after: str = "") -> Iterator[ObjectInfo]:
        """The objects below `prefix` in key order."""
        for key in sorted(self.objects):
            if key.startswith(prefix) and key > start_after:
                yield ObjectInfo(key, len(self.objects[key]), self._modified.get(key, self._clock()))

    def folders(self, prefix: str) -> Iterator[str]:
        """The names one level below `prefix`."""
        below = (key.removeprefix(prefix) for key in list(self.objects) if key.startswith(prefix))
        yield from sorted({rest.partition("/")[0] for rest in below if "/" in rest})

    def _held(self, key: str) -> bytes:
        try:
            return self.objects[key]
        except KeyError as error:
            raise ObjectMissing(key) from error


def too_long(key: str, max_bytes: int) -> Rejected:
    """The error for an object that is longer than whoever reads it allows."""
    return Rejected(
        "digest",
        f"{key} is longer than the {max_bytes} bytes that it may have.",
        remedy="do not use it; tell whoever runs the registry that the object was replaced.",
    )
