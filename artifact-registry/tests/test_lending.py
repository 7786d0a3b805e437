"""Lending: whoever borrows store, trust and author sees what their owner sees, and is told where nobody answers."""

from __future__ import annotations

import logging
import pickle
import socket
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from socketserver import ThreadingMixIn
from threading import Barrier, Lock, Thread, current_thread
from typing import Any

import pytest

from edustream_contracts.errors import InvalidInput, NothingToServe, OutcomeUnknown, Rejected, Unreachable
from edustream_registry import layout
from edustream_registry.borrowing import (
    MAX_PART_BYTES,
    SILENCE_S,
    BorrowedAuthor,
    BorrowedStore,
    BorrowedTrust,
    Lender,
)
from edustream_registry.bounded_replies import GRACE_S, LEAST_BYTES_PER_S
from edustream_registry.lending import Answer, lent
from edustream_registry.local_copy import LocalCopy
from edustream_registry.names import Reference
from edustream_registry.needs import LivingNeeds, Needs, NeedsAuthor
from edustream_registry.reading import ReleaseReader
from edustream_registry.signing import Signer
from edustream_registry.statement import MAX_STATEMENT_BYTES
from edustream_registry.stating import SharedAuthor
from edustream_registry.store import ObjectMissing, WriteCondition
from edustream_registry.testing.simulator import RegistrySimulator

PRODUCTION = Reference.parse("churn@production")
LOCATION = "s3://models at http://127.0.0.1:1"
NEEDS = Needs("churn", ("tenure",), ("label",), major=1)
CREATE = WriteCondition.CREATE
BRIEF_S = 0.05
PATIENCE_S = 10


@pytest.fixture
def address() -> Iterator[Path]:
    # pytest's own folders have paths that are too long for a socket.
    with tempfile.TemporaryDirectory(prefix="lent-") as folder:
        yield Path(folder) / "lender"


@pytest.fixture
def lender(registry: RegistrySimulator, address: Path) -> Iterator[Lender]:
    """A lender at work."""
    with lent(address, registry.store, registry.trust, SharedAuthor(lambda: registry.consumer)):
        yield Lender(address, LOCATION)


@pytest.fixture
def store(lender: Lender) -> BorrowedStore:
    return BorrowedStore(lender, "s3://models")


@contextmanager
def answering(address: Path, *messages: tuple[Answer, Any], hangs_up: bool = True) -> Iterator[Lender]:
    """A lender that reads one call, says what it is told, and hangs up or falls silent."""

    def run() -> None:
        connection, _ = listener.accept()
        with connection, connection.makefile("rwb") as stream:
            pickle.load(stream)
            stream.write(b"".join(map(pickle.dumps, messages)))
            stream.flush()
            if not hangs_up:
                stream.read()

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(address))
        listener.listen()
        thread = Thread(target=run)
        thread.start()
        yield Lender(address, LOCATION, BRIEF_S)
        thread.join()


def test_a_release_is_read_through_them_as_by_their_owner(
    promoted: RegistrySimulator, lender: Lender, store: BorrowedStore, tmp_path: Path
) -> None:
    trust = BorrowedTrust(lender)
    reader = ReleaseReader(store, trust, promoted.clock)
    copy = LocalCopy(tmp_path / "copy", trust, promoted.clock)

    resolved = reader.resolve(PRODUCTION)
    release = copy.fetch(reader, resolved)
    copy.commit(release)
    recalled = copy.recall(PRODUCTION)

    assert resolved == promoted.reader.resolve(PRODUCTION)
    assert reader.poll(resolved) is resolved
    assert reader.history("churn", "production") == promoted.reader.history("churn", "production")
    assert reader.versions("churn") == ["1.0.0"]
    assert recalled is not None
    assert recalled.release.resolved == resolved
    for file in resolved.manifest.content.files:
        assert recalled.release.read(file.name) == promoted.reader.read_file("churn", file)


def test_errors_arrive_whole(registry: RegistrySimulator, lender: Lender, store: BorrowedStore) -> None:
    reader = ReleaseReader(store, BorrowedTrust(lender), registry.clock)
    with pytest.raises(NothingToServe) as missing:
        reader.resolve(PRODUCTION)
    with pytest.raises(NothingToServe) as told_itself:
        registry.reader.resolve(PRODUCTION)
    assert missing.value.kind == told_itself.value.kind
    for call in (store.size, store.stream, store.age_s):
        with pytest.raises(ObjectMissing):
            call("no")
    registry.store.cut_off = True
    with pytest.raises(Unreachable) as cut_off:
        store.get("no", 1)
    with pytest.raises(Unreachable) as cut_off_itself:
        registry.store.get("no", 1)
    assert str(cut_off.value) == str(cut_off_itself.value)


def test_signatures_are_checked_by_the_owner(registry: RegistrySimulator, lender: Lender) -> None:
    trust = BorrowedTrust(lender)
    good, strange = registry.signer.sign({"type": "x"}), Signer.generate().sign({"type": "x"})
    assert trust.verify(good, "it") == registry.trust.verify(good, "it")
    with pytest.raises(Rejected, match="it carries 0 valid signatures") as caught:
        trust.verify(strange, "it")
    assert caught.value.kind == "signature"
    with pytest.raises(Rejected, match="--consumer api"):
        trust.verify_needs("api", good, "it")


@pytest.mark.parametrize("limit", [None, 60.0])
def test_the_age_that_is_allowed_is_the_owners(registry: RegistrySimulator, address: Path, limit: float | None) -> None:
    with lent(address, registry.store, replace(registry.trust, max_entry_age_s=limit)):
        assert BorrowedTrust(Lender(address, LOCATION)).max_entry_age_s == limit


def test_needs_are_stated_by_the_owner(registry: RegistrySimulator, lender: Lender) -> None:
    author = BorrowedAuthor(lender)
    expires = registry.clock() + timedelta(hours=1)

    said = author.state(NEEDS, expires)

    assert author.living().stated == (said,)
    assert registry.consumer.living().stated == (said,)
    assert author.state(NEEDS, expires, iter([said.statement.write_id])).statement.replaces is not None
    with pytest.raises(InvalidInput, match="366 days are the most"):
        author.state(NEEDS, registry.clock() + timedelta(days=400))


def test_one_author_is_opened_for_all_and_tried_again(registry: RegistrySimulator, address: Path) -> None:
    opened = 0

    def open_author() -> NeedsAuthor:
        nonlocal opened
        opened += 1
        if opened == 1:
            raise InvalidInput("configuration", "There is no key.", remedy="make one.")
        return registry.consumer

    with lent(address, registry.store, registry.trust, SharedAuthor(open_author)):
        author = BorrowedAuthor(Lender(address, LOCATION))
        with pytest.raises(InvalidInput, match="There is no key"):
            author.living()
        author.living()
        author.living()
    assert opened == 2


def test_a_defect_is_told_and_stands_in_the_lenders_log(
    registry: RegistrySimulator, store: BorrowedStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(prefix: str, start_after: str) -> Iterator[Any]:
        yield from ()
        raise ZeroDivisionError("a defect")

    monkeypatch.setattr(registry.memory, "list", broken)
    with pytest.raises(RuntimeError, match="ZeroDivisionError: a defect"):
        store.list("")
    (record,) = caplog.records
    assert (record.levelno, record.message) == (logging.ERROR, "lent_call_failed")
    assert record.exc_info is not None


@pytest.mark.parametrize(("lent_thing", "name"), [("store", "upload"), ("trust", "to_json"), ("store", "__class__")])
def test_nothing_else_is_lent(lender: Lender, lent_thing: str, name: str) -> None:
    with pytest.raises(RuntimeError, match=f"{name} of the {lent_thing} is not lent"):
        lender.asked(lent_thing, name)


def test_whoever_borrows_publishes_nothing(store: BorrowedStore, tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="cannot be uploaded") as caught:
        store.upload("file", tmp_path)
    assert caught.value.kind == "access_denied"


def test_pieces_that_nobody_wants_harm_nobody(registry: RegistrySimulator, store: BorrowedStore) -> None:
    for number in range(3):
        registry.memory.put(f"a/{number}", bytes(1_000_000), CREATE)
    assert next(store.list("a/")).key == "a/0"
    store.stream("a/1")
    next(store.stream("a/1"))
    assert [info.key for info in store.list("a/", "a/0")] == ["a/1", "a/2"]
    assert list(store.folders("")) == ["a"]


class TestWithoutAnAnswer:
    def test_because_nobody_lends(self, address: Path) -> None:
        store = BorrowedStore(Lender(address, LOCATION), "s3://models")
        calls: list[Callable[[], object]] = [
            lambda: store.get("a", 1),
            lambda: store.list("a"),
            lambda: store.put("a", b"", CREATE),
        ]
        for call in calls:
            with pytest.raises(Unreachable, match="for this one did not answer") as error:
                call()
            assert error.value.kind == "connection"

    def test_because_the_lender_hung_up(self, address: Path) -> None:
        with answering(address) as lender, pytest.raises(Unreachable):
            lender.asked("store", "get", "a", 1)

    def test_in_time(self, address: Path) -> None:
        with answering(address, hangs_up=False) as lender, pytest.raises(Unreachable):
            lender.asked("store", "get", "a", 1)

    def test_because_more_wait_for_one_than_may(self, address: Path) -> None:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(address))
            listener.listen(0)
            lender = Lender(address, LOCATION, BRIEF_S)
            for _ in range(3):
                with pytest.raises(Unreachable):
                    lender.asked("store", "get", "a", 1)

    def test_in_the_middle_is_no_end(self, address: Path) -> None:
        with answering(address, (Answer.PIECE, b"half")) as lender:
            pieces = lender.pieces("store", "stream", "a")
            assert next(pieces) == b"half"
            with pytest.raises(Unreachable):
                next(pieces)

    def test_to_a_write_leaves_it_open(self, address: Path) -> None:
        with answering(address) as lender, pytest.raises(OutcomeUnknown, match="that may have happened"):
            BorrowedStore(lender, "s3://models").put("a", b"", CREATE)

    @pytest.mark.parametrize("hangs_up", [True, False])
    def test_to_a_statement_leaves_it_open(self, registry: RegistrySimulator, address: Path, hangs_up: bool) -> None:
        with (
            answering(address, hangs_up=hangs_up) as lender,
            pytest.raises(OutcomeUnknown, match="that may have happened"),
        ):
            BorrowedAuthor(lender).state(NEEDS, registry.clock() + timedelta(hours=1))


def test_a_lender_survives_a_call_that_it_has_no_thread_for(
    store: BorrowedStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def no_thread(*_: Any) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(ThreadingMixIn, "process_request", no_thread)
        with pytest.raises(Unreachable):
            store.size(layout.REGISTRY)
    assert store.size(layout.REGISTRY)
    assert [record.message for record in caplog.records] == ["lent_call_failed"]


def test_a_lender_ends_without_its_socket(registry: RegistrySimulator, address: Path) -> None:
    with lent(address, registry.store, registry.trust):
        address.unlink()


def test_every_call_begins_as_the_lender_is_told(registry: RegistrySimulator, address: Path) -> None:
    begun: list[str] = []
    with lent(address, registry.store, registry.trust, begin=lambda: begun.append(current_thread().name)):
        store = BorrowedStore(Lender(address, LOCATION), "")
        store.size(layout.REGISTRY)
        store.size(layout.REGISTRY)
    assert len(begun) == 2
    assert current_thread().name not in begun


def test_no_more_than_a_part_is_asked_for_at_once(
    registry: RegistrySimulator, store: BorrowedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = bytes(range(256)) * 10_000
    registry.memory.put("large", data, CREATE)
    asked: list[int] = []
    whole = registry.memory.read_range

    def read_range(key: str, start: int, length: int) -> bytearray:
        asked.append(length)
        return whole(key, start, length)

    monkeypatch.setattr(registry.memory, "read_range", read_range)
    assert store.read_range("large", 1, 2_500_000) == data[1:2_500_001]
    assert store.read_range("large", 1, 9_000_000) == data[1:]
    assert max(asked) == MAX_PART_BYTES
    with pytest.raises(Rejected, match="shorter than its manifest states"):
        store.read_range("large", len(data), 1)


def test_a_part_takes_less_than_the_silence_that_is_borne() -> None:
    assert SILENCE_S > GRACE_S + MAX_PART_BYTES / LEAST_BYTES_PER_S
    assert MAX_STATEMENT_BYTES <= MAX_PART_BYTES


def test_what_is_nested_deeply_passes(registry: RegistrySimulator, lender: Lender) -> None:
    nested: dict[str, Any] = {}
    for _ in range(900):
        nested = {"a": nested}
    data = registry.signer.sign(nested)
    assert BorrowedTrust(lender).verify(data, "it").data == registry.trust.verify(data, "it").data


def test_an_author_is_never_used_by_two_at_a_time() -> None:
    both, opened = Barrier(2), list[object]()

    class Author:
        def __init__(self) -> None:
            self._alone = Lock()
            opened.append(self)

        def living(self) -> LivingNeeds:
            assert self._alone.acquire(blocking=False)
            both.wait(PATIENCE_S)
            self._alone.release()
            return LivingNeeds()

        def state(self, *_: Any) -> Any: ...

    shared = SharedAuthor(Author)
    for _ in range(2):
        with ThreadPoolExecutor(2) as threads:
            list(threads.map(lambda _: shared.living(), range(2)))
    assert len(opened) == 2


def test_the_socket_goes_with_the_lender(registry: RegistrySimulator, address: Path) -> None:
    with lent(address, registry.store, registry.trust):
        assert BorrowedStore(Lender(address, LOCATION), "").get(layout.REGISTRY, 1000)
    assert not any(address.parent.iterdir())
    with pytest.raises(Unreachable):
        BorrowedStore(Lender(address, LOCATION), "").get(layout.REGISTRY, 1000)


def test_a_path_that_is_too_long_is_told(registry: RegistrySimulator, tmp_path: Path) -> None:
    with (
        pytest.raises(InvalidInput, match="AF_UNIX path too long") as caught,
        lent(tmp_path / ("a" * 108), registry.store, registry.trust),
    ):
        pass
    assert "TMPDIR" in caught.value.remedy
