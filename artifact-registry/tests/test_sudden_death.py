"""SIGKILL of the writer and of the SeaweedFS server: old or new, never in between, and a retry succeeds."""

from __future__ import annotations

import contextlib
import logging
import os
import random
import signal
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from multiprocessing.connection import wait
from pathlib import Path

import pytest
from conftest import settings_in
from processes import children, name_of
from workers import (
    CHANNEL,
    Moment,
    Outcome,
    Promote,
    Publish,
    Task,
    WriteUntilItFails,
    Yank,
    author_in,
    dies_doing,
    workers,
)

from edustream_contracts.errors import NothingToServe
from edustream_registry.local_server import Engine, free_ports, running_server
from edustream_registry.manifest import ReleaseContent
from edustream_registry.names import Reference
from edustream_registry.provisioning import Folders, Provisioner
from edustream_registry.reading import ReleaseReader
from edustream_registry.testing.simulator import RegistrySimulator
from edustream_registry.writing import Author

OLD, NEW = "1.0.0", "1.1.0"
WRITERS = 3
LONGEST_LIFE_S = 0.6
SEED = 20261121
logger = logging.getLogger(__name__)


@pytest.fixture(scope="module")
def producer(folders: Folders) -> Author:
    return author_in(folders.producer / ".env", "producer")


def released(reader: ReleaseReader, model: str) -> list[str]:
    """The visible releases, each of them checked to be complete."""
    versions = reader.versions(model)
    for version in versions:
        for file in reader.manifest(model, version).statement.content.files:
            reader.read_file(model, file)
    return versions


def promoted(reader: ReleaseReader, model: str) -> list[str]:
    """What the channel pointed at, first to last, every link checked; its readers agree with its history."""
    log = [signed.statement.version for signed in reader.history(model, CHANNEL)]
    if log:
        assert reader.resolve(Reference.parse(f"{model}@{CHANNEL}")).version == log[-1]
    return log


def yanked(reader: ReleaseReader, model: str) -> list[str]:
    """The yanked versions, each of them checked to be refused."""
    versions = sorted(reader.yanked(model))
    for version in versions:
        with pytest.raises(NothingToServe, match="was yanked"):
            reader.resolve(Reference.parse(f"{model}@{version}"))
    return versions


@dataclass(frozen=True)
class Operation:
    """A task, what is there before it, how its effect is seen, and what it is before and after."""

    task: Callable[[ReleaseContent, str], Task]
    seen: Callable[[ReleaseReader, str], list[str]]
    before: list[str]
    after: list[str]
    prepared: tuple[str, ...] = ()
    stands: tuple[str, ...] = ()


OPERATIONS = {
    "publish": Operation(lambda content, model: Publish(content, model, NEW, "new"), released, [OLD], [OLD, NEW]),
    "promote": Operation(lambda _, model: Promote(model, [NEW]), promoted, [OLD], [OLD, NEW], (NEW,), (OLD,)),
    "yank": Operation(lambda _, model: Yank(model, NEW), yanked, [], [NEW], (NEW,), (OLD,)),
}


@pytest.mark.parametrize("writes_alone", [True, pytest.param(False, marks=pytest.mark.prove)])
@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS.keys())
def test_a_writer_that_is_killed_at_any_call_leaves_the_old_or_the_new(
    operation: Operation,
    producer: Author,
    folders: Folders,
    content: ReleaseContent,
    tmp_path: Path,
    writes_alone: bool,
) -> None:
    env_file, reader = folders.producer / ".env", producer.reader
    seen = []
    for call in count():
        alive = 0
        for moment in Moment:
            model = f"killed-{uuid.uuid4().hex[:8]}"
            for version in (OLD, *operation.prepared):
                Publish(content, model, version, version).done(producer, tmp_path, 0)
            for version in operation.stands:
                Promote(model, [version]).done(producer, 0)
            task = operation.task(content, model)

            dead = dies_doing(task, env_file, tmp_path, call, moment, writes_alone=writes_alone)

            seen.append(operation.seen(reader, model))
            assert seen[-1] in (operation.before, operation.after)
            assert dead or seen[-1] == operation.after
            retried = task(producer, tmp_path, 0)
            assert retried.digest, retried
            assert operation.seen(reader, model) == operation.after
            alive += not dead
        if alive:
            break
    assert alive == len(Moment)
    assert seen[0] == operation.before
    assert sorted(seen, key=len) == seen
    logger.info("%d deaths, at %d calls", len(Moment) * call, call)


# --- the server ---


@pytest.mark.parametrize("rounds", [3, pytest.param(100, marks=pytest.mark.prove)])
def test_a_server_that_is_killed_keeps_what_it_acknowledged(
    content: ReleaseContent, tmp_path: Path, rounds: int
) -> None:
    chance = random.Random(SEED)
    port = free_ports(1)[0]
    folders = Folders.below(tmp_path / "repos")
    tally: dict[str, int] = {}
    with contextlib.ExitStack() as stack:
        with server(tmp_path / "data", port) as (_, admin_env):
            Provisioner(settings_in(admin_env)).init(folders)
            env_file = folders.producer / ".env"
            running = stack.enter_context(workers(WRITERS, env_file, tmp_path / "writers", gated=False))
        reader = author_in(env_file, "reader").reader
        told: list[list[Outcome]] = [[] for _ in range(WRITERS)]
        for number in range(rounds):
            with server(tmp_path / "data", port) as (process, _):
                # First what the failures left, since a retry acknowledges it.
                check(reader, told)
                retry_what_failed(told, content, env_file, tmp_path)
                check(reader, told)
                running.begin(WriteUntilItFails(content, number + 1))
                wait(running.channels, chance.uniform(0, LONGEST_LIFE_S))
                os.kill(process, signal.SIGKILL)
                for writer, outcomes in enumerate(running.outcomes()):
                    told[writer] += outcomes
                    for outcome in outcomes:
                        tally[outcome.said] = tally.get(outcome.said, 0) + 1
                logger.info("%d deaths of the server; the writers were told %s", number + 1, tally)
        with server(tmp_path / "data", port):
            check(reader, told)
    assert sum(tally.get(said, 0) for said in ("connection", "write")) == rounds * WRITERS, tally


@contextlib.contextmanager
def server(data: Path, port: int) -> Iterator[tuple[int, Path]]:
    """SeaweedFS on the same data and port; its process, and the administrator's settings."""
    others = children()
    with running_server(Engine.SEAWEEDFS, data, port) as running:
        (process,) = (child for child in children() - others if name_of(child) == "weed")
        yield process, running.admin_env


def check(reader: ReleaseReader, told: list[list[Outcome]]) -> None:
    """What was acknowledged is there, whole; what was refused is not; and a log has no gap."""
    for writer, outcomes in enumerate(told):
        model = f"writer-{writer}"
        versions = set(released(reader, model))
        log = {signed.statement.sequence: signed for signed in reader.history(model, CHANNEL)}
        for outcome in outcomes:
            if outcome.sequence:
                assert log[outcome.sequence].digest == outcome.digest, outcome
            elif outcome.digest:
                assert reader.manifest(model, outcome.version).digest == outcome.digest, outcome
                versions.discard(outcome.version)
        unknown = {outcome.version for outcome in outcomes if outcome.said == "write"}
        assert versions <= unknown, versions
        acknowledged = {outcome.sequence for outcome in outcomes}
        entries = {entry.statement.version for sequence, entry in log.items() if sequence not in acknowledged}
        assert entries <= unknown, entries


@pytest.mark.parametrize("landed", ["manifest", "entry"])
def test_what_landed_although_nothing_was_sent_is_found(
    registry: RegistrySimulator, content: ReleaseContent, tmp_path: Path, landed: str
) -> None:
    author = registry.author
    done = Publish(content, "writer-0", "1.0.0", "data")(author, tmp_path, 0)
    outcomes = []
    if landed == "entry":
        outcomes.append(done)
        assert Promote("writer-0", ["1.0.0"])(author, tmp_path, 0).digest

    check(registry.reader, [[*outcomes, Outcome("write", version="1.0.0")]])
    with pytest.raises(AssertionError):
        check(registry.reader, [[*outcomes, Outcome("connection", version="1.0.0")]])


def retry_what_failed(told: list[list[Outcome]], content: ReleaseContent, env_file: Path, folder: Path) -> None:
    for writer, outcomes in enumerate(told):
        if outcomes:
            author = author_in(env_file, f"writer {writer}")
            version = outcomes[-1].version
            for task in (
                Publish(content, f"writer-{writer}", version, version),
                Promote(f"writer-{writer}", [version]),
            ):
                again = task(author, folder / "again", 0)
                assert again.digest, again
                outcomes.append(again)
