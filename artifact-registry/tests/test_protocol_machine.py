"""The real code keeps every promise in every history that Hypothesis draws, and a broken one is found out."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from bucket_double import Process, Reply
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from protocol_machine import PROCESSES, Course, Pace, ProtocolMachine, World

from edustream_contracts.contract import ModelContract, parse_contract
from edustream_contracts.errors import EduStreamError, OutcomeUnknown, Unreachable
from edustream_registry import creation, s3_client
from edustream_registry.placement import FilePlacement
from edustream_registry.publishing import Publisher
from edustream_registry.reading import ReleaseReader
from edustream_registry.s3_store import S3Store
from edustream_registry.store import WriteCondition
from edustream_registry.testing.simulator import write_release

CALLS_OF_A_PROMOTION = 13


def narrowed(contract: ModelContract) -> ModelContract:
    """A contract that admits fewer rows, which breaks whoever sends the others."""
    document = copy.deepcopy(contract.document)
    document["input"]["properties"]["tenure"]["maximum"] -= 1
    return parse_contract(json.dumps(document).encode())


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, contract: ModelContract) -> World:
    releases = []
    for number, promised in enumerate((contract, contract, narrowed(contract))):
        directory = tmp_path_factory.mktemp("release")
        content = write_release(directory, promised, f"model {number}".encode())
        files = tuple(file for file in content.files if file.name in ("contract.json", "model.onnx"))
        releases.append((content.model_copy(update={"files": files}), directory))
    return World([Process() for _ in range(PROCESSES)], releases)


@pytest.fixture
def machine(world: World, monkeypatch: pytest.MonkeyPatch) -> type[ProtocolMachine]:
    # Back-off between attempts lets others go first; here the schedule says who goes first.
    monkeypatch.setattr(time, "sleep", lambda _: None)
    monkeypatch.setattr(ProtocolMachine, "world", world, raising=False)
    return ProtocolMachine


def run(machine: type[ProtocolMachine], examples: int, steps: int = 20, **options: Any) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            **options,
        ),
    )


def test_every_promise_holds(machine: type[ProtocolMachine]) -> None:
    run(machine, 25, phases=[Phase.explicit, Phase.generate])


@pytest.mark.prove
def test_every_promise_holds_in_ten_thousand_histories(machine: type[ProtocolMachine]) -> None:
    run(machine, 10_000)


# --- a machine that cannot fail proves nothing: the code is broken on purpose ---


def skip_the_readback(broken: pytest.MonkeyPatch) -> None:
    told_apart = creation._told_apart
    broken.setattr(creation, "_told_apart", lambda *arguments: (creation.Landing.THEIRS, told_apart(*arguments)[1]))


def overwrite(broken: pytest.MonkeyPatch) -> None:
    put = S3Store.put
    broken.setattr(S3Store, "put", lambda self, key, data, _: put(self, key, data, WriteCondition.OVERWRITE))


def believe_the_hint(broken: pytest.MonkeyPatch) -> None:
    broken.setattr(ReleaseReader, "newest", lambda _, entry, *__: entry)


def name_files_before_they_are_there(broken: pytest.MonkeyPatch) -> None:
    place, publish_as = FilePlacement.place, Publisher._publish_as

    def publish_and_place(publisher: Publisher, *arguments: Any) -> Any:
        late: list[tuple[Any, ...]] = []
        with pytest.MonkeyPatch.context() as meanwhile:
            meanwhile.setattr(FilePlacement, "place", lambda *placed: late.append(placed))
            publication = publish_as(publisher, *arguments)
        for placed in late:
            place(*placed)
        return publication

    broken.setattr(Publisher, "_publish_as", publish_and_place)


def forget_what_was_accepted(broken: pytest.MonkeyPatch) -> None:
    newest = ReleaseReader._newest_entry
    broken.setattr(ReleaseReader, "_newest_entry", lambda self, model, channel, _: newest(self, model, channel, None))


def call_the_unknown_failed(broken: pytest.MonkeyPatch) -> None:
    told_apart = creation._told_apart

    def known(*arguments: Any) -> Any:
        try:
            return told_apart(*arguments)
        except OutcomeUnknown as unknown:
            raise Unreachable("connection", unknown.fact, remedy="publish again.") from unknown

    broken.setattr(creation, "_told_apart", known)


def ask_the_last_attempt_alone(broken: pytest.MonkeyPatch) -> None:
    broken.setattr(s3_client, "_uncertain", lambda _: False)


FOUND_SOON = (
    skip_the_readback,
    overwrite,
    believe_the_hint,
    name_files_before_they_are_there,
    call_the_unknown_failed,
    ask_the_last_attempt_alone,
)
FOUND_LATE = (forget_what_was_accepted,)
"""Within a few hundred histories; the others need a dozen."""


def sweep(machine: type[ProtocolMachine], reply: Reply) -> None:
    """Promote a release once for every request that it takes, and let that request meet `reply`."""
    for fault in range(CALLS_OF_A_PROMOTION):
        run_of_one = machine()
        run_of_one.find(released=2, promoted=1)
        run_of_one.promote(0, Course(Pace.STAYS), which=1)
        for call in range(3 * CALLS_OF_A_PROMOTION):
            run_of_one.step(0, reply if call == fault else Reply.SERVED)
        run_of_one.teardown()


@pytest.mark.parametrize("reply", Reply, ids=str)
def test_every_request_of_a_promotion_may_fail_in_every_way(machine: type[ProtocolMachine], reply: Reply) -> None:
    sweep(machine, reply)


@pytest.mark.parametrize(
    ("fault", "reply"),
    [
        (skip_the_readback, Reply.LOST_REPLY),
        (skip_the_readback, Reply.ERROR_AFTER),
        (believe_the_hint, Reply.CRASH_AFTER),
    ],
)
def test_a_single_fault_finds_what_is_broken(
    machine: type[ProtocolMachine],
    monkeypatch: pytest.MonkeyPatch,
    fault: Callable[[pytest.MonkeyPatch], None],
    reply: Reply,
) -> None:
    fault(monkeypatch)

    with pytest.raises((AssertionError, EduStreamError)):
        sweep(machine, reply)


@pytest.mark.parametrize("fault", [*FOUND_SOON, *(pytest.param(each, marks=pytest.mark.prove) for each in FOUND_LATE)])
def test_the_machine_finds_what_is_broken(
    machine: type[ProtocolMachine], monkeypatch: pytest.MonkeyPatch, fault: Callable[[pytest.MonkeyPatch], None]
) -> None:
    fault(monkeypatch)

    with pytest.raises((AssertionError, EduStreamError)):
        run(machine, 3_000, phases=[Phase.generate], database=None)
