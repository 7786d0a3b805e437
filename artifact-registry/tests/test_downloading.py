from __future__ import annotations

import errno
import fcntl
import os
import stat
import threading
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import BinaryIO

import pytest
from flushes import Flushes

from edustream_contracts.canonical import sha256_hex
from edustream_contracts.errors import NothingToServe, Rejected, Unreachable
from edustream_registry import downloading, layout
from edustream_registry.downloading import download
from edustream_registry.manifest import ReleaseFile
from edustream_registry.store import WriteCondition
from edustream_registry.testing.faults import Crash, Fault, FaultyStore, PlannedFault
from edustream_registry.testing.simulator import RegistrySimulator

PART = 1000
DATA = bytes(number % 251 for number in range(10 * PART + 1))
FILE = ReleaseFile(name="model.onnx", size=len(DATA), sha256=sha256_hex(DATA))
KEY = layout.file_key("churn", FILE.sha256, FILE.name)


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloading, "PART_BYTES", PART)
    monkeypatch.setattr(downloading, "MAX_WAIT_S", 0.0)


@pytest.fixture
def one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloading, "PARTS_IN_FLIGHT", 1)


@pytest.fixture
def large(registry: RegistrySimulator) -> RegistrySimulator:
    registry.memory.put(KEY, DATA, WriteCondition.CREATE)
    return registry


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "files" / FILE.sha256 / FILE.name


def left_behind(path: Path) -> Path:
    return path.with_name(f".partial-{path.name}")


def fail(registry: RegistrySimulator, *faults: PlannedFault) -> None:
    registry.store = FaultyStore(registry.memory, *faults)
    registry.reader.store = registry.store


def interrupt(registry: RegistrySimulator, path: Path, after: int) -> None:
    """Let the process that downloads die before it asks for the part number `after` (from 0)."""
    fail(registry, PlannedFault(after, Fault.CRASH_BEFORE))
    with pytest.raises(Crash):
        download(registry.reader, "churn", FILE, path)
    fail(registry)


def test_a_large_file_comes_in_parts(large: RegistrySimulator, path: Path) -> None:
    told: list[int] = []

    download(large.reader, "churn", FILE, path, told.append)

    assert path.read_bytes() == DATA
    assert large.store.calls == [("read_range", KEY)] * 11
    assert sum(told) == FILE.size
    assert [found.name for found in path.parent.iterdir()] == [FILE.name]


def test_a_flushed_file_has_its_name_only_after_its_bytes_are_on_the_medium(
    large: RegistrySimulator, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushes = Flushes(path, monkeypatch)

    download(large.reader, "churn", FILE, path, flushed=True)

    folder, files, above = path.parents[:3]
    assert flushes.of(path, folder, files, above) == [(files, False), (above, False), (path, False), (folder, True)]


def test_a_file_that_need_not_outlive_a_power_loss_is_not_flushed(
    large: RegistrySimulator, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushes = Flushes(path, monkeypatch)

    download(large.reader, "churn", FILE, path)

    assert flushes.of() == []


@pytest.mark.parametrize(("number", "told"), [(errno.EINVAL, False), (errno.EIO, True)])
def test_a_file_system_that_flushes_no_folders_is_no_failure(
    large: RegistrySimulator, path: Path, monkeypatch: pytest.MonkeyPatch, number: int, told: bool
) -> None:
    def fsync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fsync)

    with pytest.raises(OSError, match="Input/output") if told else nullcontext():
        download(large.reader, "churn", FILE, path, flushed=True)

    assert path.exists() is not told


@pytest.mark.parametrize("size", [1, PART - 1, PART, PART + 1, 3 * PART - 1, 3 * PART])
def test_files_of_every_length(registry: RegistrySimulator, path: Path, size: int) -> None:
    file = ReleaseFile(name="model.onnx", size=size, sha256=sha256_hex(DATA[:size]))
    registry.memory.put(layout.file_key("churn", file.sha256, file.name), DATA[:size], WriteCondition.CREATE)
    told: list[int] = []

    download(registry.reader, "churn", file, path, told.append)

    assert path.read_bytes() == DATA[:size]
    assert sum(told) == size


def test_what_is_intact_is_not_fetched_again(large: RegistrySimulator, path: Path) -> None:
    download(large.reader, "churn", FILE, path)
    large.store.calls.clear()
    told: list[int] = []

    download(large.reader, "churn", FILE, path, told.append)

    assert large.store.calls == []
    assert sum(told) == FILE.size


def test_a_damaged_file_is_fetched_anew(large: RegistrySimulator, path: Path) -> None:
    download(large.reader, "churn", FILE, path)
    path.write_bytes(DATA[:-1] + b"x")

    download(large.reader, "churn", FILE, path)

    assert path.read_bytes() == DATA


@pytest.mark.usefixtures("one_at_a_time")
@pytest.mark.parametrize("after", range(11))
def test_an_interrupted_download_goes_on_where_it_stopped(large: RegistrySimulator, path: Path, after: int) -> None:
    interrupt(large, path, after)
    assert left_behind(path).read_bytes() == DATA[: after * PART]
    assert not path.exists()
    told: list[int] = []

    download(large.reader, "churn", FILE, path, told.append)

    assert path.read_bytes() == DATA
    assert len(large.store.calls) == 11 - after
    assert sum(told) == FILE.size


def test_a_download_that_was_whole_but_had_no_name_yet_asks_for_nothing(large: RegistrySimulator, path: Path) -> None:
    path.parent.mkdir(parents=True)
    left_behind(path).write_bytes(DATA)

    download(large.reader, "churn", FILE, path)

    assert path.read_bytes() == DATA
    assert large.store.calls == []


@pytest.mark.usefixtures("one_at_a_time")
def test_an_object_that_was_replaced_meanwhile_is_refused_and_leaves_nothing(
    large: RegistrySimulator, path: Path
) -> None:
    interrupt(large, path, after=4)
    large.memory.objects[KEY] = DATA[:-1] + b"x"

    with pytest.raises(Rejected, match=f"the manifest states {FILE.size} bytes with {FILE.sha256}") as caught:
        download(large.reader, "churn", FILE, path)

    assert caught.value.kind == "digest"
    assert list(path.parent.iterdir()) == []


@pytest.mark.usefixtures("one_at_a_time")
def test_parts_of_a_damaged_object_do_no_harm_once_it_is_put_right(large: RegistrySimulator, path: Path) -> None:
    large.memory.objects[KEY] = b"x" + DATA[1:]
    interrupt(large, path, after=4)
    large.memory.objects[KEY] = DATA
    told: list[int] = []

    download(large.reader, "churn", FILE, path, told.append)

    assert path.read_bytes() == DATA
    assert sum(told) == FILE.size


@pytest.mark.parametrize("rubbish", [b"x", b"x" * PART, b"x" * (FILE.size - 1), b"x" * FILE.size, b"x" * 3 * FILE.size])
def test_rubbish_that_was_left_behind_is_thrown_away(large: RegistrySimulator, path: Path, rubbish: bytes) -> None:
    path.parent.mkdir(parents=True)
    left_behind(path).write_bytes(rubbish)
    told: list[int] = []

    download(large.reader, "churn", FILE, path, told.append)

    assert path.read_bytes() == DATA
    assert sum(told) == FILE.size


@pytest.mark.parametrize(
    ("data", "how"),
    [
        (DATA[:-1], "shorter"),
        (DATA[: 3 * PART], "shorter than"),
        (b"", "shorter than"),
        (DATA + b"x", "is longer than the 10001 bytes"),
        (DATA * 2, "is longer than the 10001 bytes"),
        (b"x" + DATA[1:], "has 10001 bytes with SHA-256"),
    ],
    ids=["a byte short", "parts short", "empty", "a byte long", "twice", "another byte"],
)
def test_another_object_is_refused_and_leaves_nothing(
    large: RegistrySimulator, path: Path, data: bytes, how: str
) -> None:
    large.memory.objects[KEY] = data

    with pytest.raises(Rejected, match=how) as caught:
        download(large.reader, "churn", FILE, path)

    assert caught.value.kind == "digest"
    assert list(path.parent.iterdir()) == []


def test_a_longer_object_is_noticed_where_the_last_part_is_a_full_one(registry: RegistrySimulator, path: Path) -> None:
    file = ReleaseFile(name="model.onnx", size=2 * PART, sha256=sha256_hex(DATA[: 2 * PART]))
    registry.memory.put(layout.file_key("churn", file.sha256, file.name), DATA, WriteCondition.CREATE)

    with pytest.raises(Rejected, match="is longer than"):
        download(registry.reader, "churn", file, path)


def test_a_missing_object(registry: RegistrySimulator, path: Path) -> None:
    with pytest.raises(NothingToServe, match=r"The file model\.onnx of churn is not in the registry") as caught:
        download(registry.reader, "churn", FILE, path)

    assert caught.value.kind == "file_missing"


@pytest.mark.usefixtures("one_at_a_time")
def test_a_connection_that_breaks_for_a_moment_is_survived(large: RegistrySimulator, path: Path) -> None:
    fail(large, PlannedFault(2, Fault.LOST_REPLY), PlannedFault(3, Fault.REFUSED))

    download(large.reader, "churn", FILE, path)

    assert path.read_bytes() == DATA
    assert len(large.store.calls) == 13


@pytest.mark.usefixtures("one_at_a_time")
def test_an_outage_keeps_what_arrived(large: RegistrySimulator, path: Path) -> None:
    fail(large, *(PlannedFault(call, Fault.REFUSED) for call in range(5, 5 + downloading.ATTEMPTS)))
    with pytest.raises(Unreachable):
        download(large.reader, "churn", FILE, path)
    assert left_behind(path).read_bytes() == DATA[: 5 * PART]
    fail(large)

    download(large.reader, "churn", FILE, path)

    assert path.read_bytes() == DATA
    assert len(large.store.calls) == 6


def test_a_refusal_is_not_asked_again(large: RegistrySimulator, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def refuse(key: str, start: int, length: int) -> bytes:
        calls.append(start)
        raise Unreachable("access_denied", "No.", remedy="Ask.")

    monkeypatch.setattr(downloading, "PARTS_IN_FLIGHT", 1)
    monkeypatch.setattr(large.store, "read_range", refuse)
    with pytest.raises(Unreachable):
        download(large.reader, "churn", FILE, path)

    assert calls == [0]


def test_who_wants_the_same_file_takes_turns_and_fetches_it_once(
    large: RegistrySimulator, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    second_begins = threading.Event()
    errors: list[BaseException] = []

    def run(progress: Callable[[int], None]) -> None:
        try:
            download(large.reader, "churn", FILE, path, progress)
        except BaseException as error:
            errors.append(error)

    def hold(count: int) -> None:
        # The first one has the lock now; it goes on once the second one has begun to wait for it.
        if threads[1].ident is None:
            threads[1].start()
            assert second_begins.wait(10)

    flock = fcntl.flock

    def tell(file: BinaryIO, operation: int) -> None:
        if threading.current_thread() is threads[1]:
            second_begins.set()
        flock(file, operation)

    monkeypatch.setattr(fcntl, "flock", tell)
    told: list[int] = []
    threads = [threading.Thread(target=run, args=(hold,)), threading.Thread(target=run, args=(told.append,))]
    threads[0].start()
    for thread in threads:
        thread.join()

    assert errors == []
    assert path.read_bytes() == DATA
    assert len(large.store.calls) == 11
    assert sum(told) == FILE.size
    assert [found.name for found in path.parent.iterdir()] == [FILE.name]


def test_what_was_left_behind_is_no_link_that_is_followed(large: RegistrySimulator, path: Path, tmp_path: Path) -> None:
    path.parent.mkdir(parents=True)
    other = tmp_path / "other"
    other.write_bytes(b"not to be touched")
    left_behind(path).symlink_to(other)

    with pytest.raises(OSError, match="symbolic links"):
        download(large.reader, "churn", FILE, path)

    assert other.read_bytes() == b"not to be touched"


def test_endless_rubbish_that_was_left_behind_is_not_read(large: RegistrySimulator, path: Path) -> None:
    path.parent.mkdir(parents=True)
    for rubbish in (left_behind(path), path):
        rubbish.touch()
        os.truncate(rubbish, 2**40)

    download(large.reader, "churn", FILE, path)

    assert path.read_bytes() == DATA


def test_a_disk_that_cannot_take_the_file(large: RegistrySimulator, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(OSError, match="File exists"):
        download(large.reader, "churn", FILE, tmp_path / "file" / FILE.name)
