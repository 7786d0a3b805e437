"""A release exists if and only if its manifest does, whatever dies in between."""

from __future__ import annotations

import dataclasses
import itertools
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edustream_contracts.contract import ModelContract
from edustream_contracts.errors import Conflict, EduStreamError, InvalidInput, OutcomeUnknown, Rejected, Unreachable
from edustream_registry import layout, publishing
from edustream_registry.manifest import ReleaseContent
from edustream_registry.memory_store import MemoryStore
from edustream_registry.names import Reference
from edustream_registry.publishing import Publication, PublicationStatus, Publisher
from edustream_registry.reading import ReleaseReader
from edustream_registry.store import Source, WriteCondition
from edustream_registry.testing.faults import Crash, Fault, FaultyStore, PlannedFault
from edustream_registry.testing.simulator import RegistrySimulator, write_release
from edustream_registry.writing import Author

CALLS_OF_A_PUBLICATION = 19


def author_on(registry: RegistrySimulator, *faults: PlannedFault) -> Author:
    store = FaultyStore(registry.memory, *faults)
    return registry.author_with(registry.signer, ReleaseReader(store, registry.trust, registry.clock))


def visible(registry: RegistrySimulator) -> list[str]:
    """The versions that a reader sees; every one of them must be whole."""
    reader = ReleaseReader(registry.memory, registry.trust, registry.clock)
    versions = reader.versions("churn")
    for version in versions:
        for file in reader.resolve(Reference.parse(f"churn@{version}")).manifest.content.files:
            reader.read_file("churn", file)
    return versions


@pytest.fixture
def another(tmp_path: Path, contract: ModelContract) -> tuple[ReleaseContent, Path]:
    """Content that differs from `content` in its model."""
    directory = tmp_path / "another"
    return write_release(directory, contract, b"another model"), directory


def test_the_first_release(registry: RegistrySimulator, content: ReleaseContent, release_dir: Path) -> None:
    sent: list[int] = []

    done = Publisher(registry.author).publish(content, release_dir, progress=sent.append)

    assert done.status is PublicationStatus.PUBLISHED
    assert done.manifest.version == "1.0.0"
    assert done.manifest.published_by == "tester"
    assert done.location == "memory://registry/models/churn/releases/1.0.0.json"
    assert sum(sent) == sum(file.size for file in done.manifest.content.files)
    assert visible(registry) == ["1.0.0"]


def test_the_files_come_before_the_manifest(
    registry: RegistrySimulator, content: ReleaseContent, release_dir: Path
) -> None:
    done = Publisher(registry.author).publish(content, release_dir)

    writes = [key for operation, key in registry.store.calls if operation in {"put", "upload"}]
    assert writes == [
        *(layout.file_key("churn", file.sha256, file.name) for file in done.manifest.content.files),
        layout.manifest_key("churn", "1.0.0"),
    ]
    assert len(registry.store.calls) == CALLS_OF_A_PUBLICATION


@pytest.mark.parametrize("version", ["auto", "1.0.0"])
def test_the_same_again_is_identical_and_writes_nothing(
    registry: RegistrySimulator, content: ReleaseContent, release_dir: Path, version: str
) -> None:
    registry.publish(content, release_dir)
    before = dict(registry.memory.objects)
    registry.clock.advance(100)

    again = registry.publish(content.model_copy(update={"metrics": {"f1": 0.5}}), release_dir, version)

    assert again.status is PublicationStatus.IDENTICAL
    assert again.manifest.version == "1.0.0"
    assert registry.memory.objects == before


@pytest.mark.parametrize("version", ["auto", "1.0.0"])
@pytest.mark.parametrize("damage", [None, b"medol"], ids=["missing", "same length, other bytes"])
def test_publishing_again_puts_a_bad_file_right(
    registry: RegistrySimulator, content: ReleaseContent, release_dir: Path, version: str, damage: bytes | None
) -> None:
    registry.publish(content, release_dir)
    file = content.file("model.onnx")
    key = layout.file_key("churn", file.sha256, file.name)
    if damage is None:
        del registry.memory.objects[key]
    else:
        assert len(damage) == file.size
        registry.memory.objects[key] = damage

    again = registry.publish(content, release_dir, version)

    assert again.status is PublicationStatus.RESTORED
    assert visible(registry) == ["1.0.0"]


def test_an_object_without_end_is_read_no_further_than_the_file_and_put_right(
    registry: RegistrySimulator, content: ReleaseContent, release_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.publish(content, release_dir)
    file = content.file("model.onnx")
    key = layout.file_key("churn", file.sha256, file.name)
    registry.memory.objects[key] = b""
    stream = MemoryStore.stream

    def endless(store: MemoryStore, asked: str) -> Iterator[bytes]:
        return iter(lambda: b"x", b"") if asked == key else stream(store, asked)

    monkeypatch.setattr(MemoryStore, "stream", endless)

    assert registry.publish(content, release_dir).status is PublicationStatus.RESTORED
    assert visible(registry) == ["1.0.0"]


def test_another_content_under_the_same_version_is_a_conflict(
    registry: RegistrySimulator, content: ReleaseContent, release_dir: Path, another: tuple[ReleaseContent, Path]
) -> None:
    registry.publish(content, release_dir, "1.0.0")
    manifest = registry.memory.objects[layout.manifest_key("churn", "1.0.0")]

    with pytest.raises(Conflict, match=r"was released by tester at 2026-01-01.* with different content") as caught:
        registry.publish(*another, "1.0.0")

    assert caught.value.kind == "release_exists"
    assert registry.memory.objects[layout.manifest_key("churn", "1.0.0")] == manifest


@pytest.mark.parametrize("name", ["MODEL.ONNX", "manifest.json"])
def test_names_that_would_overwrite_one_another_are_refused(
    registry: RegistrySimulator, content: ReleaseContent, release_dir: Path, name: str
) -> None:
    colliding = content.files[0].model_copy(update={"name": name})

    with pytest.raises(InvalidInput, match="is taken by another file"):
        registry.publish(content.model_copy(update={"files": (*content.files, colliding)}), release_dir)
    assert visible(registry) == []


def test_the_number_of_a_yanked_release_is_never_used_again(
    registry: RegistrySimulator, content: ReleaseContent, release_dir: Path
) -> None:
    registry.publish(content, release_dir)
    registry.yank("churn", "1.0.0")

    with pytest.raises(Conflict, match="was yanked; a number is never used again"):
        registry.publish(content, release_dir, "1.0.0")

    assert registry.publish(content, release_dir).manifest.version == "1.0.1"


def test_what_lies_in_the_folder_must_be_what_is_stated(
    registry: RegistrySimulator, content: ReleaseContent, release_dir: Path
) -> None:
    (release_dir / "model.onnx").write_bytes(b"changed since")

    with pytest.raises(InvalidInput, match="the file changed after it was described") as caught:
        registry.publish(content, release_dir)
    assert caught.value.kind == "data"

    (release_dir / "model.onnx").unlink()
    with pytest.raises(InvalidInput, match=r"names model\.onnx, which is not in"):
        registry.publish(content, release_dir)
    assert list(registry.memory.objects) == [layout.REGISTRY]


@pytest.mark.parametrize("version", ["1", "v1.0.0", "1.0.0+linux", "../1.0.0", "latest"])
def test_a_bad_version_is_refused_before_anything_is_sent(
    registry: RegistrySimulator, content: ReleaseContent, release_dir: Path, version: str
) -> None:
    with pytest.raises(InvalidInput):
        registry.publish(content, release_dir, version)

    assert list(registry.memory.objects) == [layout.REGISTRY]


def test_a_bucket_that_is_no_registry_gets_nothing(
    registry: RegistrySimulator, content: ReleaseContent, release_dir: Path
) -> None:
    registry.memory.objects.clear()

    with pytest.raises(Unreachable, match=r"holds no registry\.json") as caught:
        registry.publish(content, release_dir)

    assert caught.value.kind == "not_a_registry"
    assert registry.memory.objects == {}


def test_metrics_that_are_no_numbers_are_refused(
    registry: RegistrySimulator, content: ReleaseContent, release_dir: Path
) -> None:
    with pytest.raises((InvalidInput, Rejected)):
        registry.publish(content.model_copy(update={"metrics": {"roc_auc": float("nan")}}), release_dir)

    assert visible(registry) == []


# --- dying in between ---


@pytest.mark.parametrize("call", range(CALLS_OF_A_PUBLICATION))
@pytest.mark.parametrize("fault", [Fault.CRASH_BEFORE, Fault.CRASH_AFTER])
def test_a_crash_at_any_call_leaves_no_release_or_a_whole_one_and_a_retry_succeeds(
    registry: RegistrySimulator, content: ReleaseContent, release_dir: Path, call: int, fault: Fault
) -> None:
    with pytest.raises(Crash):
        Publisher(author_on(registry, PlannedFault(call, fault))).publish(content, release_dir)
    after_the_crash = visible(registry)

    again = registry.publish(content, release_dir)

    landed = call == CALLS_OF_A_PUBLICATION - 1 and fault is Fault.CRASH_AFTER
    assert after_the_crash == (["1.0.0"] if landed else [])
    assert again.status is (PublicationStatus.IDENTICAL if landed else PublicationStatus.PUBLISHED)
    assert visible(registry) == ["1.0.0"]


@pytest.mark.parametrize("call", range(CALLS_OF_A_PUBLICATION))
@pytest.mark.parametrize("fault", [Fault.REFUSED, Fault.LOST_REQUEST, Fault.LOST_REPLY])
def test_an_outage_at_any_call_is_reported_and_a_retry_releases_once(
    registry: RegistrySimulator, content: ReleaseContent, release_dir: Path, call: int, fault: Fault
) -> None:
    author = author_on(registry, PlannedFault(call, fault))
    try:
        Publisher(author).publish(content, release_dir)
    except (Unreachable, OutcomeUnknown):
        assert visible(registry) == []
    else:
        # Only the reply to the last write may be lost without harm: reading back finds the release.
        assert (call, fault) == (CALLS_OF_A_PUBLICATION - 1, Fault.LOST_REPLY)

    registry.publish(content, release_dir)

    assert visible(registry) == ["1.0.0"]


def test_a_lost_manifest_that_cannot_be_read_back_is_unknown(
    registry: RegistrySimulator, content: ReleaseContent, release_dir: Path
) -> None:
    last = CALLS_OF_A_PUBLICATION - 1
    author = author_on(registry, PlannedFault(last, Fault.LOST_REPLY), PlannedFault(last + 1, Fault.REFUSED))

    with pytest.raises(OutcomeUnknown):
        Publisher(author).publish(content, release_dir)

    assert registry.publish(content, release_dir).status is PublicationStatus.IDENTICAL


# --- racing ---


class InterruptedStore(MemoryStore):
    """Lets somebody else act just before the first manifest is written."""

    def __init__(self, store: MemoryStore, interruption: Callable[[], object]) -> None:
        super().__init__()
        self.objects = store.objects
        self._interruption: Callable[[], object] | None = interruption

    def put(self, key: str, data: bytes, condition: WriteCondition) -> None:
        if "/releases/" in key and self._interruption:
            interruption, self._interruption = self._interruption, None
            interruption()
        super().put(key, data, condition)


def interrupted(registry: RegistrySimulator, interruption: Callable[[], object]) -> Publisher:
    store = InterruptedStore(registry.memory, interruption)
    return Publisher(registry.author_with(registry.signer, ReleaseReader(store, registry.trust, registry.clock)))


def test_two_publishers_of_different_content_are_both_released(
    registry: RegistrySimulator, content: ReleaseContent, release_dir: Path, another: tuple[ReleaseContent, Path]
) -> None:
    done = interrupted(registry, lambda: registry.publish(*another)).publish(content, release_dir)

    assert done.manifest.version == "1.0.1"
    assert visible(registry) == ["1.0.0", "1.0.1"]


def test_two_publishers_of_the_same_content_release_it_once(
    registry: RegistrySimulator, content: ReleaseContent, release_dir: Path
) -> None:
    done = interrupted(registry, lambda: registry.publish(content, release_dir)).publish(content, release_dir)

    assert done.manifest.version == "1.0.0"
    assert done.status is not PublicationStatus.PUBLISHED
    assert visible(registry) == ["1.0.0"]


def test_many_publishers_at_once_are_all_released(
    registry: RegistrySimulator, contract: ModelContract, tmp_path: Path
) -> None:
    done: list[Publication] = []
    numbers = itertools.count(1)
    author = dataclasses.replace(
        author_on(registry), write_id=lambda: f"{next(numbers):08x}{threading.get_ident():024x}"
    )

    def publish(name: str) -> None:
        directory = tmp_path / name
        done.append(Publisher(author).publish(write_release(directory, contract, name.encode()), directory))

    threads = [threading.Thread(target=publish, args=(name,)) for name in ("a", "b", "c", "d")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(one.manifest.version for one in done) == ["1.0.0", "1.0.1", "1.0.2", "1.0.3"]


def test_a_publisher_who_always_comes_too_late_gives_up(
    registry: RegistrySimulator,
    content: ReleaseContent,
    release_dir: Path,
    contract: ModelContract,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(publishing, "MAX_WAIT_S", 0.0)
    names = itertools.count()

    class AlwaysFirst(MemoryStore):
        def put(self, key: str, data: bytes, condition: WriteCondition) -> None:
            directory = tmp_path / f"rival-{next(names)}"
            registry.publish(write_release(directory, contract, directory.name.encode()), directory)
            super().put(key, data, condition)

    store = AlwaysFirst()
    store.objects = registry.memory.objects
    author = registry.author_with(registry.signer, ReleaseReader(store, registry.trust, registry.clock))

    with pytest.raises(EduStreamError, match=f"took {publishing.ATTEMPTS} computed versions in a row") as caught:
        Publisher(author).publish(content, release_dir)
    assert isinstance(caught.value, Conflict)


def test_a_large_file_that_changed_is_refused_while_it_is_sent_and_never_lands(
    registry: RegistrySimulator, content: ReleaseContent, release_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing, "LARGE_BYTES", 4)
    large = content.file("model.onnx")
    (release_dir / large.name).write_bytes(b"x" * large.size)

    with pytest.raises(InvalidInput, match=f"the release states {large.sha256}") as caught:
        registry.publish(content, release_dir)

    assert caught.value.kind == "data"
    assert not [key for key in registry.memory.objects if large.sha256 in key or "/releases/" in key]


def test_a_file_that_changes_between_check_and_sending_never_lands(
    registry: RegistrySimulator, content: ReleaseContent, release_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = content.file("model.onnx")
    upload = registry.store.upload

    def change(key: str, source: Source) -> None:
        (release_dir / file.name).write_bytes(b"x" * file.size)
        upload(key, source)

    monkeypatch.setattr(registry.store, "upload", change)
    with pytest.raises(InvalidInput, match="the release states"):
        registry.publish(content, release_dir)

    assert not [key for key in registry.memory.objects if file.sha256 in key or "/releases/" in key]
