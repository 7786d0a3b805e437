"""Publishers that compute at the same time are all released, under different numbers, each right given the others."""

from __future__ import annotations

import json
import uuid
from functools import partial
from itertools import combinations
from pathlib import Path

import pytest
from conftest import settings_in
from interleaving import Actor, GatedStore, Step, World, explore
from workers import Compute, author_in, workers

from edustream_contracts.compatibility import Verdict, compare
from edustream_contracts.contract import ModelContract, contract_from
from edustream_registry import layout, publishing
from edustream_registry.connection import open_reader
from edustream_registry.manifest import ReleaseContent
from edustream_registry.names import parse_version
from edustream_registry.provisioning import Folders
from edustream_registry.publishing import Publisher
from edustream_registry.reading import ReleaseReader
from edustream_registry.released_contracts import ReleasedContracts
from edustream_registry.store import Store
from edustream_registry.testing.faults import Crash
from edustream_registry.testing.simulator import RegistrySimulator, write_release

FIRST = 120


def months(contract: ModelContract, maximum: int) -> ModelContract:
    document = json.loads(json.dumps(contract.document))
    document["input"]["properties"]["tenure"]["maximum"] = maximum
    return contract_from(document)


def check_numbers(reader: ReleaseReader, model: str = "churn") -> list[str]:
    """Hold every release against every lower one of its major; the versions."""
    versions = reader.versions(model)
    contracts = ReleasedContracts(reader)
    for pair in combinations(versions, 2):
        lower, higher = map(parse_version, pair)
        old, new = (contracts.of(reader.manifest(model, version).statement) for version in pair)
        verdict = compare(old, new).verdict
        assert lower.major < higher.major or verdict is not Verdict.BREAKING, pair
        assert (lower.major, lower.minor) < (higher.major, higher.minor) or verdict is Verdict.IDENTICAL, pair
    return versions


def only_manifests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let calls wait for their turn only where publishers can notice each other: at the manifests."""
    gate = GatedStore._gate

    def waits(store: GatedStore, operation: str, key: str) -> None:
        if key.startswith(layout.releases_prefix("churn")):
            gate(store, operation, key)

    monkeypatch.setattr(GatedStore, "_gate", waits)


class Scene:
    """1.0.0 is served; publishers of other models begin at the same time."""

    def __init__(self, contents: list[tuple[ReleaseContent, Path]]) -> None:
        self.registry = RegistrySimulator()
        first, *self.contents = contents
        self.registry.publish(*first)
        self.registry.promote("churn", "1.0.0")
        self.versions: list[str] = []
        self.actors: list[Actor] = []

    def publish(self, store: Store, content: ReleaseContent, directory: Path) -> None:
        reader = ReleaseReader(store, self.registry.trust, self.registry.clock)
        author = self.registry.author_with(self.registry.signer, reader)
        self.versions.append(Publisher(author, bundler=None).publish(content, directory).manifest.version)

    def world(self) -> World:
        self.actors = [
            Actor(partial(self.publish, content=content, directory=directory)) for content, directory in self.contents
        ]
        return World(self.registry.memory, self.actors, self.check)

    def check(self, steps: list[Step]) -> None:
        if len(self.versions) == len(self.contents):
            assert check_numbers(self.registry.reader) == sorted(["1.0.0", *self.versions], key=parse_version)


@pytest.mark.parametrize(
    ("maxima", "numbers"),
    [
        ((120, 120), {("1.0.1", "1.0.2")}),
        ((120, 240), {("1.0.1", "1.1.0"), ("1.1.0", "2.0.0")}),
        ((120, 60), {("1.0.1", "2.0.0"), ("2.0.0", "2.1.0")}),
        ((240, 480), {("1.1.0", "1.2.0"), ("1.1.0", "2.0.0")}),
        ((240, 60), {("1.1.0", "2.0.0"), ("2.0.0", "2.1.0")}),
        ((60, 90), {("2.0.0", "2.1.0"), ("2.0.0", "3.0.0")}),
    ],
)
def test_in_every_order_of_requests_both_are_released_under_right_numbers(
    contract: ModelContract,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    maxima: tuple[int, int],
    numbers: set[tuple[str, str]],
) -> None:
    monkeypatch.setattr(publishing, "MAX_WAIT_S", 0.0)
    only_manifests(monkeypatch)
    contents = []
    for index, maximum in enumerate((FIRST, *maxima)):
        directory = tmp_path / str(index)
        content = write_release(directory, months(contract, maximum), directory.name.encode())
        files = tuple(file for file in content.files if file.name != "golden.json")
        contents.append((content.model_copy(update={"files": files}), directory))
    scenes: list[Scene] = []

    def fresh() -> World:
        scenes.append(Scene(contents))
        return scenes[-1].world()

    explore(fresh)

    # `Crash` ends the actors of a run that was abandoned, since another one stands for it.
    assert {type(actor.error) for scene in scenes for actor in scene.actors} <= {type(None), Crash}
    found = {tuple(sorted(scene.versions, key=parse_version)) for scene in scenes if len(scene.versions) == 2}
    assert found == numbers


@pytest.fixture
def model() -> str:
    return f"raced-{uuid.uuid4().hex[:8]}"


def test_processes_that_compute_at_once_are_all_released_under_right_numbers(
    folders: Folders, content: ReleaseContent, contract: ModelContract, tmp_path: Path, model: str
) -> None:
    env_file = folders.producer / ".env"
    maxima = (FIRST, 240, 60, 480, FIRST)
    contracts = [contract_from({**months(contract, maximum).document, "model": model}) for maximum in maxima]
    racing = len(maxima) - 1
    Compute(content, contracts).done(author_in(env_file, "producer"), tmp_path / "first", racing)

    with workers(racing, env_file, tmp_path, gated=True) as racers:
        outcomes = racers.all_do(Compute(content, contracts))

    assert [outcome.said for outcome in outcomes] == ["published"] * racing
    versions = check_numbers(open_reader(settings_in(folders.consumer / ".env")), model)
    assert sorted(["1.0.0", *(outcome.version for outcome in outcomes)], key=parse_version) == versions
