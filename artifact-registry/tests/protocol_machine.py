"""Publishers, promoters, yankers and readers, interleaved request by request, on a network that does its worst.

Hypothesis draws who does what, whose request goes next, and what becomes of it. After every step the ledger holds all
that landed against the protocol's promises, and every answer that a client got is held against the ledger.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from bucket_double import Bucket, Errand, Process, Reply, Write
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from protocol_ledger import CHANNEL, HEAD, LOG, MODEL, Ledger, Moment, sha256
from semver import Version

from edustream_contracts.errors import (
    Conflict,
    EduStreamError,
    GateRefused,
    NothingToServe,
    OutcomeUnknown,
    Rejected,
    Unreachable,
)
from edustream_registry import layout
from edustream_registry.manifest import ReleaseContent
from edustream_registry.memory_store import MemoryStore
from edustream_registry.names import Reference
from edustream_registry.promotion import Promoter, Promotion
from edustream_registry.publishing import AUTO, Publication, PublicationStatus, Publisher
from edustream_registry.reading import ReleaseReader
from edustream_registry.resolved import Resolved
from edustream_registry.signing import Signer
from edustream_registry.store import Store
from edustream_registry.testing.clock import ManualClock
from edustream_registry.trust import TrustPolicy
from edustream_registry.writing import Author, new_write_id
from edustream_registry.yanking import Yank, Yanker

PROCESSES = 4
VERSIONS = ("1.0.0", "1.0.1", "2.0.0")
ON_CHANNEL = Reference.parse(f"{MODEL}@{CHANNEL}")
RANGE = Reference.parse(f"{MODEL}@^1")
STORM = 30
REGISTRY = b'{"protocol": 1, "created_at": "2026-01-01T00:00:00+00:00"}'

who = st.integers(0, PROCESSES - 1)
lasting = st.sampled_from((Reply.NO_CONNECTION, Reply.CONFLICT, Reply.ERROR, Reply.UNAVAILABLE, Reply.LOST_REQUEST))
# Nothing tells less about its outcome than a write that was, or may yet be, carried out without an answer.
unanswered = st.sampled_from((Reply.LOST_REPLY, Reply.ERROR_AFTER, Reply.DELAYED, Reply.CRASH_AFTER))
fates = st.one_of(unanswered, st.sampled_from(Reply))


class Pace(Enum):
    """How far a process goes on at once with what it is about."""

    STAYS = "no further than its next request"
    COMMIT = "up to its next write of what is written once"
    HINT = "up to its next write of a channel's hint"
    ENDS = "to its end"


@dataclass(frozen=True)
class Course:
    """How far a process goes on at once, and what becomes of the requests from there."""

    pace: Pace
    replies: list[Reply] = field(default_factory=list)


to_a_write = st.builds(
    Course, st.sampled_from((Pace.COMMIT, Pace.COMMIT, Pace.HINT)), st.lists(fates, min_size=1, max_size=4)
)
courses = st.one_of(to_a_write, st.sampled_from([Course(pace) for pace in Pace]))
readings = st.sampled_from([Course(Pace.STAYS), Course(Pace.ENDS), Course(Pace.ENDS)])


@dataclass
class Operation:
    """What a process was asked to do, how far the registry had come by then, and the write ids that it used."""

    kind: str
    version: str
    content: ReleaseContent | None
    began: Moment
    hidden: int = 0
    """How many of the channel's last entries a replay of the past keeps from it."""
    write_ids: list[str] = field(default_factory=list)


@dataclass
class World:
    """What is dear to make, once for all runs: keys, releases on disk, clients."""

    processes: list[Process]
    releases: list[tuple[ReleaseContent, Path]]
    signer: Signer = field(default_factory=Signer.generate)
    clock: ManualClock = field(default_factory=ManualClock)

    def __post_init__(self) -> None:
        pairs = [(released, promoted) for released in range(len(VERSIONS)) for promoted in range(released + 1)]
        self._beginnings = {pair: self._made(*pair) for pair in pairs}

    @property
    def trust(self) -> TrustPolicy:
        return TrustPolicy((self.signer.public,))

    def beginning(self, released: int, promoted: int) -> list[Write]:
        """All writes of a calm beginning, in which the first versions were released, and the first of them promoted."""
        return self._beginnings[released, min(released, promoted)]

    def author(self, store: Store, write_ids: Callable[[], str] = new_write_id) -> Author:
        reader = ReleaseReader(store, self.trust, self.clock)
        return Author(store, reader, self.signer, "tester", self.clock, write_ids)

    def _made(self, released: int, promoted: int) -> list[Write]:
        memory = MemoryStore()
        memory.objects[layout.REGISTRY] = REGISTRY
        author = self.author(memory)
        for version, (content, directory) in zip(VERSIONS[:released], self.releases, strict=False):
            Publisher(author).publish(content, directory, version)
        for version in VERSIONS[:promoted]:
            Promoter(author).promote(MODEL, CHANNEL, version, "a test")
        writes = [Write(key, data, key != HEAD) for key, data in memory.objects.items() if key != layout.REGISTRY]
        return sorted(writes, key=lambda write: write.key == HEAD)


def somebody(condition: Callable[[ProtocolMachine, int], Any]) -> Callable[[Any], Any]:
    """Draw this rule only where a process meets the condition; `one` then finds it."""
    return precondition(lambda machine: any(condition(machine, who) for who in range(PROCESSES)))


def busy(machine: ProtocolMachine, who: int) -> bool:
    return machine.operations[who] is not None


def idle(machine: ProtocolMachine, who: int) -> bool:
    return machine.operations[who] is None


def informed(machine: ProtocolMachine, who: int) -> bool:
    return idle(machine, who) and machine.accepted[who] is not None


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

    @initialize(released=st.sampled_from((2, 1, 0)), promoted=st.integers(0, 2))
    def find(self, released: int, promoted: int) -> None:
        """Begin with what somebody released and promoted in quieter times."""
        for write in self.world.beginning(released, promoted):
            self.bucket.land(write)

    # --- what a process may begin ---

    @somebody(idle)
    @rule(who=who, course=courses, release=st.integers(0, 2), version=st.sampled_from((AUTO, AUTO, *VERSIONS)))
    def publish(self, who: int, course: Course, release: int, version: str) -> None:
        content, directory = self.world.releases[release]
        self._begin(
            *(who, course, "publish"),
            lambda author: Publisher(author).publish(content, directory, version),
            version,
            content=content,
        )

    @somebody(idle)
    @rule(who=who, course=courses, which=st.integers(0, 5))
    def promote(self, who: int, course: Course, which: int) -> None:
        version = self._some_version(which)
        self._begin(
            *(who, course, "promote"),
            lambda author: Promoter(author).promote(MODEL, CHANNEL, version, "a test"),
            version,
        )

    @somebody(idle)
    @precondition(lambda self: self.ledger.entries)
    @rule(who=who, course=courses)
    def roll_back(self, who: int, course: Course) -> None:
        self._begin(who, course, "roll back", lambda author: Promoter(author).rollback(MODEL, CHANNEL, "a test"))

    @somebody(idle)
    @rule(who=who, course=courses, which=st.integers(0, 5))
    def yank(self, who: int, course: Course, which: int) -> None:
        version = self._some_version(which)
        self._begin(who, course, "yank", lambda author: Yanker(author).yank(MODEL, version, "a test"), version)

    @somebody(idle)
    @rule(who=who, course=readings, what=st.sampled_from((*VERSIONS, "channel", "channel", "range", "history")))
    def read(self, who: int, course: Course, what: str) -> None:
        if what == "channel":
            self._begin(who, course, "read", partial(_resolved, ON_CHANNEL, None))
        elif what == "range":
            self._begin(who, course, "get", partial(_resolved, RANGE, None))
        elif what == "history":
            self._begin(who, course, "history", lambda author: author.reader.history(MODEL, CHANNEL))
        else:
            self._begin(who, course, "get", partial(_resolved, Reference.parse(f"{MODEL}@{what}"), None), what)

    @somebody(informed)
    @rule(who=who, course=readings, polls=st.booleans())
    def read_again(self, who: int, course: Course, polls: bool) -> None:
        who = self._one(informed, who)
        known = self.accepted[who]
        assert known is not None
        if polls:
            self._begin(who, course, "poll", lambda author: _pulled(author.reader, author.reader.poll(known)))
        else:
            self._begin(who, course, "read", partial(_resolved, ON_CHANNEL, known))

    @somebody(informed)
    @precondition(lambda self: len(self.ledger.entries) > 1)
    @rule(who=who, course=readings, hidden=st.integers(1, 2))
    def read_what_an_attacker_replays(self, who: int, course: Course, hidden: int) -> None:
        """Somebody between reader and store answers with what was true before the last entries were written."""
        who = self._one(informed, who)
        written = [number for number, write in enumerate(self.bucket.journal) if write.key.startswith(LOG)]
        hidden = min(hidden, len(written) - 1)
        past = self.bucket.before(written[-hidden])
        self._begin(
            *(who, course, "replay"), partial(_resolved, ON_CHANNEL, self.accepted[who]), shown=past, hidden=hidden
        )

    # --- what becomes of the requests ---

    @somebody(busy)
    @rule(who=who, served=st.integers(0, 12), reply=st.sampled_from(Reply))
    def let_go_on(self, who: int, served: int, reply: Reply) -> None:
        who = self._one(busy, who)
        for each in (*(Reply.SERVED,) * served, reply):
            self.step(who, each)

    @somebody(busy)
    @rule(who=who, course=st.one_of(to_a_write, st.just(Course(Pace.ENDS))))
    def let_go_further(self, who: int, course: Course) -> None:
        self._go_on(self._one(busy, who), course)

    @somebody(busy)
    @rule(who=who, reply=lasting)
    def last(self, who: int, reply: Reply) -> None:
        who = self._one(busy, who)
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
        for process in self.world.processes:
            while process.busy:
                process.step(Reply.CRASH_BEFORE)
        if self.ledger.broken:
            return
        for write in self.bucket.under_way:
            self.bucket.land(write)
        self.ledger.catch_up()
        memory = MemoryStore()
        memory.objects = self.bucket.objects
        author = self.world.author(memory)
        content, directory = self.world.releases[0]
        version = Publisher(author).publish(content, directory).manifest.version
        Promoter(author).promote(MODEL, CHANNEL, version, "a test")
        found = _pulled(author.reader, author.reader.resolve(ON_CHANNEL))
        assert found.version == version
        assert author.reader.history(MODEL, CHANNEL)[-1].statement.version == version

    # --- how ---

    def _author(self, store: Store, write_ids: list[str]) -> Author:
        def write_id() -> str:
            write_ids.append(f"{next(self.numbers):032x}")
            return write_ids[-1]

        return self.world.author(store, write_id)

    def _one(self, condition: Callable[[ProtocolMachine, int], Any], who: int) -> int:
        """One of the processes that meet the condition, of which there is at least one."""
        found = [each for each in range(PROCESSES) if condition(self, each)]
        return found[who % len(found)]

    def _some_version(self, which: int) -> str:
        """Mostly one that is released, since little can happen to others."""
        released = list(self.ledger.manifests)
        return VERSIONS[which % 3] if which > 4 or not released else released[which % len(released)]

    def _begin(
        self,
        who: int,
        course: Course,
        kind: str,
        work: Callable[[Author], Any],
        version: str = "",
        *,
        content: ReleaseContent | None = None,
        shown: Bucket | None = None,
        hidden: int = 0,
    ) -> None:
        who = self._one(idle, who) if busy(self, who) else who
        process = self.world.processes[who]
        operation = Operation(kind, version, content, Moment.of(self.ledger), hidden)
        self.operations[who] = operation
        process.start(lambda: work(self._author(process.store, operation.write_ids)), shown)
        self._ended(who)
        self._go_on(who, course)

    def _go_on(self, who: int, course: Course) -> None:
        ahead = {Pace.STAYS: tuple(Errand), Pace.COMMIT: (Errand.COMMIT,), Pace.HINT: (Errand.HINT,), Pace.ENDS: ()}
        while self.operations[who] and self.world.processes[who].errand not in ahead[course.pace]:
            self.step(who, Reply.SERVED)
        for reply in course.replies:
            self.step(who, reply)

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
        # Whoever is shown the past can know no more than that; and has to refuse it where it did.
        assert operation.hidden or value.version not in operation.began.tombstones, "a yanked release is served"
        assert sha256(self.bucket.objects[layout.manifest_key(MODEL, value.version)]) == value.manifest_digest
        if value.entry is None:
            return
        since = operation.began.entries - operation.hidden
        assert self.ledger.last_between(since, value.entry.digest), "an old entry is served"
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
        elif said == (Conflict, "promotion_race"):
            assert now.entries > began.entries, "nobody moved the channel while it was rolled back"
        elif said == (GateRefused, "version"):
            assert operation.version != AUTO, "a computed version is refused"
            assert operation.content is not None
            higher = any(Version.parse(each) > operation.version for each in now.manifests)
            assert higher or now.contracts - {operation.content.contract_digest}, "no release speaks against it"
        elif said == (Rejected, "rollback"):
            assert operation.hidden, f"the bucket never went back, and yet: {error}"
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


def _resolved(reference: Reference, known: Resolved | None, author: Author) -> Resolved:
    return _pulled(author.reader, author.reader.resolve(reference, known))


def _pulled(reader: ReleaseReader, found: Resolved) -> Resolved:
    for file in found.manifest.content.files:
        reader.read_file(found.model, file)
    return found
