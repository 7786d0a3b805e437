from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest
from conftest import refusal

from edustream_contracts.errors import InvalidInput, NothingToServe, Rejected, Unreachable
from edustream_registry import layout
from edustream_registry.reading import ReleaseReader
from edustream_registry.testing.faults import Crash, Fault, FaultyStore, PlannedFault
from edustream_registry.testing.simulator import RegistrySimulator
from edustream_registry.yanking import Yanker


def test_a_yank_writes_a_tombstone_and_keeps_the_files(promoted: RegistrySimulator) -> None:
    before = dict(promoted.memory.objects)

    done = promoted.yank("churn", "1.0.0")

    assert done.new
    assert done.channels == ("production",)
    assert done.tombstone.statement.reason == "a test"
    assert set(promoted.memory.objects) - set(before) == {layout.tombstone_key("churn", "1.0.0")}
    assert promoted.reader.yanked("churn") == {"1.0.0"}


def test_a_second_yank_finds_the_first(promoted: RegistrySimulator) -> None:
    first = promoted.yank("churn", "1.0.0")

    second = Yanker(promoted.author).yank("churn", "1.0.0", "another reason")

    assert not second.new
    assert second.tombstone == first.tombstone


def test_what_was_never_released_cannot_be_yanked(promoted: RegistrySimulator) -> None:
    with pytest.raises(NothingToServe, match=r"churn@3\.0\.0 is not in"):
        promoted.yank("churn", "3.0.0")


def test_a_yank_needs_a_reason(promoted: RegistrySimulator) -> None:
    with pytest.raises(InvalidInput, match="A yank needs a reason"):
        Yanker(promoted.author).yank("churn", "1.0.0", " ")


@pytest.mark.parametrize("call", range(8))
def test_a_yank_that_is_reported_as_failed_did_not_happen(promoted: RegistrySimulator, call: int) -> None:
    store = FaultyStore(promoted.memory, PlannedFault(call, Fault.REFUSED))
    author = promoted.author_with(promoted.signer, ReleaseReader(store, promoted.trust, promoted.clock))

    with suppress(Unreachable):
        Yanker(author).yank("churn", "1.0.0", "a test")
        assert promoted.reader.yanked("churn")
        return

    assert not promoted.reader.yanked("churn")


@pytest.mark.parametrize("call", range(2))
@pytest.mark.parametrize("fault", [Fault.CRASH_BEFORE, Fault.CRASH_AFTER])
def test_a_crash_leaves_a_tombstone_or_none(promoted: RegistrySimulator, call: int, fault: Fault) -> None:
    store = FaultyStore(promoted.memory, PlannedFault(call, fault))
    author = promoted.author_with(promoted.signer, ReleaseReader(store, promoted.trust, promoted.clock))
    with pytest.raises(Crash):
        Yanker(author).yank("churn", "1.0.0", "a test")

    promoted.yank("churn", "1.0.0")

    assert promoted.reader.yanked("churn") == {"1.0.0"}


def test_junk_in_the_tombstones_place_is_named(promoted: RegistrySimulator, release: Callable[..., str]) -> None:
    """Whoever may write below models/ can put it there; a true tombstone of another version is junk too."""
    key = layout.tombstone_key("churn", "1.0.0")
    release("next")
    other = promoted.yank("churn", "1.0.1").tombstone.data

    for junk, kind in ((b"{}", "malformed"), (other, "mix_and_match")):
        promoted.memory.objects[key] = junk

        found = refusal(lambda: promoted.yank("churn", "1.0.0"))

        assert found[:2] == (Rejected, kind)
        assert "It lies where the tombstone belongs, so churn@1.0.0 was not yanked." in found[2]
        assert f"Next: have the administrator delete {key}, then yank again" in found[2]
        assert promoted.memory.objects[key] == junk
    del promoted.memory.objects[key]
    assert promoted.yank("churn", "1.0.0").new
