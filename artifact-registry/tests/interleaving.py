"""Runs actors against one store, call by call, in every order that can make a difference."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final

from edustream_registry.memory_store import MemoryStore
from edustream_registry.store import ObjectInfo, Source, WriteCondition
from edustream_registry.testing.faults import Crash

READS: Final = frozenset({"get", "stream", "size", "age", "list", "folders"})


@dataclass(frozen=True)
class Step:
    """One call of one actor; a crash ends the actor instead of the call."""

    actor: int
    operation: str
    key: str
    crash: bool = False

    def commutes(self, other: Step) -> bool:
        """Whether the order of the two makes no difference to anybody."""
        if self.crash or other.crash or {self.operation, other.operation} <= READS:
            return True
        return not (self.key.startswith(other.key) or other.key.startswith(self.key))


@dataclass
class Actor:
    """What one process does with its own view of the store."""

    act: Callable[[GatedStore], object]
    mortal: bool = False
    error: BaseException | None = None
    pending: Step | None = None
    _go: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    _arrived: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    _dies: bool = False

    def start(self, number: int, memory: MemoryStore) -> None:
        """Run up to the first call."""
        threading.Thread(target=self._run, args=(GatedStore(memory, number, self),), daemon=True).start()
        self._arrived.acquire()

    def step(self, *, dies: bool = False) -> None:
        """Let the pending call through, or die before it, and run up to the next one."""
        self._dies = dies
        self._go.release()
        self._arrived.acquire()

    def gate(self, step: Step) -> None:
        """Called by the store before every call: wait for the turn."""
        self.pending = step
        self._arrived.release()
        self._go.acquire()
        self.pending = None
        if self._dies:
            raise Crash(str(step))

    def _run(self, store: GatedStore) -> None:
        try:
            self.act(store)
        except BaseException as error:  # the test looks at what ended an actor
            self.error = error
        finally:
            self._arrived.release()


class GatedStore(MemoryStore):
    """A memory store shared by actors; every call waits for its turn."""

    def __init__(self, memory: MemoryStore, number: int, actor: Actor) -> None:
        self._memory = memory
        self._number = number
        self._actor = actor

    def _gate(self, operation: str, key: str) -> None:
        self._actor.gate(Step(self._number, operation, key))

    def wait(self) -> None:
        """Take a turn without a request, whose order to every request makes a difference."""
        self._gate("wait", "")

    def get(self, key: str, max_bytes: int) -> bytes:
        self._gate("get", key)
        return self._memory.get(key, max_bytes)

    def stream(self, key: str) -> Iterator[bytes]:
        self._gate("stream", key)
        return self._memory.stream(key)

    def size(self, key: str) -> int:
        self._gate("size", key)
        return self._memory.size(key)

    def age_s(self, key: str) -> float:
        self._gate("age", key)
        return self._memory.age_s(key)

    def put(self, key: str, data: bytes, condition: WriteCondition) -> None:
        self._gate("put", key)
        self._memory.put(key, data, condition)

    def upload(self, key: str, source: Source) -> None:
        self._gate("upload", key)
        self._memory.upload(key, source)

    def delete(self, key: str) -> None:
        self._gate("delete", key)
        self._memory.delete(key)

    def list(self, prefix: str, start_after: str = "") -> Iterator[ObjectInfo]:
        self._gate("list", prefix)
        return iter(list(self._memory.list(prefix, start_after)))

    def folders(self, prefix: str) -> Iterator[str]:
        self._gate("folders", prefix)
        return iter(list(self._memory.folders(prefix)))


@dataclass(frozen=True)
class World:
    """One run: a fresh store, its actors, and what must hold after every step."""

    memory: MemoryStore
    actors: Sequence[Actor]
    check: Callable[[list[Step]], None]


def explore(new_world: Callable[[], World], crashes: int = 0) -> int:
    """Run fresh worlds in every order of calls, up to the order of neighbours that commute; returns how many.

    A run whose last two calls commute and stand in descending order of their actors is abandoned: the same run with
    the two exchanged is explored as well. At most `crashes` mortal actors die, before any of their calls.
    """
    runs = 0
    prefix: list[int] = []
    while True:
        taken, options = _run(new_world(), _replay(prefix), crashes)
        runs += 1
        while taken and taken[-1] + 1 >= options[len(taken) - 1]:
            taken.pop()
        if not taken:
            return runs
        taken[-1] += 1
        prefix = taken


def _replay(prefix: Sequence[int]) -> Callable[[int, int], int]:
    return lambda depth, _: prefix[depth] if depth < len(prefix) else 0


def sample(new_world: Callable[[], World], runs: int, random: Random, crashes: int = 0) -> None:
    """Run fresh worlds in orders drawn at random: for so many actors that not every order can be tried."""
    for _ in range(runs):
        _run(new_world(), lambda _, choices: random.randrange(choices), crashes)


def _run(world: World, choose: Callable[[int, int], int], crashes: int) -> tuple[list[int], list[int]]:
    """One run; `choose` takes the depth and the number of choices. Returns what was taken, and out of how many."""
    for number, actor in enumerate(world.actors):
        actor.start(number, world.memory)
    taken: list[int] = []
    options: list[int] = []
    steps: list[Step] = []
    try:
        while choices := _choices(world.actors, steps, crashes):
            choice = choose(len(taken), len(choices))
            taken.append(choice)
            options.append(len(choices))
            step = choices[choice]
            world.actors[step.actor].step(dies=step.crash)
            steps.append(step)
            world.check(steps)
    finally:
        for actor in world.actors:
            while actor.pending:
                actor.step(dies=True)
    return taken, options


def _choices(actors: Sequence[Actor], steps: Sequence[Step], crashes: int) -> list[Step]:
    last = steps[-1] if steps else None
    pending = [actor.pending for actor in actors if actor.pending]
    lives = [step for step in pending if not (last and last.actor > step.actor and last.commutes(step))]
    left = crashes - sum(step.crash for step in steps)
    deaths = [Step(step.actor, step.operation, step.key, crash=True) for step in pending if actors[step.actor].mortal]
    return lives + (deaths if left > 0 else [])
