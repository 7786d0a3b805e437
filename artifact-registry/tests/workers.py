"""Processes of their own that write to a registry: persistent ones that race, and mortal ones that kill themselves."""

from __future__ import annotations

import contextlib
import dataclasses
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from itertools import count
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Barrier
from typing import Any

from conftest import settings_in

from edustream_contracts.canonical import canonical_json
from edustream_contracts.contract import ModelContract, contract_from, load_contract
from edustream_contracts.errors import EduStreamError
from edustream_registry.authorship import open_author
from edustream_registry.manifest import ReleaseContent, ReleaseFile
from edustream_registry.promotion import Promoter
from edustream_registry.publishing import Publisher
from edustream_registry.reading import ReleaseReader
from edustream_registry.store import Store, WriteCondition
from edustream_registry.writing import Author
from edustream_registry.yanking import Yanker

GATE_BUDGET_S = 120
CHANNEL = "production"
WRITES = frozenset({"put", "upload"})

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["pytest", "edustream_registry.provisioning", "edustream_registry.publishing"])


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What one writer was told: `said` is the status or the error's kind; the rest says what it stands for."""

    said: str
    message: str = ""
    version: str = ""
    digest: str = ""
    sequence: int = 0


Task = Callable[[Author, Path, int], Any]


def author_in(env_file: Path, who: str, wrap: Callable[[Store], Store] = lambda store: store) -> Author:
    author = open_author(settings_in(env_file), who)
    store = wrap(author.store)
    return dataclasses.replace(author, store=store, reader=ReleaseReader(store, author.reader.trust))


def small_release(template: ReleaseContent, contract: ModelContract, data: bytes, directory: Path) -> ReleaseContent:
    """`template` as a release of two files, a model of these bytes and its contract, written into `directory`."""
    directory.mkdir(parents=True, exist_ok=True)
    files = {"contract.json": canonical_json(contract.document), "model.onnx": data}
    for name, content in files.items():
        (directory / name).write_bytes(content)
    described = tuple(ReleaseFile.of(directory / name) for name in files)
    return template.model_copy(update={"model": contract.model, "contract_digest": contract.digest, "files": described})


def told(act: Callable[[], Outcome]) -> Outcome:
    try:
        return act()
    except EduStreamError as error:
        return Outcome(error.kind, str(error))


# --- what a writer can be asked to do ---


@dataclasses.dataclass(frozen=True)
class Publish:
    """Publish `data` as `version` of `model`; `{}` in it becomes the writer's number."""

    template: ReleaseContent
    model: str
    version: str
    data: str

    def __call__(self, author: Author, folder: Path, number: int) -> Outcome:
        return told(lambda: self.done(author, folder / str(number), number))

    def done(self, author: Author, folder: Path, number: int) -> Outcome:
        contract = contract_from({**load_contract("churn").document, "model": self.model})
        content = small_release(self.template, contract, self.data.format(number).encode(), folder)
        published = Publisher(author, bundler=None).publish(content, folder, self.version)
        return Outcome(published.status.value, version=self.version, digest=published.release.digest)


@dataclasses.dataclass(frozen=True)
class Compute:
    """Publish a model of the writer's own under a computed version; its contract is the one at the writer's number."""

    template: ReleaseContent
    contracts: Sequence[ModelContract]

    def __call__(self, author: Author, folder: Path, number: int) -> Outcome:
        return told(lambda: self.done(author, folder / str(number), number))

    def done(self, author: Author, folder: Path, number: int) -> Outcome:
        content = small_release(self.template, self.contracts[number], f"model {number}".encode(), folder)
        published = Publisher(author, bundler=None).publish(content, folder)
        return Outcome(published.status.value, published.why, published.manifest.version, published.release.digest)


@dataclasses.dataclass(frozen=True)
class Promote:
    """Promote one of `versions`, by the writer's number, to the channel."""

    model: str
    versions: Sequence[str]

    def __call__(self, author: Author, folder: Path, number: int) -> Outcome:
        return told(lambda: self.done(author, number))

    def done(self, author: Author, number: int) -> Outcome:
        version = self.versions[number]
        promotion = Promoter(author).promote(self.model, CHANNEL, version, "a race")
        entry = promotion.entry
        said = "moved" if promotion.moved else "stood"
        return Outcome(said, version=version, digest=entry.digest, sequence=entry.statement.sequence)


@dataclasses.dataclass(frozen=True)
class Yank:
    """Yank `version`."""

    model: str
    version: str

    def __call__(self, author: Author, folder: Path, number: int) -> Outcome:
        return told(lambda: self.done(author))

    def done(self, author: Author) -> Outcome:
        found = Yanker(author).yank(self.model, self.version, "a test")
        return Outcome("yanked" if found.new else "stood", version=self.version, digest=found.tombstone.digest)


@dataclasses.dataclass(frozen=True)
class WriteUntilItFails:
    """Publish and promote `<major>.<n>.0` of a model of the writer's own, n = 0, 1, ..., until an error comes."""

    template: ReleaseContent
    major: int

    def __call__(self, author: Author, folder: Path, number: int) -> list[Outcome]:
        outcomes = []
        for minor in count():
            version = f"{self.major}.{minor}.0"
            for task in (
                Publish(self.template, f"writer-{number}", version, version),
                Promote(f"writer-{number}", [version] * (number + 1)),
            ):
                outcomes.append(task(author, folder, number))
                if not outcomes[-1].digest:
                    outcomes[-1] = dataclasses.replace(outcomes[-1], version=version)
                    return outcomes
        raise AssertionError("count() ended")


# --- persistent writers ---


class GatedStore:
    """Waits for the other racers before the first creation of a round that commits something."""

    def __init__(self, store: Store, gate: Barrier) -> None:
        self._store = store
        self._gate = gate
        self.armed = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def put(self, key: str, data: bytes, condition: WriteCondition) -> None:
        if self.armed and condition is WriteCondition.CREATE and ("/releases/" in key or "/log/" in key):
            self.armed = False
            self._gate.wait(GATE_BUDGET_S)
        self._store.put(key, data, condition)


def _work(env_file: Path, folder: Path, number: int, gate: Barrier | None, channel: Connection) -> None:
    gates: list[GatedStore] = []

    def wrap(store: Store) -> Store:
        if gate is None:
            return store
        gates.append(GatedStore(store, gate))
        return gates[0]

    author = author_in(env_file, f"writer {number}", wrap)
    channel.send("ready")
    while (task := channel.recv()) is not None:
        for gated in gates:
            gated.armed = True
        channel.send(task(author, folder, number))


class Workers:
    """Writers that are asked to do the same thing at the same time, again and again."""

    def __init__(self, channels: list[Connection]) -> None:
        self.channels = channels

    def begin(self, task: Task) -> None:
        for channel in self.channels:
            channel.send(task)

    def outcomes(self) -> list[Any]:
        return [channel.recv() for channel in self.channels]

    def all_do(self, task: Task) -> list[Any]:
        self.begin(task)
        return self.outcomes()


@contextlib.contextmanager
def workers(count: int, env_file: Path, folder: Path, *, gated: bool) -> Iterator[Workers]:
    gate = _processes.Barrier(count) if gated else None
    channels, started = [], []
    for number in range(count):
        ours, theirs = _processes.Pipe()
        arguments = (env_file, folder, number, gate, theirs)
        started.append(_processes.Process(target=_work, args=arguments, daemon=True))
        started[-1].start()
        theirs.close()
        channels.append(ours)
    running = Workers(channels)
    try:
        assert running.outcomes() == ["ready"] * count
        yield running
    finally:
        for channel in channels:
            with contextlib.suppress(OSError):
                channel.send(None)
            channel.close()
        for process in started:
            process.join(GATE_BUDGET_S)
            process.close()


# --- mortal writers ---


class Moment(Enum):
    """When a writer dies."""

    BEFORE = "before"
    AFTER = "after"


class DeadlyStore:
    """Kills its own process with SIGKILL before or after call number `call`, counting all calls or writes alone."""

    def __init__(self, store: Store, call: int, moment: Moment, *, writes_alone: bool) -> None:
        self._store = store
        self._left = call
        self._moment = moment
        self._writes_alone = writes_alone

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._store, name)
        if not callable(attribute) or (self._writes_alone and name not in WRITES):
            return attribute

        def call(*arguments: Any, **more: Any) -> Any:
            deadly, self._left = self._left == 0, self._left - 1
            if deadly and self._moment is Moment.BEFORE:
                os.kill(os.getpid(), signal.SIGKILL)
            try:
                return attribute(*arguments, **more)
            finally:
                if deadly:
                    os.kill(os.getpid(), signal.SIGKILL)

        return call


def _work_and_die(env_file: Path, folder: Path, task: Task, call: int, moment: Moment, writes_alone: bool) -> None:
    def wrap(store: Store) -> Store:
        return DeadlyStore(store, call, moment, writes_alone=writes_alone)

    outcome = task(author_in(env_file, "mortal", wrap), folder, 0)
    if not outcome.digest:
        raise AssertionError(outcome)


def dies_doing(task: Task, env_file: Path, folder: Path, call: int, moment: Moment, *, writes_alone: bool) -> bool:
    """Have a process do `task` and die at a store call; False where it made fewer calls and ended in peace."""
    process = _processes.Process(target=_work_and_die, args=(env_file, folder, task, call, moment, writes_alone))
    process.start()
    process.join()
    exit_code = process.exitcode
    process.close()
    assert exit_code in (0, -signal.SIGKILL), exit_code
    return exit_code != 0
