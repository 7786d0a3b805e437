"""The test kit that this package ships does what its users' tests rely on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from edustream_contracts.contract import ModelContract
from edustream_contracts.errors import OutcomeUnknown, Unreachable
from edustream_registry.memory_store import MemoryStore
from edustream_registry.store import WriteCondition
from edustream_registry.testing.clock import ManualClock
from edustream_registry.testing.faults import Crash, Fault, FaultyStore, PlannedFault
from edustream_registry.testing.simulator import write_release


def test_a_clock_moves_only_when_it_is_moved() -> None:
    clock = ManualClock()
    start = clock()

    assert clock() == start
    clock.advance(1.5)
    assert (clock() - start).total_seconds() == 1.5


@pytest.mark.parametrize(
    ("fault", "error", "landed"),
    [
        (Fault.REFUSED, Unreachable, False),
        (Fault.LOST_REQUEST, OutcomeUnknown, False),
        (Fault.LOST_REPLY, OutcomeUnknown, True),
        (Fault.CRASH_BEFORE, Crash, False),
        (Fault.CRASH_AFTER, Crash, True),
    ],
)
@pytest.mark.parametrize("operation", ["put", "upload"])
def test_faults_of_writes(
    fault: Fault, error: type[BaseException], landed: bool, operation: str, tmp_path: Path
) -> None:
    memory = MemoryStore()
    store = FaultyStore(memory, PlannedFault(1, fault))
    (tmp_path / "x").write_bytes(b"x")
    store.put("first", b"", WriteCondition.CREATE)

    writes = {
        "put": lambda: store.put("x", b"x", WriteCondition.CREATE),
        "upload": lambda: store.upload("x", tmp_path / "x"),
    }
    with pytest.raises(error):
        writes[operation]()

    assert ("x" in memory.objects) is landed
    assert store.calls == [("put", "first"), (operation, "x")]


@pytest.mark.parametrize("fault", [Fault.REFUSED, Fault.LOST_REQUEST, Fault.LOST_REPLY])
def test_a_read_that_fails_changed_nothing(fault: Fault) -> None:
    memory = MemoryStore()
    memory.put("x", b"x", WriteCondition.CREATE)

    reads: list[Callable[[FaultyStore], object]] = [
        lambda store: store.get("x", 1),
        lambda store: store.stream("x"),
        lambda store: store.read_range("x", 0, 1),
        lambda store: store.size("x"),
        lambda store: store.list(""),
        lambda store: store.folders(""),
    ]
    for read in reads:
        with pytest.raises(Unreachable):
            read(FaultyStore(memory, PlannedFault(0, fault)))


def test_an_outage_ends() -> None:
    store = FaultyStore(MemoryStore())
    store.put("x", b"x", WriteCondition.CREATE)
    store.cut_off = True
    with pytest.raises(Unreachable):
        store.get("x", 1)
    store.cut_off = False

    assert store.get("x", 1) == b"x"
    assert (store.url, store.location) == ("memory://registry", "memory://registry")


def test_a_release_on_disk_is_the_described_one(tmp_path: Path, contract: ModelContract) -> None:
    content = write_release(tmp_path, contract, extra_files={"profile.json": b"{}"})

    assert {file.name for file in content.files} == {path.name for path in tmp_path.iterdir()}
    assert content.outputs.classes == ("No", "Yes")
    assert content.contract_digest == contract.digest
