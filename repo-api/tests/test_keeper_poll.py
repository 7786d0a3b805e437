"""Every later look at the registry: swap, refuse, degrade, heal."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from consumers import BUDGET_S, ConsumerBench, version
from edustream_contracts.contract import ModelContract
from edustream_contracts.errors import Rejected
from edustream_registry.local_copy import LocalCopy, LocalRelease
from edustream_registry.names import Reference
from edustream_registry.reading import ReleaseReader
from edustream_registry.resolved import Resolved

from edustream_api.events import Polled, PollResult, Refused
from edustream_api.keeper import Keeper
from edustream_api.states import State


def test_swaps_to_a_promotion(bench: ConsumerBench, contract: ModelContract) -> None:
    bench.release("1.0.0")
    keeper = bench.keeper()
    keeper.start()
    before = keeper.snapshot.serving
    bench.release("1.1.0", scale=0.05)
    assert keeper.poll() is PollResult.SWAPPED
    after = keeper.snapshot.serving
    assert before is not None
    assert after is not None
    row = {**contract.example(), "tenure": 100}
    assert (before.inference.answer(row)["prediction"], after.inference.answer(row)["prediction"]) == ("No", "Yes")


def test_follows_a_rollback(bench: ConsumerBench) -> None:
    bench.release("1.0.0")
    bench.release("1.1.0", scale=0.05)
    keeper = bench.keeper()
    keeper.start()
    bench.registry.promote("churn", "1.0.0")
    assert keeper.poll() is PollResult.SWAPPED
    assert version(keeper) == "1.0.0"


def test_a_new_entry_for_the_same_release_loads_nothing(bench: ConsumerBench) -> None:
    bench.release("1.0.0")
    bench.release("1.1.0", promote=False, scale=0.05)
    keeper = bench.keeper()
    inference = keeper.start().serving
    bench.registry.promote("churn", "1.1.0")
    bench.registry.promote("churn", "1.0.0")
    bench.events.clear()
    assert keeper.poll() is PollResult.UNCHANGED
    assert bench.events == [Polled(PollResult.UNCHANGED)]
    again = keeper.snapshot.serving
    assert inference is not None
    assert again is not None
    assert again.inference is inference.inference
    assert again.release.sequence == 3


def test_refreshes_the_contact(bench: ConsumerBench) -> None:
    bench.release("1.0.0")
    keeper = bench.keeper()
    keeper.start()
    bench.registry.clock.advance(60)
    assert keeper.poll() is PollResult.UNCHANGED
    assert keeper.staleness_s() == 0


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"golden": [{"input": {}, "output": {}}]}, "malformed"),
        ({"model": b"no model"}, "malformed"),
        ({"contract_digest": "0" * 64}, "digest"),
    ],
)
def test_refuses_a_bad_release_and_goes_on(bench: ConsumerBench, changes: dict[str, Any], kind: str) -> None:
    bench.release("1.0.0")
    keeper = bench.keeper()
    keeper.start()
    bench.release("2.0.0", checked=False, **changes)
    assert keeper.poll() is PollResult.REFUSED
    assert (keeper.snapshot.state, version(keeper)) == (State.READY, "1.0.0")
    assert keeper.snapshot.refusal is not None
    assert keeper.snapshot.refusal.error.kind == kind


def test_a_refusal_confirms_nothing(bench: ConsumerBench) -> None:
    bench.release("1.0.0")
    keeper = bench.keeper()
    keeper.start()
    bench.registry.clock.advance(60)
    bench.release("1.1.0", model=b"no model")
    assert keeper.poll() is PollResult.REFUSED
    assert keeper.staleness_s() == 60


def promote_a_bad_release(bench: ConsumerBench) -> None:
    bench.release("1.1.0", model=b"no model")


def promote_what_is_yanked(bench: ConsumerBench) -> None:
    bench.release("1.1.0", scale=0.05)
    bench.registry.yank("churn", "1.1.0")


def promote_what_is_deleted(bench: ConsumerBench) -> None:
    bench.release("1.1.0", scale=0.05)
    bench.delete("releases/1.1.0.json")


def refuse_for_longer_than_the_budget(bench: ConsumerBench, keeper: Keeper) -> None:
    for _ in range(5):
        bench.registry.clock.advance(BUDGET_S / 4)
        assert keeper.poll() is PollResult.REFUSED
        assert (keeper.snapshot.state, version(keeper)) == (State.READY, "1.0.0")


@pytest.mark.parametrize("promote", [promote_a_bad_release, promote_what_is_yanked, promote_what_is_deleted])
def test_an_outage_behind_a_refused_promotion_counts_from_the_last_answer(
    bench: ConsumerBench, promote: Callable[[ConsumerBench], None]
) -> None:
    bench.release("1.0.0")
    keeper = bench.keeper()
    keeper.start()
    promote(bench)
    refuse_for_longer_than_the_budget(bench, keeper)
    bench.registry.store.cut_off = True
    bench.registry.clock.advance(BUDGET_S)
    keeper.poll()
    assert (keeper.snapshot.state, version(keeper)) == (State.DEGRADED, "1.0.0")
    bench.registry.clock.advance(1)
    keeper.poll()
    assert (keeper.snapshot.state, version(keeper)) == (State.UNREACHABLE, None)
    assert keeper.snapshot.error is not None
    assert "last answered 3601 s ago" in keeper.snapshot.error.fact


def test_a_refusal_ends_an_outage_that_was_past_its_budget(bench: ConsumerBench) -> None:
    bench.release("1.0.0")
    keeper = bench.keeper()
    keeper.start()
    bench.registry.store.cut_off = True
    bench.registry.clock.advance(BUDGET_S + 1)
    keeper.poll()
    bench.registry.store.cut_off = False
    bench.release("1.1.0", model=b"no model")
    keeper.poll()
    bench.registry.store.cut_off = True
    keeper.poll()
    assert (keeper.snapshot.state, version(keeper)) == (State.DEGRADED, "1.0.0")
    assert keeper.staleness_s() == BUDGET_S + 1


def forge_an_entry(bench: ConsumerBench) -> None:
    objects = bench.registry.memory.objects
    key = next(key for key in objects if "log/000000000001" in key)
    objects[key.replace("000000000001", "000000000002")] = b"{}"


def take_every_manifest_away(bench: ConsumerBench) -> None:
    assert bench.delete("/releases/")


@pytest.mark.parametrize(
    ("reference", "answer"), [("churn@production", forge_an_entry), ("churn@^1", take_every_manifest_away)]
)
def test_what_nobody_signed_is_no_answer(
    bench: ConsumerBench, reference: str, answer: Callable[[ConsumerBench], None]
) -> None:
    bench.release("1.0.0")
    keeper = bench.keeper(reference)
    keeper.start()
    answer(bench)
    refuse_for_longer_than_the_budget(bench, keeper)
    bench.registry.store.cut_off = True
    keeper.poll()
    assert (keeper.snapshot.state, version(keeper)) == (State.UNREACHABLE, None)
    assert bench.keeper(reference).start().state is State.UNREACHABLE


def test_an_entry_that_is_too_old_is_no_answer(bench: ConsumerBench) -> None:
    bench.release("1.0.0")
    reader = bench.reader_of_the_last_minute()
    keeper = bench.keeper(reader=reader)
    keeper.start()
    bench.registry.clock.advance(BUDGET_S)
    assert keeper.poll() is PollResult.REFUSED
    assert (keeper.snapshot.state, version(keeper)) == (State.READY, "1.0.0")
    bench.registry.store.cut_off = True
    bench.registry.clock.advance(1)
    keeper.poll()
    assert (keeper.snapshot.state, version(keeper)) == (State.UNREACHABLE, None)


def test_a_full_disk_takes_no_confirmation_away_and_shortens_no_outage(
    bench: ConsumerBench, full_disk: Callable[[], None]
) -> None:
    bench.release("1.0.0")
    keeper = bench.keeper()
    keeper.start()
    full_disk()
    for _ in range(5):
        bench.registry.clock.advance(BUDGET_S / 4)
        assert keeper.poll() is PollResult.UNCHANGED
        assert keeper.staleness_s() == 0
    bench.registry.store.cut_off = True
    keeper.poll()
    assert (keeper.snapshot.state, version(keeper)) == (State.DEGRADED, "1.0.0")


def test_a_full_disk_keeps_a_new_release_away_and_the_state_as_it_was(
    bench: ConsumerBench, full_disk: Callable[[], None]
) -> None:
    bench.release("1.0.0")
    keeper = bench.keeper()
    keeper.start()
    full_disk()
    bench.release("1.1.0", scale=0.05)
    assert keeper.poll() is PollResult.REFUSED
    assert (keeper.snapshot.state, version(keeper)) == (State.READY, "1.0.0")
    bench.registry.yank("churn", "1.0.0")
    for _ in range(2):
        keeper.poll()
        assert (keeper.snapshot.state, version(keeper)) == (State.NO_RELEASE, None)
    assert keeper.snapshot.error is not None
    assert "No space left on device" in keeper.snapshot.error.fact


def test_a_frozen_channel_is_served_for_one_staleness_budget_more(bench: ConsumerBench) -> None:
    bench.release("1.0.0")
    reader = bench.reader_of_the_last_minute()
    keeper = bench.keeper(reader=reader)
    keeper.start()
    bench.registry.clock.advance(61)
    assert keeper.poll() is PollResult.REFUSED
    assert (keeper.snapshot.state, version(keeper)) == (State.READY, "1.0.0")
    bench.registry.clock.advance(BUDGET_S)
    assert keeper.poll() is PollResult.REFUSED
    assert (keeper.snapshot.state, version(keeper)) == (State.REJECTED, None)
    bench.release("1.0.1", scale=0.05)
    keeper.poll()
    assert (keeper.snapshot.state, version(keeper)) == (State.READY, "1.0.1")


def test_an_unsigned_object_does_not_hide_that_the_channel_is_frozen(bench: ConsumerBench) -> None:
    bench.release("1.0.0")
    reader = bench.reader_of_the_last_minute()
    keeper = bench.keeper(reader=reader)
    keeper.start()
    forge_an_entry(bench)
    bench.registry.clock.advance(BUDGET_S)
    assert keeper.poll() is PollResult.REFUSED
    assert keeper.snapshot.state is State.READY
    bench.registry.clock.advance(1)
    keeper.poll()
    assert (keeper.snapshot.state, version(keeper)) == (State.REJECTED, None)


def test_what_nobody_signed_ends_no_outage_that_was_past_its_budget(bench: ConsumerBench) -> None:
    bench.release("1.0.0")
    keeper = bench.keeper()
    keeper.start()
    bench.registry.store.cut_off = True
    bench.registry.clock.advance(BUDGET_S + 1)
    keeper.poll()
    bench.registry.store.cut_off = False
    forge_an_entry(bench)
    keeper.poll()
    assert (keeper.snapshot.state, version(keeper)) == (State.REJECTED, None)
    bench.delete("log/000000000002")
    assert keeper.poll() is PollResult.UNCHANGED
    assert (keeper.snapshot.state, version(keeper)) == (State.READY, "1.0.0")


def test_the_files_of_a_release_that_is_served_no_more_are_removed_after_an_hour(bench: ConsumerBench) -> None:
    bench.release("1.0.0")
    keeper = bench.keeper()
    keeper.start()
    files = bench.directory / "cache" / "files"
    first = set(files.iterdir())
    for folder in first:
        os.utime(folder, times=(bench.registry.clock().timestamp(),) * 2)
    bench.release("1.1.0", scale=0.05)
    keeper.poll()
    assert first < set(files.iterdir())
    second = set(files.iterdir()) - first
    bench.registry.clock.advance(3601)
    bench.release("1.2.0", scale=0.06)
    keeper.poll()
    # The contract, and what else all of them have, is the last one's too.
    assert second < set(files.iterdir())
    assert not (first - _files_of(keeper, files)) & set(files.iterdir())
    assert _files_of(keeper, files) <= set(files.iterdir())


def _files_of(keeper: Keeper, files: Path) -> set[Path]:
    serving = keeper.snapshot.serving
    assert serving is not None
    return {files / file.sha256 for file in serving.release.manifest.content.files}


def test_a_bad_release_is_told_once_and_not_fetched_again(bench: ConsumerBench) -> None:
    bench.release("1.0.0")
    keeper = bench.keeper()
    keeper.start()
    bench.release("1.1.0", model=b"no model")
    bench.events.clear()
    keeper.poll()
    bench.registry.store.calls.clear()
    keeper.poll()
    assert sum(isinstance(event, Refused) for event in bench.events) == 1
    assert not [key for _, key in bench.registry.store.calls if "/files/" in key]


def test_heals_after_this_disk_spoilt_a_good_one(bench: ConsumerBench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.release("1.0.0")
    fetch = LocalCopy.fetch

    def spoiling(copy: LocalCopy, reader: ReleaseReader, resolved: Resolved, *names: Any) -> LocalRelease:
        release = fetch(copy, reader, resolved, *names)
        next(release.directory.glob("files/*/model.onnx")).write_bytes(b"spoilt")
        return release

    with monkeypatch.context() as patched:
        patched.setattr(LocalCopy, "fetch", spoiling)
        keeper = bench.keeper()
        assert keeper.start().state is State.REJECTED
    keeper.poll()
    assert (keeper.snapshot.state, version(keeper)) == (State.READY, "1.0.0")


def test_heals_after_a_bad_release(bench: ConsumerBench) -> None:
    bench.release("1.0.0")
    keeper = bench.keeper()
    keeper.start()
    bench.release("1.1.0", model=b"no model")
    keeper.poll()
    bench.release("1.2.0", scale=0.05)
    assert keeper.poll() is PollResult.SWAPPED
    assert version(keeper) == "1.2.0"


def test_does_not_notice_a_deleted_file(bench: ConsumerBench) -> None:
    bench.release("1.0.0")
    keeper = bench.keeper()
    keeper.start()
    assert bench.delete("model.onnx")
    assert keeper.poll() is PollResult.UNCHANGED


def test_obeys_the_yank_of_what_runs(bench: ConsumerBench) -> None:
    bench.release("1.0.0")
    keeper = bench.keeper()
    keeper.start()
    bench.registry.yank("churn", "1.0.0")
    assert keeper.poll() is PollResult.REFUSED
    assert (keeper.snapshot.state, keeper.snapshot.serving) == (State.NO_RELEASE, None)
    bench.release("1.0.1", scale=0.05)
    assert keeper.poll() is PollResult.SWAPPED
    assert keeper.snapshot.state is State.READY


def test_a_yank_within_a_range_is_remembered(bench: ConsumerBench) -> None:
    bench.release("1.0.0", promote=False)
    bench.release("1.1.0", promote=False)
    keeper = bench.keeper("churn@^1")
    keeper.start()
    bench.registry.yank("churn", "1.1.0")
    assert keeper.poll() is PollResult.SWAPPED
    bench.registry.store.cut_off = True
    again = bench.keeper("churn@^1")
    assert again.start().state is State.DEGRADED
    assert version(again) == "1.0.0"


def test_the_yank_of_another_release_stops_nothing(bench: ConsumerBench) -> None:
    bench.release("1.0.0")
    keeper = bench.keeper()
    keeper.start()
    bench.release("1.1.0", scale=0.05)
    bench.registry.yank("churn", "1.1.0")
    assert keeper.poll() is PollResult.REFUSED
    assert (keeper.snapshot.state, version(keeper)) == (State.READY, "1.0.0")


def test_degrades_then_gives_up_then_heals(bench: ConsumerBench) -> None:
    bench.release("1.0.0")
    keeper = bench.keeper()
    keeper.start()
    bench.registry.store.cut_off = True
    assert keeper.poll() is PollResult.UNREACHABLE
    assert (keeper.snapshot.state, version(keeper)) == (State.DEGRADED, "1.0.0")
    bench.registry.clock.advance(BUDGET_S + 1)
    keeper.poll()
    assert (keeper.snapshot.state, keeper.snapshot.serving) == (State.UNREACHABLE, None)
    bench.registry.store.cut_off = False
    assert keeper.poll() is PollResult.UNCHANGED
    assert (keeper.snapshot.state, version(keeper)) == (State.READY, "1.0.0")


def test_state_since_moves_only_with_the_state(bench: ConsumerBench) -> None:
    bench.release("1.0.0")
    keeper = bench.keeper()
    since = keeper.start().since
    bench.registry.clock.advance(60)
    keeper.poll()
    assert keeper.snapshot.since == since
    bench.registry.store.cut_off = True
    keeper.poll()
    assert keeper.snapshot.since == bench.registry.clock()


def test_an_outage_during_the_yank_check_keeps_serving(bench: ConsumerBench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.release("1.0.0")
    keeper = bench.keeper()
    keeper.start()
    bench.release("1.1.0", model=b"no model")
    resolve = bench.registry.reader.resolve

    def cut(reference: Reference, known: Resolved | None = None) -> Resolved:
        bench.registry.store.cut_off = reference.version is not None
        return resolve(reference, known)

    monkeypatch.setattr(bench.registry.reader, "resolve", cut)
    assert keeper.poll() is PollResult.REFUSED
    assert keeper.snapshot.state is State.READY


def test_obeys_a_yank_behind_a_bad_promotion(bench: ConsumerBench) -> None:
    bench.release("1.0.0")
    keeper = bench.keeper()
    keeper.start()
    bench.release("1.1.0", model=b"no model")
    bench.registry.yank("churn", "1.0.0")
    keeper.poll()
    assert keeper.snapshot.state is State.NO_RELEASE
    assert keeper.snapshot.error is not None
    assert "churn@1.0.0 was yanked" in keeper.snapshot.error.fact


def test_a_deleted_manifest_stops_nothing_that_runs(bench: ConsumerBench) -> None:
    bench.release("1.0.0")
    keeper = bench.keeper()
    keeper.start()
    bench.release("1.1.0", model=b"no model")
    bench.delete("releases/1.0.0.json")
    keeper.poll()
    assert (keeper.snapshot.state, version(keeper)) == (State.READY, "1.0.0")


def test_waiting_heals_from_each_state(bench: ConsumerBench) -> None:
    bench.registry.store.cut_off = True
    keeper = bench.keeper()
    assert keeper.start().state is State.UNREACHABLE
    bench.registry.store.cut_off = False
    keeper.poll()
    assert (keeper.snapshot.state, version(keeper)) == (State.NO_RELEASE, None)
    bench.release("1.0.0", model=b"no model")
    keeper.poll()
    assert (keeper.snapshot.state, version(keeper)) == (State.REJECTED, None)
    bench.release("1.0.1")
    keeper.poll()
    assert (keeper.snapshot.state, version(keeper)) == (State.READY, "1.0.1")


def test_a_file_put_back_heals(bench: ConsumerBench) -> None:
    bench.release("1.0.0")
    bench.keeper().start()
    objects = dict(bench.registry.memory.objects)
    bench.delete("model.onnx")
    keeper = bench.keeper()
    assert keeper.start().state is State.NO_RELEASE
    keeper.poll()
    assert (keeper.snapshot.state, version(keeper)) == (State.NO_RELEASE, None)
    bench.registry.memory.objects.update(objects)
    keeper.poll()
    assert (keeper.snapshot.state, version(keeper)) == (State.READY, "1.0.0")


@pytest.mark.parametrize("polls", [RuntimeError("a defect"), Rejected("signature", "It is forged.", remedy="wait.")])
def test_what_nobody_foresaw_counts_as_an_outage_and_ends_with_the_budget(
    bench: ConsumerBench, monkeypatch: pytest.MonkeyPatch, polls: Exception
) -> None:
    """It may also break off the look for a tombstone, which follows what is refused."""
    bench.release("1.0.0")
    keeper = bench.keeper()
    keeper.start()

    def broken(*_: Any) -> Resolved:
        raise RuntimeError("a defect")

    def refused(*_: Any) -> Resolved:
        raise polls

    with monkeypatch.context() as defect:
        defect.setattr(ReleaseReader, "poll", refused)
        defect.setattr(ReleaseReader, "resolve", broken)
        bench.events.clear()
        with pytest.raises(RuntimeError, match="a defect"):
            keeper.poll()
        assert (keeper.snapshot.state, version(keeper)) == (State.DEGRADED, "1.0.0")
        assert Polled(PollResult.UNREACHABLE) in bench.events
        bench.registry.clock.advance(BUDGET_S + 1)
        with pytest.raises(RuntimeError, match="a defect"):
            keeper.poll()
        assert (keeper.snapshot.state, keeper.snapshot.serving) == (State.UNREACHABLE, None)
    keeper.poll()
    assert (keeper.snapshot.state, version(keeper)) == (State.READY, "1.0.0")
