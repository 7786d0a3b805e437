"""A local copy that several processes share, and one on a hostile disk."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import resolve
from local_copies import PRODUCTION, path_of, state_path

from edustream_contracts.errors import Rejected
from edustream_registry.local_copy import LocalCopy, LocalRelease
from edustream_registry.names import Reference
from edustream_registry.resolved import Resolved
from edustream_registry.testing.simulator import RegistrySimulator


@pytest.fixture
def caret(registry: RegistrySimulator, release: Callable[..., str], directory: Path) -> tuple[LocalCopy, LocalRelease]:
    """A copy in which a later process holds 1.0.1 for churn@^1, and the 1.0.0 that an earlier one resolved before."""
    copy = LocalCopy(directory, registry.trust, registry.clock)
    release("a")
    slow = copy.fetch(registry.reader, resolve(registry, "churn@^1"))
    release("b")
    copy.commit(copy.fetch(registry.reader, resolve(registry, "churn@^1")))
    return copy, slow


def version_held(copy: LocalCopy) -> str:
    known = copy.known(Reference.parse("churn@^1"))
    assert known is not None
    return known.version


def test_a_slower_process_does_not_lower_the_version_of_a_range(caret: tuple[LocalCopy, LocalRelease]) -> None:
    copy, slow = caret

    copy.commit(slow)
    assert version_held(copy) == "1.0.1"
    copy.commit(slow, since=slow.resolved)
    assert version_held(copy) == "1.0.1"
    copy.contacted(slow.resolved)
    assert version_held(copy) == "1.0.1"


def test_a_yank_lowers_the_version_of_a_range(
    caret: tuple[LocalCopy, LocalRelease], registry: RegistrySimulator
) -> None:
    copy, _ = caret
    held = copy.known(Reference.parse("churn@^1"))
    registry.yank("churn", "1.0.1")

    lower = resolve(registry, "churn@^1", held)
    copy.commit(copy.fetch(registry.reader, lower), since=held)

    assert version_held(copy) == "1.0.0"
    copy.contacted(lower)
    assert version_held(copy) == "1.0.0"


def test_nobody_writes_between_another_ones_look_and_its_write(
    fetched: LocalRelease,
    copy: LocalCopy,
    promoted: RegistrySimulator,
    release: Callable[..., str],
    directory: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    release("newer")
    other = LocalCopy(directory, promoted.trust, promoted.clock)
    newer = other.fetch(promoted.reader, promoted.reader.resolve(PRODUCTION))
    second = threading.Thread(target=lambda: other.commit(newer))
    second_begins = threading.Event()
    remember, flock = LocalCopy._remember, fcntl.flock

    def tell(file: Any, operation: int) -> None:
        if threading.current_thread() is second:
            second_begins.set()
        flock(file, operation)

    def hold(self: LocalCopy, resolved: Resolved) -> None:
        # The first one has looked; the second one now waits for it, or would have been faster.
        if self is copy:
            second.start()
            assert second_begins.wait(10)
        remember(self, resolved)

    monkeypatch.setattr(fcntl, "flock", tell)
    monkeypatch.setattr(LocalCopy, "_remember", hold)
    copy.contacted(fetched.resolved)
    second.join()

    known = copy.known(PRODUCTION)
    assert known is not None
    assert known.sequence == 2


# --- a hostile disk ---


def grow(path: Path) -> None:
    os.truncate(path, 2**40)


def link_to_zeros(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


hostile_disk = pytest.mark.parametrize("change", [grow, link_to_zeros, pipe])


@hostile_disk
def test_a_hostile_file_is_read_no_further_than_it_may_be(
    fetched: LocalRelease,
    copy: LocalCopy,
    promoted: RegistrySimulator,
    directory: Path,
    change: Callable[[Path], None],
) -> None:
    good = fetched.read("model.onnx")
    change(path_of(directory, fetched.resolved, "model.onnx"))

    with pytest.raises(Rejected, match="the file is fetched anew") as caught:
        fetched.read("model.onnx")
    assert caught.value.kind == "digest"

    copy.fetch(promoted.reader, fetched.resolved)
    assert fetched.read("model.onnx") == good


@hostile_disk
def test_a_hostile_state_is_read_no_further_than_it_may_be(
    fetched: LocalRelease, copy: LocalCopy, directory: Path, change: Callable[[Path], None]
) -> None:
    change(state_path(directory))

    with pytest.raises(Rejected, match="cannot be read") as caught:
        copy.recall(PRODUCTION)
    assert caught.value.kind == "malformed"
