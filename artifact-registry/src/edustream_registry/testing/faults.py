"""A store that fails on demand: cut off, before a call, or after a write that landed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from edustream_contracts.errors import OutcomeUnknown, Unreachable
from edustream_registry.store import ObjectInfo, Source, Store, WriteCondition


class Fault(Enum):
    """What happens to the call that a fault is planted on."""

    REFUSED = "refused"
    """Nothing is sent; the caller learns so."""
    LOST_REQUEST = "lost request"
    """Nothing lands, and no reply comes: the caller cannot know."""
    LOST_REPLY = "lost reply"
    """The call is carried out, and no reply comes: the caller cannot know."""
    CRASH_BEFORE = "crash before"
    """The caller dies before the call."""
    CRASH_AFTER = "crash after"
    """The caller dies after the call was carried out."""


class Crash(BaseException):
    """The caller's process dies here. A BaseException, so that no handler carries on."""


@dataclass(frozen=True, slots=True)
class PlannedFault:
    """A fault on the call number `call` (from 0) to the store."""

    call: int
    fault: Fault


class FaultyStore:
    """Passes calls on to a store, and fails where it was told to.

    `calls` records every call as (operation, key). `cut_off` makes every call fail as an outage does.
    """

    def __init__(self, store: Store, *faults: PlannedFault) -> None:
        self._store = store
        self._faults = {planned.call: planned.fault for planned in faults}
        self.calls: list[tuple[str, str]] = []
        self.cut_off = False

    @property
    def location(self) -> str:
        """Where the store is."""
        return self._store.location

    @property
    def url(self) -> str:
        """The store's address."""
        return self._store.url

    def get(self, key: str, max_bytes: int) -> bytes:
        """See `Store.get`."""
        with _Call(self, "get", key, writes=False):
            return self._store.get(key, max_bytes)

    def stream(self, key: str) -> Iterator[bytes]:
        """See `Store.stream`."""
        with _Call(self, "stream", key, writes=False):
            return self._store.stream(key)

    def read_range(self, key: str, start: int, length: int) -> bytearray:
        """See `Store.read_range`."""
        with _Call(self, "read_range", key, writes=False):
            return self._store.read_range(key, start, length)

    def size(self, key: str) -> int:
        """See `Store.size`."""
        with _Call(self, "size", key, writes=False):
            return self._store.size(key)

    def age_s(self, key: str) -> float:
        """See `Store.age_s`."""
        with _Call(self, "age", key, writes=False):
            return self._store.age_s(key)

    def put(self, key: str, data: bytes, condition: WriteCondition) -> None:
        """See `Store.put`."""
        with _Call(self, "put", key, writes=True) as call:
            if call.reaches_store:
                self._store.put(key, data, condition)

    def upload(self, key: str, source: Source) -> None:
        """See `Store.upload`."""
        with _Call(self, "upload", key, writes=True) as call:
            if call.reaches_store:
                self._store.upload(key, source)

    def list(self, prefix: str, start_after: str = "") -> Iterator[ObjectInfo]:
        """See `Store.list`."""
        with _Call(self, "list", prefix, writes=False):
            return self._store.list(prefix, start_after)

    def folders(self, prefix: str) -> Iterator[str]:
        """See `Store.folders`."""
        with _Call(self, "folders", prefix, writes=False):
            return self._store.folders(prefix)

    def begin(self, operation: str, key: str) -> Fault | None:
        """Record a call; the fault planted on it, if any."""
        fault = self._faults.get(len(self.calls))
        self.calls.append((operation, key))
        return Fault.REFUSED if self.cut_off else fault


class _Call:
    """One call: applies its fault on the way in and on the way out."""

    def __init__(self, store: FaultyStore, operation: str, key: str, *, writes: bool) -> None:
        self._fault = store.begin(operation, key)
        self._what = f"{operation} {key} in {store.location}"
        self._writes = writes

    @property
    def reaches_store(self) -> bool:
        return self._fault is not Fault.LOST_REQUEST

    def __enter__(self) -> _Call:
        if self._fault is Fault.CRASH_BEFORE:
            raise Crash(self._what)
        if self._fault is Fault.REFUSED:
            raise _outage(self._what)
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if self._fault is Fault.CRASH_AFTER:
            raise Crash(self._what)
        if self._fault in (Fault.LOST_REPLY, Fault.LOST_REQUEST):
            if self._writes:
                raise OutcomeUnknown("write", f"No reply came to {self._what}.", remedy="run the same again.")
            raise _outage(self._what)


def _outage(what: str) -> Unreachable:
    return Unreachable("connection", f"Nothing answers: {what}.", remedy="start the registry with make registry.")
