"""Publishers, promoters, yankers and readers, interleaved request by request, on a network that does its worst.

Hypothesis draws who does what, whose request goes next, and what becomes of it. After every step the ledger holds all
that landed against the protocol's promises, and every answer that a client got is held against the ledger.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from bucket_double import Bucket, Process, Reply
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from protocol_ledger import CHANNEL, MODEL, Ledger, Moment, sha256

from edustream_contracts.errors import Conflict, EduStreamError, NothingToServe, OutcomeUnknown, Unreachable
from edustream_registry import layout
from edustream_registry.manifest import ReleaseContent
from edustream_registry.memory_store import MemoryStore
from edustream_registry.names import Reference
from edustream_registry.promotion import Promoter, Promotion
from edustream_registry.publishing import AUTO, Publication, PublicationStatus, Publisher
from edustream_registry.reading import ReleaseReader
from edustream_registry.resolved import Resolved
from edustream_registry.signing import Signer
from edustream_registry.testing.clock import ManualClock
from edustream_registry.trust import TrustPolicy
from edustream_registry.writing import Author
from edustream_registry.yanking import Yank, Yanker

PROCESSES = 4
VERSIONS = ("1.0.0", "1.0.1", "2.0.0")
ON_CHANNEL = Reference.parse(f"{MODEL}@{CHANNEL}")
RANGE = Reference.parse(f"{MODEL}@^1")
STORM = 30
REGISTRY = b'{"protocol": 1, "created_at": "2026-01-01T00:00:00+00:00"}'

who = st.integers(0, PROCESSES - 1)
versions = st.sampled_from(VERSIONS)
lasting = st.sampled_from((Reply.NO_CONNECTION, Reply.CONFLICT, Reply.ERROR, Reply.UNAVAILABLE, Reply.LOST_REQUEST))


@dataclass
class Operation:
    """What a process was asked to do, how far the registry had come by then, and the write ids that it used."""

    kind: str
    version: str
    content: ReleaseContent | None
    began: Moment
    write_ids: list[str] = field(default_factory=list)


@dataclass
class World:
    """What is dear to make, once for all runs: keys, releases on disk, clients."""

    processes: list[Process]
    releases: list[tuple[ReleaseContent, Path]]
    signer: Signer = field(default_factory=Signer.generate)
    clock: ManualClock = field(default_factory=ManualClock)

    @property
    def trust(self) -> TrustPolicy:
        return TrustPolicy((self.signer.public,))


class ProtocolMachine(RuleBasedStateMachine):
    """Four processes, each of which publishes, promotes, yanks and reads, one thing at a time."""

    world: ClassVar[World]

    def __init__(self) -> None:
        super().__init__()
        self.bucket = Bucket()
        self.bucket.objects[layout.REGISTRY] = REGISTRY
        self.ledger = Ledger(self.bucket, _held={layout.REGISTRY: REGISTRY})
        self.operations: list[Operation | None] = [None] * PROCESSES
        self.accepted: list[Resolved | None] = [None] * PROCESSES
        self.numbers = itertools.count(1)
        for process in self.world.processes:
            process.attach(self.bucket)

    @initialize(released=st.integers(0, 2), promoted=st.booleans())
    def find(self, released: int, promoted: bool) -> None:
        """Begin with what somebody released and promoted in quieter times."""
        for number, version in enumerate(VERSIONS[:released]):
            self._calmly(partial(self._publish, number, version))
        if released and promoted:
            self._calmly(lambda author: Promoter(author).promote(MODEL, CHANNEL, "1.0.0", "a test"))

    # --- what a process may begin ---

    @rule(who=who, release=st.integers(0, 2), version=st.sampled_from((AUTO, AUTO, *VERSIONS)))
    def publish(self, who: int, release: int, version: str) -> None:
        content, _ = self.world.releases[release]
        self._begin(who, "publish", version, partial(self._publish, release, version), content)

    @rule(who=who, version=versions)
    def promote(self, who: int, version: str) -> None:
        self._begin(who, "promote", version, lambda author: Promoter(author).promote(MODEL, CHANNEL, version, "a test"))

    @rule(who=who)
    def roll_back(self, who: int) -> None:
        self._begin(who, "roll back", "", lambda author: Promoter(author).rollback(MODEL, CHANNEL, "a test"))

    @rule(who=who, version=versions)
    def yank(self, who: int, version: str) -> None:
        self._begin(who, "yank", version, lambda author: Yanker(author).yank(MODEL, version, "a test"))

    @rule(who=who, remembers=st.booleans())
    def read_the_channel(self, who: int, remembers: bool) -> None:
        known = self.accepted[who] if remembers else None
        self._begin(who, "read", "", lambda author: _pulled(author.reader, author.reader.resolve(ON_CHANNEL, known)))

    @rule(who=who)
    def poll(self, who: int) -> None:
        known = self.accepted[who]
        if known:
            self._begin(who, "poll", "", lambda author: _pulled(author.reader, author.reader.poll(known)))

    @rule(who=who, version=versions)
    def read_a_version(self, who: int, version: str) -> None:
        reference = Reference.parse(f"{MODEL}@{version}")
        self._begin(who, "get", version, lambda author: _pulled(author.reader, author.reader.resolve(reference)))

    @rule(who=who)
    def read_a_range(self, who: int) -> None:
        self._begin(who, "get", "", lambda author: _pulled(author.reader, author.reader.resolve(RANGE)))

    @rule(who=who)
    def read_the_history(self, who: int) -> None:
        self._begin(who, "history", "", lambda author: author.reader.history(MODEL, CHANNEL))

    # --- what becomes of the requests ---

    @rule(who=who, served=st.integers(0, 12), reply=st.sampled_from(Reply))
    def let_go_on(self, who: int, served: int, reply: Reply) -> None:
        who = self._busy(who)
        for each in (*(Reply.SERVED,) * served, reply):
            self.step(who, each)

    @rule(who=who)
    def let_finish(self, who: int) -> None:
        who = self._busy(who)
        while self.operations[who]:
            self.step(who, Reply.SERVED)

    @rule(who=who, reply=lasting)
    def last(self, who: int, reply: Reply) -> None:
        who = self._busy(who)
        for _ in range(STORM):
            self.step(who, reply)

    @precondition(lambda self: self.bucket.under_way)
    @rule(data=st.data())
    def deliver_what_is_under_way(self, data: st.DataObject) -> None:
        which = data.draw(st.integers(0, len(self.bucket.under_way) - 1), label="request")
        self.bucket.land(self.bucket.under_way.pop(which))

    # --- what must hold ---

    @invariant()
    def keeps_every_promise(self) -> None:
        self.ledger.catch_up()

    def teardown(self) -> None:
        """Let everybody finish; then a newcomer publishes, promotes and reads, whatever happened before."""
        for who in range(PROCESSES):
            while self.world.processes[who].busy:
                self.world.processes[who].step(Reply.CRASH_BEFORE)
        for write in self.bucket.under_way:
            self.bucket.land(write)
        self.ledger.catch_up()
        memory = MemoryStore()
        memory.objects = self.bucket.objects
        author = self._author(ReleaseReader(memory, self.world.trust, self.world.clock), [])
        content, directory = self.world.releases[0]
        version = Publisher(author).publish(content, directory).manifest.version
        Promoter(author).promote(MODEL, CHANNEL, version, "a test")
        found = _pulled(author.reader, author.reader.resolve(ON_CHANNEL))
        assert found.version == version
        assert author.reader.history(MODEL, CHANNEL)[-1].statement.version == version

    # --- how ---

    def _calmly(self, work: Callable[[Author], Any]) -> None:
        process = self.world.processes[0]
        process.start(lambda: work(self._author(self._reader(process), [])))
        while process.busy:
            process.step(Reply.SERVED)
        assert process.error is None, process.error

    def _publish(self, release: int, version: str, author: Author) -> Publication:
        content, directory = self.world.releases[release]
        return Publisher(author).publish(content, directory, version)

    def _reader(self, process: Process) -> ReleaseReader:
        return ReleaseReader(process.store, self.world.trust, self.world.clock)

    def _author(self, reader: ReleaseReader, write_ids: list[str]) -> Author:
        def write_id() -> str:
            write_ids.append(f"{next(self.numbers):032x}")
            return write_ids[-1]

        return Author(reader.store, reader, self.world.signer, "tester", self.world.clock, write_id)

    def _busy(self, who: int) -> int:
        """A process that is at work, where there is one: the turn of an idle one would be wasted."""
        busy = [each for each, operation in enumerate(self.operations) if operation]
        return busy[who % len(busy)] if busy else who

    def _begin(
        self, who: int, kind: str, version: str, work: Callable[[Author], Any], content: ReleaseContent | None = None
    ) -> None:
        if self.operations[who]:
            return
        process = self.world.processes[who]
        operation = Operation(kind, version, content, Moment.of(self.ledger))
        self.operations[who] = operation
        process.start(lambda: work(self._author(self._reader(process), operation.write_ids)))
        self._ended(who)

    def step(self, who: int, reply: Reply) -> None:
        if self.operations[who]:
            self.world.processes[who].step(reply)
            self.ledger.catch_up()
            self._ended(who)

    def _ended(self, who: int) -> None:
        process, operation = self.world.processes[who], self.operations[who]
        if process.busy or operation is None:
            return
        self.operations[who] = None
        if process.crashed:
            return
        if process.error is None:
            self._believe(who, operation, process.value)
        elif not isinstance(process.error, EduStreamError):
            raise process.error
        elif isinstance(process.error, OutcomeUnknown):
            assert process.faulted, f"nothing went wrong, and yet: {process.error}"
            self.ledger.dead |= set(operation.write_ids[:-1])
        else:
            self.ledger.dead |= set(operation.write_ids)
            self._understand(operation, process.error, process.faulted)
        self.ledger.catch_up()

    def _believe(self, who: int, operation: Operation, value: Any) -> None:
        """Hold an acknowledgement against what is in the bucket."""
        mine = False
        match value:
            case Publication():
                mine = value.status is PublicationStatus.PUBLISHED
                self._is_published(operation, value)
            case Promotion():
                mine = value.moved
                assert self.ledger.last_between(operation.began.entries + mine, value.entry.digest)
                assert value.entry.statement.version not in operation.began.tombstones
            case Yank():
                mine = value.new
                assert operation.version in self.ledger.tombstones
            case Resolved():
                self._is_served(who, operation, value)
            case _:
                digests = [entry.digest for entry in value]
                assert digests == self.ledger.entry_digests[: len(digests)]
                assert len(digests) >= operation.began.entries
        if mine:
            assert operation.write_ids[-1] in self.ledger.write_ids, "an acknowledged write is lost"
        self.ledger.dead |= set(operation.write_ids[:-1] if mine else operation.write_ids)

    def _is_published(self, operation: Operation, value: Publication) -> None:
        version = value.manifest.version
        assert operation.content is not None
        assert self.bucket.objects[layout.manifest_key(MODEL, version)] == value.release.data
        assert value.manifest.content.identity == operation.content.identity
        assert version not in operation.began.tombstones, "the number of a yanked release is used again"
        assert operation.version in (AUTO, version)

    def _is_served(self, who: int, operation: Operation, value: Resolved) -> None:
        assert value.version not in operation.began.tombstones, "a yanked release is served"
        assert sha256(self.bucket.objects[layout.manifest_key(MODEL, value.version)]) == value.manifest_digest
        if value.entry is None:
            return
        assert self.ledger.last_between(operation.began.entries, value.entry.digest), "an old entry is served"
        before = self.accepted[who]
        assert before is None or (before.sequence or 0) <= (value.sequence or 0), "a reader went back"
        self.accepted[who] = value

    def _understand(self, operation: Operation, error: EduStreamError, faulted: bool) -> None:
        """Hold a refusal against what is in the bucket: it must be true, or the network must be to blame."""
        said, began = (type(error), error.kind), operation.began
        now = Moment.of(self.ledger)
        if isinstance(error, Unreachable):
            assert faulted, f"nothing went wrong, and yet: {error}"
        elif said == (Conflict, "release_exists"):
            released = self.ledger.manifests.get(operation.version)
            assert released or operation.version in now.tombstones
        elif said == (NothingToServe, "yanked"):
            assert operation.version in now.tombstones or (not operation.version and now.tombstones)
        elif said == (NothingToServe, "channel_empty"):
            assert not began.entries
        elif said == (NothingToServe, "model_missing"):
            assert not began.manifests
        elif said == (NothingToServe, "no_version_matches"):
            assert all(version in now.tombstones for version in began.manifests if version.startswith("1."))
        else:
            assert said == (NothingToServe, "release_missing"), error
            assert operation.version not in began.manifests


def _pulled(reader: ReleaseReader, found: Resolved) -> Resolved:
    for file in found.manifest.content.files:
        reader.read_file(found.model, file)
    return found
