"""The first look at the registry: what is served after it, and from where."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from consumers import BUDGET_S, ConsumerBench, version
from edustream_contracts.contract import ModelContract, contract_from
from edustream_contracts.errors import InvalidInput, Unreachable
from edustream_registry.inference.loading import FILES
from edustream_registry.local_copy import LocalCopy
from edustream_registry.manifest import ReleaseFile
from edustream_registry.names import Reference
from edustream_registry.resolved import Resolved
from edustream_registry.signing import Signer
from edustream_registry.trust import TrustPolicy

from edustream_api.events import PollResult, Refused, StateChanged, Swapped
from edustream_api.states import State


def wider(contract: ModelContract) -> ModelContract:
    document: dict[str, Any] = {**contract.document, "input": {**contract.document["input"]}}
    properties = dict(document["input"]["properties"])
    properties["tenure"] = {**properties["tenure"], "maximum": 240}
    document["input"]["properties"] = properties
    return contract_from(document)


def test_serves_what_was_promoted(bench: ConsumerBench) -> None:
    bench.release("1.0.0")
    keeper = bench.keeper()
    snapshot = keeper.start()
    assert (snapshot.state, version(keeper)) == (State.READY, "1.0.0")
    assert snapshot.contacted_at == bench.registry.clock()
    assert [type(event) for event in bench.events] == [StateChanged, Swapped]


def test_is_unreachable_until_it_asked(bench: ConsumerBench) -> None:
    assert bench.keeper().snapshot.state is State.UNREACHABLE


@pytest.mark.parametrize("reference", ["churn@1.0.0", "churn@^1"])
def test_serves_versions_and_ranges(bench: ConsumerBench, reference: str) -> None:
    bench.release("1.0.0", promote=False)
    keeper = bench.keeper(reference)
    assert keeper.start().state is State.READY
    assert keeper.poll() is PollResult.UNCHANGED


def test_an_empty_registry_is_no_release(bench: ConsumerBench) -> None:
    snapshot = bench.keeper().start()
    assert snapshot.state is State.NO_RELEASE
    assert snapshot.error is not None
    assert snapshot.error.kind == "model_missing"


def test_an_empty_channel_is_no_release(bench: ConsumerBench) -> None:
    bench.release("1.0.0", promote=False)
    snapshot = bench.keeper().start()
    assert snapshot.state is State.NO_RELEASE
    assert snapshot.error is not None
    assert snapshot.error.kind == "channel_empty"


def test_fetches_only_what_it_uses(bench: ConsumerBench) -> None:
    content, directory = bench.content("1.0.0")
    (directory / "roc.png").write_bytes(b"a picture")
    content = content.model_copy(update={"files": (*content.files, ReleaseFile.of(directory / "roc.png"))})
    bench.registry.publish(content, directory, "1.0.0")
    bench.registry.promote("churn", "1.0.0")
    bench.keeper().start()
    assert {path.name for path in (bench.directory / "cache" / "files").rglob("*.*")} == FILES
    assert bench.delete("roc.png")
    assert bench.keeper().start().state is State.READY


@pytest.mark.parametrize("part", ["model.onnx", "releases/1.0.0.json"])
def test_a_deletion_is_obeyed_even_with_a_local_copy(bench: ConsumerBench, part: str) -> None:
    bench.release("1.0.0")
    bench.keeper().start()
    assert bench.delete(part)
    assert bench.keeper().start().state is State.NO_RELEASE


def test_a_yank_is_obeyed_even_with_a_local_copy(bench: ConsumerBench) -> None:
    bench.release("1.0.0")
    bench.keeper().start()
    bench.registry.yank("churn", "1.0.0")
    snapshot = bench.keeper().start()
    assert snapshot.state is State.NO_RELEASE
    assert snapshot.error is not None
    assert snapshot.error.kind == "yanked"


@pytest.mark.parametrize("part", ["model.onnx", "releases/1.0.0.json", "log/"])
def test_one_changed_byte_is_rejected(bench: ConsumerBench, part: str) -> None:
    bench.release("1.0.0")
    objects = bench.registry.memory.objects
    key = next(key for key in objects if part in key)
    objects[key] = objects[key][:-9] + bytes([objects[key][-9] ^ 1]) + objects[key][-8:]
    assert bench.keeper().start().state is State.REJECTED


def test_another_key_is_rejected(bench: ConsumerBench) -> None:
    bench.release("1.0.0")
    stranger = TrustPolicy((Signer.generate().public,))
    reader = type(bench.registry.reader)(bench.registry.store, stranger, bench.registry.clock)
    snapshot = bench.keeper(reader=reader).start()
    assert snapshot.state is State.REJECTED
    assert snapshot.error is not None
    assert snapshot.error.kind == "signature"


def test_golden_vectors_that_disagree_are_rejected(bench: ConsumerBench) -> None:
    bench.release("1.0.0", golden=bench.golden(scale=-0.06))
    snapshot = bench.keeper().start()
    assert snapshot.state is State.REJECTED
    assert snapshot.error is not None
    assert snapshot.error.kind == "golden"


def test_a_contract_that_extends_the_pinned_one_is_served(bench: ConsumerBench, contract: ModelContract) -> None:
    bench.release("1.1.0", contract=wider(contract))
    keeper = bench.keeper(pin=contract)
    assert keeper.start().state is State.READY
    assert version(keeper) == "1.1.0"


def test_a_contract_that_breaks_the_pinned_one_is_incompatible(bench: ConsumerBench, contract: ModelContract) -> None:
    bench.release("1.0.0")
    snapshot = bench.keeper(pin=wider(contract)).start()
    assert snapshot.state is State.INCOMPATIBLE
    assert snapshot.error is not None
    assert [problem.pointer for problem in snapshot.error.problems] == ["/input/properties/tenure/maximum"]


def test_no_registry_and_no_copy_is_unreachable(bench: ConsumerBench) -> None:
    bench.registry.store.cut_off = True
    assert bench.keeper().start().state is State.UNREACHABLE


def test_an_outage_is_survived_from_the_copy(bench: ConsumerBench) -> None:
    bench.release("1.0.0")
    bench.keeper().start()
    bench.registry.store.cut_off = True
    bench.registry.clock.advance(BUDGET_S)
    keeper = bench.keeper()
    assert keeper.start().state is State.DEGRADED
    assert version(keeper) == "1.0.0"
    assert keeper.staleness_s() == BUDGET_S


def test_a_copy_past_its_budget_is_not_served(bench: ConsumerBench) -> None:
    bench.release("1.0.0")
    bench.keeper().start()
    bench.registry.store.cut_off = True
    bench.registry.clock.advance(BUDGET_S + 1)
    snapshot = bench.keeper().start()
    assert (snapshot.state, snapshot.serving) == (State.UNREACHABLE, None)
    assert snapshot.error is not None
    assert snapshot.error.kind == "stale"


def test_a_bad_release_does_not_replace_the_good_copy(bench: ConsumerBench) -> None:
    bench.release("1.0.0")
    bench.keeper().start()
    bench.release("2.0.0", golden=bench.golden(scale=-0.5))
    keeper = bench.keeper()
    snapshot = keeper.start()
    assert (snapshot.state, version(keeper)) == (State.READY, "1.0.0")
    assert snapshot.refusal is not None
    assert snapshot.refusal.error.kind == "golden"
    bench.registry.store.cut_off = True
    again = bench.keeper()
    assert again.start().state is State.DEGRADED
    assert version(again) == "1.0.0"


def test_a_bad_release_that_stood_for_long_does_not_keep_the_good_copy_from_a_restart(bench: ConsumerBench) -> None:
    bench.release("1.0.0")
    bench.keeper().start()
    bench.release("2.0.0", golden=bench.golden(scale=-0.5))
    bench.registry.clock.advance(BUDGET_S + 1)
    keeper = bench.keeper()
    assert keeper.start().state is State.READY
    assert (version(keeper), keeper.staleness_s()) == ("1.0.0", BUDGET_S + 1)


def test_an_outage_behind_a_bad_release_is_survived_from_the_last_answer_on(bench: ConsumerBench) -> None:
    bench.release("1.0.0")
    bench.keeper().start()
    bench.release("2.0.0", golden=bench.golden(scale=-0.5))
    bench.registry.clock.advance(BUDGET_S + 1)
    bench.keeper().start()
    bench.registry.store.cut_off = True
    bench.registry.clock.advance(BUDGET_S)
    keeper = bench.keeper()
    assert keeper.start().state is State.DEGRADED
    assert (version(keeper), keeper.staleness_s()) == ("1.0.0", 2 * BUDGET_S + 1)
    bench.registry.clock.advance(1)
    assert bench.keeper().start().state is State.UNREACHABLE


def test_a_yank_is_obeyed_also_behind_a_bad_release_that_stood_for_long(bench: ConsumerBench) -> None:
    bench.release("1.0.0")
    bench.keeper().start()
    bench.release("2.0.0", golden=bench.golden(scale=-0.5))
    bench.registry.yank("churn", "1.0.0")
    bench.registry.clock.advance(BUDGET_S + 1)
    snapshot = bench.keeper().start()
    assert (snapshot.state, snapshot.serving) == (State.REJECTED, None)


def test_nothing_that_was_not_signed_lengthens_the_life_of_the_copy(bench: ConsumerBench) -> None:
    bench.release("1.0.0")
    bench.keeper().start()
    objects = bench.registry.memory.objects
    objects[next(key for key in objects if "log/" in key)] = b"{}"
    bench.registry.clock.advance(BUDGET_S)
    assert bench.keeper().start().state is State.READY
    bench.registry.clock.advance(1)
    assert bench.keeper().start().state is State.REJECTED


def test_a_frozen_channel_is_not_served_longer_for_a_refusal_before(bench: ConsumerBench) -> None:
    bench.release("1.0.0")
    reader = bench.reader_of_the_last_minute()
    bench.keeper(reader=reader).start()
    bench.registry.clock.advance(BUDGET_S)
    bench.release("2.0.0", golden=bench.golden(scale=-0.5))
    assert bench.keeper(reader=reader).start().state is State.READY
    bench.registry.clock.advance(61)
    snapshot = bench.keeper(reader=reader).start()
    assert (snapshot.state, snapshot.serving) == (State.REJECTED, None)


def test_the_contact_is_kept_for_the_next_start(bench: ConsumerBench) -> None:
    bench.release("1.0.0")
    keeper = bench.keeper()
    keeper.start()
    bench.registry.clock.advance(BUDGET_S)
    keeper.poll()
    bench.registry.store.cut_off = True
    bench.registry.clock.advance(BUDGET_S)
    again = bench.keeper()
    assert again.start().state is State.DEGRADED
    assert again.staleness_s() == BUDGET_S


def test_a_copy_that_breaks_the_pinned_contract_is_not_served(bench: ConsumerBench, contract: ModelContract) -> None:
    bench.release("1.0.0")
    bench.keeper().start()
    bench.registry.store.cut_off = True
    assert bench.keeper(pin=wider(contract)).start().state is State.INCOMPATIBLE


def test_a_damaged_copy_counts_as_none(bench: ConsumerBench) -> None:
    bench.release("1.0.0")
    bench.keeper().start()
    for path in (bench.directory / "cache" / "state").iterdir():
        path.write_text("{")
    bench.events.clear()
    keeper = bench.keeper()
    assert keeper.start().state is State.READY
    assert any(isinstance(event, Refused) for event in bench.events)


def test_a_damaged_file_counts_as_no_copy_during_an_outage(bench: ConsumerBench) -> None:
    bench.release("1.0.0")
    bench.keeper().start()
    bench.registry.store.cut_off = True
    next((bench.directory / "cache").rglob("model.onnx")).write_bytes(b"damaged")
    keeper = bench.keeper()
    snapshot = keeper.start()
    assert snapshot.state is State.UNREACHABLE
    assert snapshot.refusal is not None
    assert snapshot.refusal.error.kind == "digest"
    keeper.poll()
    assert keeper.snapshot.state is State.UNREACHABLE


def test_a_copy_that_answers_otherwise_than_recorded_is_not_served(bench: ConsumerBench) -> None:
    """As on another machine, or under another onnxruntime, than the one that the copy was proved on."""
    bench.release("1.0.0", golden=bench.golden(scale=-0.06))
    registry = bench.registry
    copy = LocalCopy(bench.directory / "cache", registry.trust, registry.clock)
    copy.commit(copy.fetch(registry.reader, registry.reader.resolve(Reference.parse("churn@production"))))
    registry.store.cut_off = True
    snapshot = bench.keeper().start()
    assert (snapshot.state, snapshot.serving) == (State.UNREACHABLE, None)
    assert snapshot.refusal is not None
    assert snapshot.refusal.error.kind == "golden"
    assert snapshot.refusal.error.problems[0].pointer == "/rows/1/output/probability"


@pytest.mark.parametrize("part", ["model.onnx", "releases/1.0.0.json"])
def test_a_deletion_is_obeyed_also_behind_a_bad_promotion(bench: ConsumerBench, part: str) -> None:
    bench.release("1.0.0")
    bench.keeper().start()
    assert bench.delete(part)
    bench.release("2.0.0", scale=0.05, golden=bench.golden(scale=-0.5))
    snapshot = bench.keeper().start()
    assert (snapshot.state, snapshot.serving) == (State.REJECTED, None)


def test_a_manifest_that_was_tampered_with_takes_no_copy_away(bench: ConsumerBench) -> None:
    bench.release("1.0.0")
    bench.keeper().start()
    bench.registry.memory.objects["models/churn/releases/1.0.0.json"] = b"{}"
    bench.release("2.0.0", scale=0.05, golden=bench.golden(scale=-0.5))
    keeper = bench.keeper()
    assert keeper.start().state is State.READY
    assert version(keeper) == "1.0.0"


def test_an_outage_in_the_middle_of_a_start_is_survived(bench: ConsumerBench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.release("1.0.0")
    bench.keeper().start()
    bench.release("2.0.0", golden=bench.golden(scale=-0.5))
    resolve = bench.registry.reader.resolve

    def cut(reference: Reference, known: Resolved | None = None) -> Resolved:
        bench.registry.store.cut_off = reference.version is not None
        return resolve(reference, known)

    monkeypatch.setattr(bench.registry.reader, "resolve", cut)
    keeper = bench.keeper()
    assert keeper.start().state is State.READY
    assert version(keeper) == "1.0.0"


def test_a_sequence_lower_than_seen_is_not_obeyed(bench: ConsumerBench) -> None:
    bench.release("1.0.0")
    bench.release("1.1.0")
    bench.keeper().start()
    objects = bench.registry.memory.objects
    bench.delete("log/000000000002")
    head = next(key for key in objects if key.endswith("HEAD"))
    objects[head] = b'{"sequence": 1}'
    keeper = bench.keeper()
    snapshot = keeper.start()
    assert version(keeper) == "1.1.0"
    assert snapshot.refusal is not None
    assert snapshot.refusal.error.kind == "rollback"


def test_a_directory_that_cannot_be_written_is_a_configuration_error(bench: ConsumerBench) -> None:
    bench.release("1.0.0")
    (bench.directory / "cache").write_text("a file where a directory is needed")
    with pytest.raises(InvalidInput, match="local copy cannot be kept"):
        bench.keeper().start()


def test_two_consumers_may_share_a_directory(bench: ConsumerBench) -> None:
    bench.release("1.0.0")
    first, second = bench.keeper(), bench.keeper()
    first.start()
    bench.registry.store.calls.clear()
    second.start()
    assert version(second) == "1.0.0"
    assert not [key for operation, key in bench.registry.store.calls if operation == "get" and "/files/" in key]


@pytest.mark.parametrize("noticed_by", ["a running consumer", "a start"])
def test_a_yank_that_was_obeyed_outlives_an_outage_and_a_restart(bench: ConsumerBench, noticed_by: str) -> None:
    bench.release("1.0.0")
    keeper = bench.keeper()
    keeper.start()
    bench.registry.yank("churn", "1.0.0")
    if noticed_by == "a start":
        bench.keeper().start()
    else:
        keeper.poll()
    bench.registry.store.cut_off = True
    snapshot = bench.keeper().start()
    assert (snapshot.state, snapshot.serving) == (State.UNREACHABLE, None)
    assert snapshot.refusal is not None
    assert snapshot.refusal.error.kind == "yanked"


@pytest.mark.parametrize("part", ["model.onnx", "releases/1.0.0.json"])
@pytest.mark.parametrize("also", ["nothing else", "a bad promotion"])
def test_a_deletion_that_was_obeyed_outlives_an_outage_until_it_is_undone(
    bench: ConsumerBench, part: str, also: str
) -> None:
    bench.release("1.0.0")
    bench.keeper().start()
    before = dict(bench.registry.memory.objects)
    bench.delete(part)
    if also == "a bad promotion":
        bench.release("2.0.0", scale=0.05, golden=bench.golden(scale=-0.5))
    assert bench.keeper().start().serving is None
    bench.registry.store.cut_off = True
    assert bench.keeper().start().state is State.UNREACHABLE
    bench.registry.store.cut_off = False
    bench.registry.memory.objects.clear()
    bench.registry.memory.objects.update(before)
    assert bench.keeper().start().state is State.READY
    bench.registry.store.cut_off = True
    assert bench.keeper().start().state is State.DEGRADED


def test_a_release_that_is_refused_does_not_bring_back_what_was_yanked_before(bench: ConsumerBench) -> None:
    bench.release("1.0.0")
    keeper = bench.keeper()
    keeper.start()
    bench.registry.yank("churn", "1.0.0")
    keeper.poll()
    assert bench.delete("yanked/")
    bench.release("2.0.0", golden=bench.golden(scale=-0.5))
    snapshot = bench.keeper().start()
    assert (snapshot.state, snapshot.serving) == (State.REJECTED, None)


def test_what_was_never_served_takes_no_copy_away(bench: ConsumerBench) -> None:
    bench.release("1.0.0")
    bench.keeper().start()
    bench.release("1.1.0", scale=0.05)
    bench.registry.yank("churn", "1.1.0")
    assert bench.keeper().start().state is State.NO_RELEASE
    bench.registry.store.cut_off = True
    keeper = bench.keeper()
    assert keeper.start().state is State.DEGRADED
    assert version(keeper) == "1.0.0"


def test_a_yank_behind_a_release_whose_files_are_out_of_reach_is_obeyed(
    bench: ConsumerBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.release("1.0.0")
    running = bench.keeper()
    running.start()
    bench.release("1.1.0", scale=0.05)
    bench.registry.yank("churn", "1.0.0")
    get = bench.registry.store.get

    def without_files(key: str, max_bytes: int) -> bytes:
        if "/files/" in key:
            raise Unreachable("access_denied", f"{key} may not be read.", remedy="ask.")
        return get(key, max_bytes)

    monkeypatch.setattr(bench.registry.store, "get", without_files)
    started = bench.keeper()
    assert started.start().serving is None
    running.poll()
    assert (running.snapshot.state, version(running)) == (State.NO_RELEASE, None)


def test_a_disk_that_takes_no_note_keeps_no_yank_from_being_obeyed(
    bench: ConsumerBench, full_disk: Callable[[], None]
) -> None:
    bench.release("1.0.0")
    keeper = bench.keeper()
    keeper.start()
    bench.registry.yank("churn", "1.0.0")

    full_disk()
    keeper.poll()
    assert (keeper.snapshot.state, version(keeper)) == (State.NO_RELEASE, None)


def test_a_clock_that_is_put_back_lengthens_no_budget(bench: ConsumerBench) -> None:
    bench.registry.clock.advance(10 * BUDGET_S)
    bench.release("1.0.0")
    running = bench.keeper()
    running.start()
    bench.registry.store.cut_off = True
    bench.registry.clock.advance(-10 * BUDGET_S)
    assert running.staleness_s() == 0
    keeper = bench.keeper()
    assert keeper.start().state is State.DEGRADED
    assert keeper.staleness_s() == 0
    bench.registry.clock.advance(BUDGET_S + 1)
    keeper.poll()
    assert keeper.snapshot.state is State.UNREACHABLE
