"""What a running consumer states of its needs: in time, in one voice, and never in the way of an answer."""

from __future__ import annotations

import dataclasses
import itertools
import json
import logging
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from clients import client_of, keeper_of, needs_of
from consumers import ConsumerBench
from edustream_contracts.contract import ModelContract
from edustream_contracts.errors import InvalidInput, Unreachable
from edustream_registry import layout
from edustream_registry.needs import Needs, read_living
from edustream_registry.promotion import Promoter
from edustream_registry.signing import Signer

from edustream_api.keeper import Keeper
from edustream_api.polling import Poller
from edustream_api.relied_on import MAX_BYTES, ReliedOn
from edustream_api.standalone import consumer_from
from edustream_api.stated_needs import LOOK_S, RETRY_S, StatedNeeds

LIFETIME_S = 36 * 3600.0
NUMBERS = map(str, itertools.count())


def replica(bench: ConsumerBench, keeper: Keeper, **changes: Any) -> StatedNeeds:
    options: dict[str, Any] = {
        "open_author": lambda: dataclasses.replace(bench.registry.consumer),
        "sends": (),
        "reads": (),
        "lifetime_s": LIFETIME_S,
        "remembered": ReliedOn(bench.directory / "relied on" / next(NUMBERS), "api", keeper.reference),
        **changes,
    }
    return StatedNeeds(lambda: keeper.snapshot, clock=bench.registry.clock, **options)


def stated(bench: ConsumerBench) -> list[Needs]:
    registry = bench.registry
    living = read_living(registry.memory, registry.trust, registry.clock())
    assert living.unverified == ()
    return [one.statement.needs for one in living.stated]


def objects(bench: ConsumerBench) -> int:
    return sum(key.startswith(layout.CONSUMERS) for key in bench.registry.memory.objects)


@pytest.fixture
def keeper(bench: ConsumerBench) -> Keeper:
    bench.release("1.0.0")
    keeper = bench.keeper()
    keeper.start()
    bench.registry.store.calls.clear()
    return keeper


def test_it_states_what_it_runs(bench: ConsumerBench, keeper: Keeper, contract: ModelContract) -> None:
    needs = replica(bench, keeper)

    needs.look()

    (found,) = stated(bench)
    assert (found.model, found.running, found.major, found.follows) == ("churn", "1.0.0", 1, "production")
    assert found.sends == tuple(field.name for field in contract.inputs)
    assert found.reads == tuple(field.name for field in contract.outputs)
    assert needs.report.error is None
    assert needs.report.statement is not None
    left_s = (needs.report.statement.expires - bench.registry.clock()).total_seconds()
    assert 2 / 3 * LIFETIME_S - 1 <= left_s <= LIFETIME_S


def test_fields_that_are_named(bench: ConsumerBench, keeper: Keeper, contract: ModelContract) -> None:
    sends = tuple(contract.input_schema["required"])

    replica(bench, keeper, sends=sends, reads=("prediction",)).look()

    assert [(one.sends, one.reads) for one in stated(bench)] == [(sends, ("prediction",))]


def test_polls_in_between_ask_the_registry_nothing(bench: ConsumerBench, keeper: Keeper) -> None:
    needs = replica(bench, keeper)
    needs.look()
    bench.registry.store.calls.clear()

    for _ in range(10):
        bench.registry.clock.advance(LOOK_S / 11)
        needs.look()

    assert bench.registry.store.calls == []


def test_it_is_renewed_after_a_third_and_its_number_is_bounded(bench: ConsumerBench, keeper: Keeper) -> None:
    needs = replica(bench, keeper)
    days, step_s = 4, 3600
    for _ in range(days * 86400 // step_s):
        needs.look()
        assert len(set(stated(bench))) == 1
        assert needs.report.statement is not None
        assert needs.report.statement.expires - bench.registry.clock() > timedelta(seconds=2 / 3 * LIFETIME_S - step_s)
        bench.registry.clock.advance(step_s)

    assert objects(bench) == days * 86400 / (LIFETIME_S / 3)
    assert len(stated(bench)) <= 3


def test_an_hour_of_looks_costs_two_listings(bench: ConsumerBench, keeper: Keeper) -> None:
    """artifact-registry/README.md states the price of it."""
    needs = replica(bench, keeper)
    for _ in range(5):
        needs.look()
        bench.registry.clock.advance(LIFETIME_S / 3)
    needs.look()
    assert len(stated(bench)) == 3
    # The next look reads the one that the last renewal left.
    bench.registry.clock.advance(LOOK_S)
    needs.look()
    bench.registry.store.calls.clear()

    for _ in range(3600 // 5):
        bench.registry.clock.advance(5)
        needs.look()

    counted = Counter(operation for operation, _ in bench.registry.store.calls)
    assert counted == {"list": 2}


def test_workers_and_replicas_that_run_the_same_leave_one_statement(bench: ConsumerBench, keeper: Keeper) -> None:
    for needs in [replica(bench, keeper) for _ in range(4)]:
        needs.look()
        bench.registry.clock.advance(1)

    assert objects(bench) == 1


def test_two_that_begin_at_the_same_moment_leave_one_statement(bench: ConsumerBench, keeper: Keeper) -> None:
    """The second one writes after the first one looked: put-if-absent decides."""
    first, second = replica(bench, keeper), replica(bench, keeper)
    author = bench.registry.consumer
    interleaved = dataclasses.replace(author, clock=lambda: (second.look(), author.clock())[1])  # type: ignore[func-returns-value]
    first._open_author = lambda: interleaved

    first.look()

    assert objects(bench) == 1
    assert first.report.statement == second.report.statement


def test_a_new_release_is_stated_at_once_and_the_old_one_is_not_needed(bench: ConsumerBench, keeper: Keeper) -> None:
    needs = replica(bench, keeper)
    needs.look()
    bench.release("1.0.1", scale=-0.06)
    keeper.poll()

    needs.look()

    assert [one.running for one in stated(bench)] == ["1.0.1"]
    # All that it wrote was its own statements; the others' writes are the release and its promotion.
    mine = [key for operation, key in bench.registry.store.calls if operation == "put" and "models/" not in key]
    assert len(mine) == 2
    assert all(key.startswith("consumers/api/") for key in mine)


def test_what_a_swap_costs_does_not_grow_with_the_swaps_before(bench: ConsumerBench, keeper: Keeper) -> None:
    needs = replica(bench, keeper)
    needs.look()
    bench.release("1.0.1", scale=-0.06)
    costs = []
    for number in range(6):
        bench.registry.promote("churn", f"1.0.{(number + 1) % 2}")
        keeper.poll()
        bench.registry.store.calls.clear()
        needs.look()
        costs.append(Counter(operation for operation, _ in bench.registry.store.calls))

    assert objects(bench) == 7
    # One look finds its own statement, which the look before made.
    assert costs == [{"list": 2, "get": 1, "put": 1}] * 6


def test_a_replica_that_still_runs_the_old_release_says_so_again(bench: ConsumerBench, keeper: Keeper) -> None:
    slow = bench.keeper(cache="slow")
    slow.start()
    needs, behind = replica(bench, keeper), replica(bench, slow)
    needs.look()
    behind.look()
    bench.release("1.0.1", scale=-0.06)
    keeper.poll()
    needs.look()
    assert [one.running for one in stated(bench)] == ["1.0.1"]

    bench.registry.clock.advance(LOOK_S)
    behind.look()
    needs.look()

    assert sorted(one.running or "" for one in stated(bench)) == ["1.0.0", "1.0.1"]
    slow.poll()
    behind.look()
    assert {one.running for one in stated(bench)} == {"1.0.1"}


def test_back_to_an_older_release_and_forth(bench: ConsumerBench, keeper: Keeper) -> None:
    needs = replica(bench, keeper)
    needs.look()
    bench.release("1.0.1", scale=-0.06)
    for version in ("1.0.1", "1.0.0", "1.0.1"):
        bench.registry.promote("churn", version)
        keeper.poll()
        needs.look()
        assert [one.running for one in stated(bench)] == [version]


def test_a_restart_across_a_release_leaves_no_need_of_the_old_one(bench: ConsumerBench, keeper: Keeper) -> None:
    remembered = ReliedOn(bench.directory, "api", keeper.reference)
    replica(bench, keeper, remembered=remembered).look()
    bench.release("2.0.0", promote=False, scale=-0.06)
    Promoter(bench.registry.author).promote("churn", "production", "2.0.0", "a test", ["api"])
    restarted = bench.keeper()
    restarted.start()

    replica(bench, restarted, remembered=remembered).look()

    assert [one.running for one in stated(bench)] == ["2.0.0"]
    bench.release("2.0.1", scale=-0.07)


@pytest.mark.parametrize("damage", [b"", b"{}", b"[1]", b'["x"]', b"\xff", b"[" * 10_000, b" " * MAX_BYTES + b"[]"])
def test_a_damaged_memory_is_none(bench: ConsumerBench, keeper: Keeper, damage: bytes) -> None:
    remembered = ReliedOn(bench.directory, "api", keeper.reference)
    remembered.keep(["0" * 32])
    assert remembered.read() == {"0" * 32}
    remembered._path.write_bytes(damage)

    assert remembered.read() == frozenset()
    replica(bench, keeper, remembered=remembered).look()

    assert len(remembered.read()) == len(stated(bench)) == 1


def test_a_disk_that_keeps_nothing_is_reported_and_the_needs_are_stated(bench: ConsumerBench, keeper: Keeper) -> None:
    (bench.directory / "needs").write_bytes(b"no directory")
    needs = replica(bench, keeper, remembered=ReliedOn(bench.directory, "api", keeper.reference))

    needs.look()

    assert needs.report.error is not None
    assert "cannot be remembered" in needs.report.error.fact
    assert len(stated(bench)) == 1


def test_needs_that_were_withdrawn_are_stated_again_by_who_still_runs(bench: ConsumerBench, keeper: Keeper) -> None:
    needs = replica(bench, keeper)
    needs.look()
    bench.registry.consumer.end("churn")
    assert stated(bench) == []

    bench.registry.clock.advance(LOOK_S)
    needs.look()

    assert [one.running for one in stated(bench)] == ["1.0.0"]


def test_a_longer_statement_by_hand_is_relied_on(bench: ConsumerBench, keeper: Keeper, contract: ModelContract) -> None:
    reference = keeper.reference
    author = bench.registry.consumer
    author.state(Needs.of(reference, "1.0.0", contract), author.clock() + timedelta(days=30))

    replica(bench, keeper).look()

    assert objects(bench) == 1


def test_nothing_is_stated_while_nothing_is_served(bench: ConsumerBench) -> None:
    keeper = bench.keeper()
    keeper.start()
    needs = replica(bench, keeper)

    needs.look()

    assert objects(bench) == 0
    assert (needs.report.statement, needs.report.error) == (None, None)


def test_an_outage_is_reported_once_and_survived(
    bench: ConsumerBench, keeper: Keeper, caplog: pytest.LogCaptureFixture
) -> None:
    needs = replica(bench, keeper)
    bench.registry.store.cut_off = True
    with caplog.at_level(logging.INFO):
        needs.look()
        bench.registry.clock.advance(RETRY_S)
        needs.look()
        assert isinstance(needs.report.error, Unreachable)
        bench.registry.store.cut_off = False
        needs.look()
        assert objects(bench) == 0
        bench.registry.clock.advance(RETRY_S)
        needs.look()

    assert objects(bench) == 1
    assert needs.report.error is None
    assert [record.message for record in caplog.records if record.name == "edustream_api.needs"] == [
        "needs_not_stated",
        "needs_stated",
    ]


def test_a_key_that_nobody_trusts_is_reported_and_writes_nothing(bench: ConsumerBench, keeper: Keeper) -> None:
    stranger = dataclasses.replace(bench.registry.consumer, signer=Signer.generate())
    needs = replica(bench, keeper, open_author=lambda: stranger)

    needs.look()

    assert needs.report.error is not None
    assert needs.report.error.kind == "signature"
    assert objects(bench) == 0


def test_a_field_that_the_contract_does_not_have_is_reported(bench: ConsumerBench, keeper: Keeper) -> None:
    needs = replica(bench, keeper, reads=("score",))

    needs.look()

    assert isinstance(needs.report.error, InvalidInput)
    (problem,) = needs.report.error.problems
    assert str(problem) == "reads: names 'score', which is no output field"


def test_health_shows_what_is_stated(bench: ConsumerBench) -> None:
    bench.release("1.0.0")
    consumer = bench.consumer(consumer="api")
    needs = needs_of(consumer)
    assert needs is not None
    with client_of(consumer) as client:
        before = client.get("/health").json()["needs"]
        needs.look()
        after = client.get("/health").json()["needs"]
        bench.registry.store.cut_off = True
        bench.registry.clock.advance(LOOK_S)
        needs.look()
        cut_off = client.get("/health").json()
        assert client.get("/health/ready").status_code == 200

    assert before == {"consumer": None, "running": None, "stated_at": None, "expires_at": None, "error": None}
    assert (after["consumer"], after["running"], after["error"]) == ("api", "1.0.0", None)
    assert cut_off["needs"]["running"] == "1.0.0"
    assert cut_off["needs"]["error"]["kind"] == "connection"


def test_a_consumer_without_name_or_key_states_nothing(tmp_path: Any, trust_file: Any, bench: ConsumerBench) -> None:
    (tmp_path / "key.pem").write_bytes(bench.registry.consumer_signer.pem)
    environ = {"REGISTRY_URL": "s3://models", "EDUSTREAM_TRUST_FILE": str(trust_file)}
    name, key = {"EDUSTREAM_CONSUMER": "api"}, {"EDUSTREAM_SIGNING_KEY_FILE": str(tmp_path / "key.pem")}

    assert needs_of(consumer_from(environ)) is None
    assert needs_of(consumer_from(environ | name)) is None
    assert needs_of(consumer_from(environ | key)) is None
    assert needs_of(consumer_from(environ | name | key)) is not None


def test_a_key_file_that_is_not_there_stops_nobody(tmp_path: Any, trust_file: Any, keeper: Keeper) -> None:
    missing = {"EDUSTREAM_SIGNING_KEY_FILE": str(tmp_path / "none.pem"), "EDUSTREAM_CONSUMER": "api"}
    consumer = consumer_from({"REGISTRY_URL": "s3://models", "EDUSTREAM_TRUST_FILE": str(trust_file), **missing})
    needs = needs_of(consumer)
    assert needs is not None
    keeper_of(consumer).snapshot = keeper.snapshot

    needs.look()

    assert needs.report.error is not None
    assert "none.pem cannot be read" in needs.report.error.fact


def test_statements_are_readable_json(bench: ConsumerBench, keeper: Keeper) -> None:
    replica(bench, keeper).look()
    (key,) = [key for key in bench.registry.memory.objects if key.startswith(layout.CONSUMERS)]

    assert json.loads(bench.registry.memory.objects[key])["signed"]["consumer"] == "api"


def test_pollers_have_names_of_their_own() -> None:
    assert Poller(lambda: None, 1.0)._thread.name != Poller(lambda: None, 1.0, "needs")._thread.name


def test_a_field_that_the_contract_does_not_have_is_named(
    bench: ConsumerBench, keeper: Keeper, caplog: pytest.LogCaptureFixture
) -> None:
    replica(bench, keeper, reads=("nosuch",)).look()

    (record,) = [record for record in caplog.records if record.message == "needs_not_stated"]
    assert any("nosuch" in problem for problem in vars(record)["errors"])
