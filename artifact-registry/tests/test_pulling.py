from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path
from typing import Any

import pytest
from conftest import refusal

from edustream_contracts.contract import ModelContract
from edustream_contracts.errors import InvalidInput, NothingToServe, Rejected
from edustream_registry import downloading, layout, pulling
from edustream_registry.manifest import FILE_NAME as MANIFEST
from edustream_registry.manifest import ReleaseContent
from edustream_registry.names import Reference
from edustream_registry.pulling import pull
from edustream_registry.testing.faults import Crash, Fault, FaultyStore, PlannedFault
from edustream_registry.testing.simulator import RegistrySimulator, write_release

PRODUCTION = Reference.parse("churn@production")


def test_a_pull_writes_files_and_manifest(
    promoted: RegistrySimulator, content: ReleaseContent, release_dir: Path, tmp_path: Path
) -> None:
    target = tmp_path / "new" / "pulled"
    found = promoted.reader.resolve(PRODUCTION)

    assert pull(promoted.reader, found, target) == content.files

    assert {path.name for path in target.iterdir()} == {*(file.name for file in content.files), MANIFEST}
    for file in content.files:
        assert (target / file.name).read_bytes() == (release_dir / file.name).read_bytes()
    assert (target / MANIFEST).read_bytes() == found.release.data


def test_a_pull_into_an_empty_folder(promoted: RegistrySimulator, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()

    pull(promoted.reader, promoted.reader.resolve(PRODUCTION), tmp_path / "empty")

    assert (tmp_path / "empty" / "model.onnx").read_bytes() == b"model"


@pytest.mark.parametrize("target", ["file", "folder"])
def test_a_pull_overwrites_nothing(promoted: RegistrySimulator, tmp_path: Path, target: str) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "mine").write_text("mine")

    with pytest.raises(InvalidInput, match="holds something already"):
        pull(promoted.reader, promoted.reader.resolve(PRODUCTION), tmp_path / target)


def test_a_pull_that_fails_leaves_nothing(promoted: RegistrySimulator, content: ReleaseContent, tmp_path: Path) -> None:
    file = content.file("model.onnx")
    promoted.memory.objects[layout.file_key("churn", file.sha256, file.name)] = b"medol"
    target = tmp_path / "deep" / "pulled"

    with pytest.raises(Rejected):
        pull(promoted.reader, promoted.reader.resolve(PRODUCTION), target)

    assert list(target.parent.iterdir()) == []


@pytest.mark.parametrize("after", range(5))
def test_an_interrupted_pull_shows_nothing_and_goes_on_where_it_stopped(
    registry: RegistrySimulator,
    contract: ModelContract,
    release_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    after: int,
) -> None:
    monkeypatch.setattr(downloading, "PART_BYTES", 10_000)
    monkeypatch.setattr(downloading, "PARTS_IN_FLIGHT", 1)
    content = write_release(release_dir, contract, b"0123456789" * 3_000)
    registry.publish(content, release_dir)
    found = registry.reader.resolve(Reference.parse("churn@1.0.0"))
    asked = len(found.manifest.content.files) + 2
    target = tmp_path / "deep" / "pulled"
    registry.reader.store = FaultyStore(registry.memory, PlannedFault(after, Fault.CRASH_AFTER))
    with pytest.raises(Crash):
        pull(registry.reader, found, target)
    assert not target.exists()
    registry.reader.store = store = FaultyStore(registry.memory)

    pull(registry.reader, found, target)

    assert len(store.calls) == asked - after
    assert [path.name for path in target.parent.iterdir()] == ["pulled"]
    assert (target / "model.onnx").read_bytes() == b"0123456789" * 3_000
    assert {path.name for path in target.iterdir()} == {*(file.name for file in found.manifest.content.files), MANIFEST}


def test_what_another_release_left_behind_is_not_taken_over(
    promoted: RegistrySimulator, contract: ModelContract, release_dir: Path, tmp_path: Path
) -> None:
    target = tmp_path / "deep" / "pulled"
    first = promoted.reader.resolve(PRODUCTION)
    promoted.reader.store = FaultyStore(promoted.memory, PlannedFault(2, Fault.CRASH_BEFORE))
    with pytest.raises(Crash):
        pull(promoted.reader, first, target)
    promoted.reader.store = promoted.store
    extra = {"notes.txt": b"first"}
    promoted.publish(write_release(release_dir, contract, b"next", extra_files=extra), release_dir, "2.0.0")
    second = promoted.reader.resolve(Reference.parse("churn@2.0.0"))

    pull(promoted.reader, second, target)

    assert {path.name for path in target.iterdir()} == {
        *(file.name for file in second.manifest.content.files),
        MANIFEST,
    }
    assert (target / "model.onnx").read_bytes() == b"next"
    assert [path.name for path in target.parent.iterdir()] == ["pulled"]


def test_a_pull_of_a_file_that_was_deleted_leaves_nothing(
    promoted: RegistrySimulator, content: ReleaseContent, tmp_path: Path
) -> None:
    file = content.file("model.onnx")
    del promoted.memory.objects[layout.file_key("churn", file.sha256, file.name)]
    target = tmp_path / "deep" / "pulled"

    with pytest.raises(NothingToServe):
        pull(promoted.reader, promoted.reader.resolve(PRODUCTION), target)

    assert list(target.parent.iterdir()) == []


def test_two_pulls_into_one_folder_at_once(promoted: RegistrySimulator, tmp_path: Path) -> None:
    target = tmp_path / "pulled"
    (tmp_path / ".pulled.partial").mkdir()
    found = promoted.reader.resolve(PRODUCTION)
    handle = os.open(tmp_path / ".pulled.partial", os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    with pytest.raises(InvalidInput, match=r"Another pull into .*pulled is under way"):
        pull(promoted.reader, found, target)
    os.close(handle)

    pull(promoted.reader, found, target)

    assert (target / "model.onnx").read_bytes() == b"model"


@pytest.mark.parametrize(
    "target", ["file/pulled", "x" * 300, "x" * 250], ids=["below a file", "too long", "longer yet"]
)
def test_a_folder_that_this_disk_cannot_have(promoted: RegistrySimulator, tmp_path: Path, target: str) -> None:
    (tmp_path / "file").write_text("mine")

    error, kind, said = refusal(lambda: pull(promoted.reader, promoted.reader.resolve(PRODUCTION), tmp_path / target))

    assert (error, kind) == (InvalidInput, "argument")
    assert f"{tmp_path / target} cannot be written: " in said
    assert [path.name for path in tmp_path.iterdir() if path.name != "release"] == ["file"]


def test_a_disk_that_is_full_keeps_what_arrived_for_the_next_pull(
    promoted: RegistrySimulator, content: ReleaseContent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "deep" / "pulled"
    found = promoted.reader.resolve(PRODUCTION)

    def full(*arguments: object, **options: object) -> None:
        if any(file.stat().st_size for file in target.parent.rglob("*") if file.is_file()):
            raise OSError(errno.ENOSPC, "No space left on device")
        downloading.download(*arguments, **options)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(pulling, "download", full)
        error, kind, said = refusal(lambda: pull(promoted.reader, found, target))

    assert (error, kind) == (InvalidInput, "argument")
    assert f"{target} cannot be written: No space left on device." in said
    assert "Next: make room, or name a folder that you may write to; what arrived stays for the next pull" in said
    assert not target.exists()
    promoted.store.calls.clear()
    pull(promoted.reader, found, target)
    assert len(promoted.store.calls) == len(content.files) - 1


@pytest.mark.parametrize(("owner", "name"), [(pulling, "_is_taken"), (os, "open"), (fcntl, "flock")])
def test_a_pull_that_another_one_overtakes_says_so_and_leaves_nothing(
    promoted: RegistrySimulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str
) -> None:
    """The other one begins and ends at one moment of the first one's beginning."""
    target = tmp_path / "deep" / "pulled"
    found = promoted.reader.resolve(PRODUCTION)
    honest = getattr(owner, name)
    after = name == "_is_taken"

    def overtaken(*arguments: Any) -> Any:
        monkeypatch.undo()
        answer = honest(*arguments) if after else None
        pull(promoted.reader, found, target)
        return answer if after else honest(*arguments)

    monkeypatch.setattr(owner, name, overtaken)
    with pytest.raises(InvalidInput, match="holds something already"):
        pull(promoted.reader, found, target)

    assert [path.name for path in target.parent.iterdir()] == ["pulled"]
    assert (target / "model.onnx").read_bytes() == b"model"
