"""No order of calls makes a release lose a file, whoever dies in between."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest
from interleaving import Actor, GatedStore, Step, World, explore, sample

from edustream_contracts.errors import Conflict
from edustream_registry import layout
from edustream_registry.collecting import Collector
from edustream_registry.collection import DELETING_S, MIN_GRACE_S, NOTICE_S
from edustream_registry.manifest import ReleaseContent
from edustream_registry.memory_store import MemoryStore
from edustream_registry.publishing import Publisher
from edustream_registry.reading import ReleaseReader
from edustream_registry.store import ObjectInfo, Store
from edustream_registry.testing.faults import Crash
from edustream_registry.testing.simulator import RegistrySimulator
from edustream_registry.writing import Author


class TornRelease(AssertionError):
    """A manifest names a file that is not there."""


class Scene:
    """An old orphan; publishers of a release that names it; a collector that takes it for one."""

    def __init__(self, content: ReleaseContent, directory: Path) -> None:
        # One file, the one that every release must have, so that every order can be tried.
        self.content = content.model_copy(update={"files": (content.file("contract.json"),)})
        self.directory = directory
        self.registry = RegistrySimulator()
        [file] = self.content.files
        self.file = layout.file_key("churn", file.sha256, file.name)
        self.registry.memory.upload(self.file, directory / file.name)
        self.registry.clock.advance(MIN_GRACE_S + 1)

    def author(self, store: Store) -> Author:
        reader = ReleaseReader(store, self.registry.trust, self.registry.clock)
        return self.registry.author_with(self.registry.signer, reader)

    def publish(self, store: Store) -> object:
        return Publisher(self.author(store), patience_s=0, bundler=None).publish(self.content, self.directory)

    def collect(self, store: MemoryStore) -> object:
        reader = ReleaseReader(store, self.registry.trust, self.registry.clock)
        return Collector(store, reader, MIN_GRACE_S).collect("churn")

    def wait(self, store: GatedStore, pause_s: float) -> None:
        store.wait()
        self.registry.clock.advance(pause_s)

    def check(self, steps: list[Step]) -> None:
        objects = self.registry.memory.objects
        if any(key.startswith(layout.releases_prefix("churn")) for key in objects) and self.file not in objects:
            raise TornRelease(steps)

    def world(self, *actors: Actor) -> World:
        return World(self.registry.memory, actors, self.check)


@pytest.fixture
def scene(content: ReleaseContent, release_dir: Path) -> Callable[[], Scene]:
    return lambda: Scene(content, release_dir)


class Worlds:
    """Makes fresh scenes with their actors, and settles each when the next one is made."""

    def __init__(
        self,
        scene: Callable[[], Scene],
        publish: Callable[[Scene, Store], object] = Scene.publish,
        publishers: int = 1,
        mortals: int = 0,
        pause_s: float = 0.0,
    ) -> None:
        self._scene = scene
        self._publish = publish
        self._publishers = publishers
        self._mortals = mortals
        self._pause_s = pause_s
        self._last: tuple[Scene, World] | None = None

    def __call__(self) -> World:
        self.settle()
        here = self._scene()
        publishers = [
            Actor(lambda store: self._publish(here, store), mortal=number < self._mortals)
            for number in range(self._publishers)
        ]
        clock = [Actor(lambda store: here.wait(store, self._pause_s))] if self._pause_s else []
        world = here.world(*publishers, Actor(here.collect, mortal=True), *clock)
        self._last = here, world
        return world

    def settle(self) -> None:
        if self._last:
            settle(*self._last)


def run_all(worlds: Worlds, crashes: int = 0) -> int:
    runs = explore(worlds, crashes)
    worlds.settle()
    return runs


def settle(scene: Scene, world: World) -> None:
    """What ended the actors is lawful, and once every notice is dead, publishing again gives a whole release."""
    for actor in world.actors:
        assert actor.error is None or isinstance(actor.error, Conflict | Crash), actor.error
    scene.registry.clock.advance(NOTICE_S + 1)
    scene.publish(scene.registry.memory)
    scene.check([])
    scene.registry.clock.advance(MIN_GRACE_S + 1)
    scene.collect(scene.registry.memory)
    scene.check([])
    assert not list(scene.registry.memory.list(layout.notices_prefix("churn")))


def test_in_no_order_does_a_collector_take_a_publishers_file(scene: Callable[[], Scene]) -> None:
    assert run_all(Worlds(scene)) > 70


def test_nor_if_the_collector_dies(scene: Callable[[], Scene]) -> None:
    assert run_all(Worlds(scene), crashes=1) > 300


def test_nor_if_as_much_time_passes_as_is_assumed(scene: Callable[[], Scene]) -> None:
    """At any one moment, e.g. between the collector's look at its notice and its delete."""
    worlds = Worlds(scene, pause_s=NOTICE_S - DELETING_S)

    sample(worlds, 200, Random(1), crashes=1)

    worlds.settle()


@pytest.mark.prove
def test_nor_if_as_much_time_passes_as_is_assumed_in_any_order(scene: Callable[[], Scene]) -> None:
    assert run_all(Worlds(scene, pause_s=NOTICE_S - DELETING_S)) > 700


def test_a_collector_that_sends_its_delete_later_than_assumed_takes_it(
    scene: Callable[[], Scene], monkeypatch: pytest.MonkeyPatch
) -> None:
    """PROTOCOL.md, 6.13, states the assumption, for no client can keep it alone."""
    here = scene()
    memory = here.registry.memory
    delete = memory.delete

    def late(key: str) -> None:
        if key == here.file:
            here.registry.clock.advance(NOTICE_S + 1)
            here.publish(memory)
        delete(key)

    monkeypatch.setattr(memory, "delete", late)
    here.collect(memory)

    with pytest.raises(TornRelease):
        here.check([])


@pytest.mark.prove
def test_nor_if_both_die(scene: Callable[[], Scene]) -> None:
    assert run_all(Worlds(scene, mortals=1), crashes=2) > 700


@pytest.mark.prove
def test_nor_with_three_publishers_two_of_which_may_die(scene: Callable[[], Scene]) -> None:
    worlds = Worlds(scene, publishers=3, mortals=2)

    sample(worlds, 10_000, Random(1), crashes=2)

    worlds.settle()


class _Unaware(MemoryStore):
    """A store whose user sees no notices, or takes every file for young."""

    def __init__(self, store: Store, *, sees_notices: bool, sees_age: bool) -> None:
        self._store = store
        self._sees_notices = sees_notices
        self._sees_age = sees_age

    def __getattribute__(self, name: str) -> object:
        if name.startswith("_") or name in {"list", "age_s"}:
            return super().__getattribute__(name)
        return getattr(self._store, name)

    def list(self, prefix: str, start_after: str = "") -> Iterator[ObjectInfo]:
        hidden = prefix == layout.notices_prefix("churn") and not self._sees_notices
        return iter(()) if hidden else self._store.list(prefix, start_after)

    def age_s(self, key: str) -> float:
        age_s = self._store.age_s(key)
        return age_s if self._sees_age else 0.0


@pytest.mark.parametrize(("sees_notices", "sees_age"), [(False, True), (True, False)])
def test_each_rule_is_needed(scene: Callable[[], Scene], sees_notices: bool, sees_age: bool) -> None:
    def publish(here: Scene, store: Store) -> object:
        return here.publish(_Unaware(store, sees_notices=sees_notices, sees_age=sees_age))

    with pytest.raises(TornRelease):
        run_all(Worlds(scene, publish))
