"""An explicit-state model of publish, promote and resolve (PROTOCOL.md, section 6), and a search of all its states.

README.md beside it lists the steps of the protocol that it leaves out.

Every request to the store is one step. A process may crash between any two steps, and the network may lose a request,
lose a reply, or deliver a write later than anybody waits for it. `explore` visits every state that any interleaving of
these can reach, and stops at the first one that breaks a promise.

Run it for the state counts: `python spec/protocol_model.py`.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from itertools import product
from typing import NamedTuple, TypeVar

ATTEMPTS = 2
"""How often a client sends a write at most before it reads back, when no reply comes."""
FILES = (1, 2)

WriteId = tuple[int, int]
T = TypeVar("T")


class Variant(Enum):
    """The protocol, and ways to break it that the search must find."""

    PROTOCOL = "the protocol"
    MANIFEST_FIRST = "the manifest is written before the files"
    POINTER = "a channel is a pointer that is overwritten, not a log"
    NO_READBACK = "a 412 counts as lost, without reading whose object is there"
    OVERWRITE = "statements are written without If-None-Match"
    SILENCE_IS_FAILURE = "a write without a reply is told as failed"
    TRUSTED_HINT = "HEAD is believed, without probing for a later entry"
    UNLINKED = "an entry is linked to the one that HEAD names, not to the one before it"


class Manifest(NamedTuple):
    """A release: what is in it, and which write made it."""

    content: str
    write_id: WriteId


class Entry(NamedTuple):
    """An entry of the channel's log; the write ids stand for the digests of manifest and entry."""

    sequence: int
    version: int
    manifest: WriteId
    write_id: WriteId
    previous: WriteId | None


class Write(NamedTuple):
    """A PutObject: under which kind of key, which one, what, and whether only if the key holds nothing."""

    kind: str
    number: int
    value: Manifest | Entry | str | int
    create: bool


class Store(NamedTuple):
    """The bucket, and the writes that the network may still deliver."""

    files: frozenset[tuple[str, int]] = frozenset()
    manifests: tuple[Manifest | None, ...] = (None, None)
    log: tuple[Entry | None, ...] = (None, None)
    head: int = 0
    under_way: frozenset[Write] = frozenset()

    @property
    def length(self) -> int:
        """The highest sequence in the log."""
        return max((entry.sequence for entry in self.log if entry), default=0)


class Process(NamedTuple):
    """Where a process stands: its next request, and what it remembers; `outcome` is what it reported at last."""

    at: str
    version: int = 0
    last: int = 0
    previous: WriteId | None = None
    sent: int = 0
    writes: int = 0
    known: int = 0
    began: int = 0
    rounds: int = 0
    outcome: str = ""


class Read(NamedTuple):
    """A request that changes nothing; `then` says where its reply leads."""

    then: Callable[[Store], Process | tuple[Process, ...]]


class Send(NamedTuple):
    """A write; `then` says where success (True) or a 412 (False) leads, `silence` where no reply does."""

    write: Write
    then: Callable[[bool], Process]
    silence: Process


class State(NamedTuple):
    """Everything: bucket, processes, and how many crashes and lost messages are still to come."""

    store: Store
    processes: tuple[Process, ...]
    crashes: int
    losses: int


@dataclass(frozen=True)
class Publisher:
    """Publishes `content` as `version`, or under the next free one where that is 0 (6.2, 6.3)."""

    content: str
    version: int
    start = "list"

    def request(self, me: int, now: Process, variant: Variant) -> Read | Send:
        """The next request."""
        manifest = Manifest(self.content, (me, now.writes))
        first_file = "create" if variant is Variant.MANIFEST_FIRST else "look 1"
        match now.at.split():
            case ["list"]:
                return Read(lambda store: self._versioned(now, store, first_file))
            case ["look", number]:
                return Read(
                    lambda store: (
                        now._replace(at=f"put {number}")
                        if (self.content, int(number)) not in store.files
                        else self._after_file(now, int(number), variant)
                    )
                )
            case ["put", number]:
                landed = self._after_file(now, int(number), variant)
                write = Write("file", int(number), self.content, create=False)
                return Send(write, lambda _: landed, end(now, "unknown"))
            case ["create"]:
                write = Write("manifest", now.version, manifest, create=variant is not Variant.OVERWRITE)
                return Send(write, lambda ok: self._created(now, ok, variant), unanswered(now, variant))
            case _:
                return Read(lambda store: self._read_back(now, manifest, store, variant))

    def _versioned(self, now: Process, store: Store, first_file: str) -> Process:
        taken = [number for number, manifest in enumerate(store.manifests, start=1) if manifest]
        if not self.version and taken:
            latest = store.manifests[taken[-1] - 1]
            if latest and latest.content == self.content:
                return end(now, "same")._replace(version=taken[-1])
        return now._replace(at=first_file, version=self.version or len(taken) + 1)

    def _after_file(self, now: Process, number: int, variant: Variant) -> Process:
        if number < FILES[-1]:
            return now._replace(at=f"look {number + 1}", sent=0)
        if variant is Variant.MANIFEST_FIRST:
            return end(now, "published")
        return now._replace(at="create", sent=0)

    def _created(self, now: Process, ok: bool, variant: Variant) -> Process:
        if ok:
            return self._mine(now, variant)
        return self._theirs(now) if variant is Variant.NO_READBACK else now._replace(at="read back", sent=0)

    def _mine(self, now: Process, variant: Variant) -> Process:
        return now._replace(at="look 1", sent=0) if variant is Variant.MANIFEST_FIRST else end(now, "published")

    def _theirs(self, now: Process) -> Process:
        return end(now, "refused") if self.version else now._replace(at="list", sent=0, writes=now.writes + 1)

    def _read_back(self, now: Process, mine: Manifest, store: Store, variant: Variant) -> Process:
        found = store.manifests[now.version - 1]
        if found is None:
            return end(now, "unknown")
        if found == mine:
            return self._mine(now, variant)
        return end(now, "same") if found.content == mine.content else self._theirs(now)


@dataclass(frozen=True)
class Promoter:
    """Promotes `version` (6.5)."""

    version: int
    start = "manifest"

    def request(self, me: int, now: Process, variant: Variant) -> Read | Send:
        """The next request."""
        match now.at.split():
            case ["manifest"]:
                return Read(lambda store: self._checked(now, store))
            case ["file", number]:
                return Read(lambda store: self._looked(now, store, int(number)))
            case ["append"]:
                sequence = now.last + 1
                entry = Entry(sequence, self.version, (now.known, now.rounds), (me, now.writes), now.previous)
                pointer = variant is Variant.POINTER
                create = variant not in (Variant.OVERWRITE, Variant.POINTER)
                write = Write("log", 1 if pointer else sequence, entry, create)
                return Send(write, lambda ok: self._appended(now, ok, variant), unanswered(now, variant))
            case ["read", "back"]:
                return Read(lambda store: self._read_back(me, now, store))
            case ["hint"]:
                moved = end(now, "moved")
                return Send(Write("head", 0, now.last + 1, create=False), lambda _: moved, moved)
            case _:
                return Read(lambda store: found_last(now, store, variant, self._append))

    def _checked(self, now: Process, store: Store) -> Process:
        manifest = store.manifests[self.version - 1]
        if manifest is None:
            return end(now, "refused")
        # The manifest's write id is kept in two fields that a promoter does not need for anything else.
        known, rounds = manifest.write_id
        return now._replace(at="file 1", began=store.length, known=known, rounds=rounds)

    def _looked(self, now: Process, store: Store, number: int) -> Process:
        manifest = store.manifests[self.version - 1]
        if manifest is None or (manifest.content, number) not in store.files:
            return end(now, "incomplete")
        return now._replace(at=f"file {number + 1}" if number < FILES[-1] else "head")

    def _append(self, now: Process, last: Entry | None) -> Process:
        if last and last.manifest == (now.known, now.rounds):
            return end(now, "stands")._replace(last=last.sequence)
        return now._replace(at="append", sent=0)

    def _appended(self, now: Process, ok: bool, variant: Variant) -> Process:
        if ok:
            return end(now, "moved") if variant is Variant.POINTER else now._replace(at="hint", sent=0)
        return self._theirs(now) if variant is Variant.NO_READBACK else now._replace(at="read back", sent=0)

    def _theirs(self, now: Process) -> Process:
        return now._replace(at="head", sent=0, writes=now.writes + 1, last=0, previous=None)

    def _read_back(self, me: int, now: Process, store: Store) -> Process:
        found = slot(store, now.last + 1)
        if found is None:
            return end(now, "unknown")
        return now._replace(at="hint", sent=0) if found.write_id == (me, now.writes) else self._theirs(now)


@dataclass(frozen=True)
class Reader:
    """Resolves the channel and pulls the release (6.8, 6.11), then does so again or polls (6.9)."""

    rounds: int = 2
    start = "begin"

    def request(self, me: int, now: Process, variant: Variant) -> Read | Send:
        """The next request."""
        match now.at.split():
            case ["begin"]:
                return Read(lambda store: found_last(self._begun(now, store, "head"), store, variant, self._named))
            case ["poll"]:
                return Read(lambda store: found_last(self._begun(now, store, "probe"), store, variant, self._named))
            case ["manifest"]:
                return Read(lambda store: self._verified(now, store))
            case ["file", number]:
                return Read(lambda store: self._pulled(now, store, int(number)))
            case _:
                return Read(lambda store: found_last(now, store, variant, self._named))

    def _begun(self, now: Process, store: Store, at: str) -> Process:
        return now._replace(at=at, last=now.known if at == "probe" else 0, began=store.length)

    def _named(self, now: Process, last: Entry | None) -> Process | tuple[Process, ...]:
        if last is None:
            return end(now, "went back") if now.began else self._again(now)
        if last.sequence < max(now.known, now.began):
            return end(now, "went back")
        previous = last.manifest
        return now._replace(at="manifest", last=last.sequence, version=last.version, previous=previous)

    def _verified(self, now: Process, store: Store) -> Process:
        manifest = store.manifests[now.version - 1]
        if manifest is None or manifest.write_id != now.previous:
            return end(now, "rejected")
        return now._replace(at="file 1")

    def _pulled(self, now: Process, store: Store, number: int) -> Process | tuple[Process, ...]:
        manifest = store.manifests[now.version - 1]
        if manifest is None or (manifest.content, number) not in store.files:
            return end(now, "incomplete")
        if number < FILES[-1]:
            return now._replace(at=f"file {number + 1}")
        return self._again(now._replace(known=now.last))

    def _again(self, now: Process) -> Process | tuple[Process, ...]:
        done = now.rounds + 1
        if done == self.rounds:
            return end(now, "read")
        next_round = Process("begin", known=now.known, rounds=done)
        return (next_round, next_round._replace(at="poll")) if now.known else next_round


Role = Publisher | Promoter | Reader


def slot(store: Store, sequence: int) -> Entry | None:
    """The entry under a sequence."""
    return store.log[sequence - 1] if 0 < sequence <= len(store.log) else None


def found_last(
    now: Process,
    store: Store,
    variant: Variant,
    then: Callable[[Process, Entry | None], Process | tuple[Process, ...]],
) -> Process | tuple[Process, ...]:
    """One request on the way to the last entry (6.8, steps 1 to 3): HEAD, its entry, the next one, the listing."""

    def decided(entry: Entry | None) -> Process | tuple[Process, ...]:
        named = store.head if variant is Variant.UNLINKED else (entry.sequence if entry else 0)
        link = slot(store, named)
        return then(now._replace(last=entry.sequence if entry else 0, previous=link.write_id if link else None), entry)

    if variant is Variant.POINTER:
        return decided(store.log[0])
    match now.at:
        case "head":
            return now._replace(at="entry" if store.head else "listing", last=store.head)
        case "entry":
            return decided(slot(store, now.last)) if variant is Variant.TRUSTED_HINT else now._replace(at="probe")
        case "probe":
            return now._replace(at="listing") if slot(store, now.last + 1) else decided(slot(store, now.last))
        case _:
            return decided(slot(store, store.length))


def end(now: Process, outcome: str) -> Process:
    """A process that reported `outcome` and is done."""
    return Process("", now.version, now.last, writes=now.writes, known=now.known, began=now.began, outcome=outcome)


def unanswered(now: Process, variant: Variant) -> Process:
    """Where a create leads of which no attempt was answered."""
    return end(now, "failed") if variant is Variant.SILENCE_IS_FAILURE else now._replace(at="read back", sent=0)


def landed(store: Store, write: Write) -> tuple[Store, bool]:
    """The store after a write was carried out, and whether it was not refused with a 412."""
    match write.kind, write.value:
        case "file", str() as content:
            return store._replace(files=store.files | {(content, write.number)}), True
        case "head", int() as sequence:
            return store._replace(head=sequence), True
        case "manifest", Manifest() as manifest:
            manifests = _put(store.manifests, write.number, manifest, write.create)
            return (store._replace(manifests=manifests), True) if manifests else (store, False)
        case "log", Entry() as entry:
            log = _put(store.log, write.number, entry, write.create)
            return (store._replace(log=log), True) if log else (store, False)
        case _:
            raise ValueError(f"no such write: {write}")


def _put(held: tuple[T | None, ...], number: int, value: T, create: bool) -> tuple[T | None, ...] | None:
    """What is held after a write; None where it is refused with a 412."""
    held += (None,) * (number - len(held))
    if create and held[number - 1] is not None:
        return None
    return (*held[: number - 1], value, *held[number:])


@dataclass(frozen=True)
class Model:
    """Who takes part, what may go wrong, and by which rules they play."""

    roles: tuple[Role, ...]
    crashes: int
    losses: int
    variant: Variant = Variant.PROTOCOL

    @property
    def initial(self) -> State:
        """The empty registry, nobody having begun."""
        return State(Store(), tuple(Process(role.start) for role in self.roles), self.crashes, self.losses)

    def successors(self, state: State) -> Iterator[State]:
        """Every state that one step of anybody, or of the network, leads to."""
        for write in state.store.under_way:
            store, _ = landed(state.store._replace(under_way=state.store.under_way - {write}), write)
            yield state._replace(store=store)
        for me, now in enumerate(state.processes):
            if now.outcome:
                continue
            if state.crashes:
                yield _moved(state._replace(crashes=state.crashes - 1), me, end(now, "crashed"))
            request = self.roles[me].request(me, now, self.variant)
            yield from (
                self._read(state, me, now, request) if isinstance(request, Read) else _sent(state, me, now, request)
            )

    def _read(self, state: State, me: int, now: Process, request: Read) -> Iterator[State]:
        reached = request.then(state.store)
        for process in (reached,) if isinstance(reached, Process) else reached:
            yield _moved(state, me, process)
        if state.losses:
            outcome = "unknown" if now.at == "read back" else "failed"
            yield _moved(state._replace(losses=state.losses - 1), me, end(now, outcome))


def _sent(state: State, me: int, now: Process, request: Send) -> Iterator[State]:
    store, ok = landed(state.store, request.write)
    yield _moved(state._replace(store=store), me, request.then(ok))
    if state.losses:
        # A client may send the write again, or give up at once.
        again = (now._replace(sent=now.sent + 1),) if now.sent + 1 < ATTEMPTS else ()
        late = state.store._replace(under_way=state.store.under_way | {request.write})
        for after, process in product((state.store, store, late), (*again, request.silence)):
            yield _moved(state._replace(store=after, losses=state.losses - 1), me, process)


def _moved(state: State, me: int, process: Process) -> State:
    return state._replace(processes=(*state.processes[:me], process, *state.processes[me + 1 :]))


def broken_promise(model: Model, before: State, after: State) -> str | None:
    """The promise that the step from `before` to `after` breaks; None if all are kept."""
    old, store = before.store, after.store
    if model.variant is not Variant.POINTER and _changed(old.log, store.log):
        return "an entry of the log changed"
    if _changed(old.manifests, store.manifests):
        return "a version changed its content"
    if not old.files <= store.files:
        return "a file was lost"
    for manifest in store.manifests:
        if manifest and not all((manifest.content, number) in store.files for number in FILES):
            return "an incomplete release is visible"
    if model.variant is not Variant.POINTER and not _chained(store.log):
        return "the log has a gap or a broken link"
    if store.head > store.length:
        return "HEAD leads beyond the log"
    visible = {one.write_id for one in (*store.manifests, *store.log) if one}
    moves = [now.last for now in after.processes if now.outcome == "moved"]
    if len(set(moves)) < len(moves):
        return "two promotions were acknowledged under one sequence"
    for me, now in enumerate(after.processes):
        if now.outcome in ("went back", "rejected", "incomplete"):
            return f"a process found that the registry {now.outcome}"
        if now.known < before.processes[me].known and isinstance(model.roles[me], Reader):
            return "a reader went back"
        problem = _false_report(me, now, visible)
        if problem and model.variant is not Variant.POINTER:
            return problem
    return None


def _false_report(me: int, now: Process, visible: set[WriteId]) -> str | None:
    mine = {number for number in range(now.writes + 1) if (me, number) in visible}
    if now.outcome in ("published", "moved") and mine != {now.writes}:
        return "an acknowledged write is lost"
    if now.outcome in ("same", "stands", "refused", "failed") and mine:
        return "what was acknowledged as failed is visible"
    if mine - {now.writes}:
        return "a write that was given up is visible"
    if now.outcome == "stands" and now.last < now.began:
        return "a promoter took an old entry for the last"
    return None


def _changed(old: tuple[object, ...], new: tuple[object, ...]) -> bool:
    return any(one is not None and one != other for one, other in zip(old, new, strict=False))


def _chained(log: tuple[Entry | None, ...]) -> bool:
    before: Entry | None = None
    ended = False
    for number, entry in enumerate(log, start=1):
        if entry is None:
            ended = True
            continue
        if ended or entry.sequence != number or entry.previous != (before.write_id if before else None):
            return False
        before = entry
    return True


@dataclass(frozen=True)
class Explored:
    """What a search saw: states, steps between them, states in which nobody has anything left to do."""

    states: int
    transitions: int
    ends: int
    broken: str | None
    outcomes: frozenset[tuple[str, ...]]


def explore(model: Model) -> Explored:
    """Visit every reachable state, breadth first, up to the first broken promise."""
    seen = {model.initial}
    waiting = deque(seen)
    transitions = ends = 0
    outcomes: set[tuple[str, ...]] = set()
    while waiting:
        state = waiting.popleft()
        stuck = True
        for reached in model.successors(state):
            stuck = False
            transitions += 1
            broken = broken_promise(model, state, reached)
            if broken:
                return Explored(len(seen), transitions, ends, broken, frozenset(outcomes))
            if reached not in seen:
                seen.add(reached)
                waiting.append(reached)
        if stuck:
            ends += 1
            outcomes.add(tuple(process.outcome for process in state.processes))
    return Explored(len(seen), transitions, ends, None, frozenset(outcomes))


def scenarios(crashes: int, losses: int, variant: Variant = Variant.PROTOCOL, rounds: int = 2) -> dict[str, Model]:
    """Two publishers, two promoters and a reader, with what the publishers bring."""
    cast = {
        "different content, version auto": (Publisher("a", 0), Publisher("b", 0), Promoter(1), Promoter(2)),
        "different content, one version": (Publisher("a", 1), Publisher("b", 1), Promoter(1), Promoter(1)),
        "equal content, version auto": (Publisher("a", 0), Publisher("a", 0), Promoter(1), Promoter(1)),
    }
    return {name: Model((*roles, Reader(rounds)), crashes, losses, variant) for name, roles in cast.items()}


def main() -> None:
    """Print the counts of the full configuration."""
    for name, model in scenarios(crashes=1, losses=0).items():
        started = time.monotonic()
        found = explore(model)
        print(  # noqa: T201 - a command line
            f"{name}: {found.states} states, {found.transitions} transitions, {found.ends} ends, "
            f"{found.broken or 'every promise kept'} ({time.monotonic() - started:.0f} s)"
        )


if __name__ == "__main__":
    main()
