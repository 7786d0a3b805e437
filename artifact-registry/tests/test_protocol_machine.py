"""The real code keeps every promise in every history that Hypothesis draws, and a broken one is found out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from bucket_double import Process, Reply
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from protocol_machine import PROCESSES, ProtocolMachine, World

from edustream_contracts.contract import ModelContract
from edustream_contracts.errors import EduStreamError
from edustream_registry import writing
from edustream_registry.reading import ReleaseReader
from edustream_registry.s3_store import S3Store
from edustream_registry.store import WriteCondition
from edustream_registry.testing.simulator import write_release
from edustream_registry.writing import Author

CALLS_OF_A_PROMOTION = 12


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, contract: ModelContract) -> World:
    releases = []
    for number, digest in enumerate((contract.digest, contract.digest, "c" * 64)):
        directory = tmp_path_factory.mktemp("release")
        content = write_release(directory, contract, f"model {number}".encode())
        files = tuple(file for file in content.files if file.name != "contract.json")
        releases.append((content.model_copy(update={"files": files, "contract_digest": digest}), directory))
    return World([Process() for _ in range(PROCESSES)], releases)


@pytest.fixture
def machine(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[ProtocolMachine]]:
    # Back-off between attempts lets others go first; here the schedule says who goes first.
    monkeypatch.setattr(time, "sleep", lambda _: None)
    monkeypatch.setattr(ProtocolMachine, "world", world, raising=False)
    return ProtocolMachine


def run(machine: type[ProtocolMachine], examples: int, steps: int = 20, **options: Any) -> None:
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
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
    run(machine, 40, phases=[Phase.explicit, Phase.generate])


@pytest.mark.prove
def test_every_promise_holds_in_ten_thousand_histories(machine: type[ProtocolMachine]) -> None:
    run(machine, 10_000)


# --- a machine that cannot fail proves nothing: the code is broken on purpose ---


def skip_the_readback(broken: pytest.MonkeyPatch) -> None:
    def all_theirs(author: Author, key: str, statement: Any, *_: Any) -> tuple[writing.Landing, Any]:
        return writing.Landing.THEIRS, author.reader.statement(key, type(statement))

    broken.setattr(writing, "_told_apart", all_theirs)


def overwrite(broken: pytest.MonkeyPatch) -> None:
    put = S3Store.put
    broken.setattr(S3Store, "put", lambda self, key, data, _: put(self, key, data, WriteCondition.OVERWRITE))


def believe_the_hint(broken: pytest.MonkeyPatch) -> None:
    broken.setattr(ReleaseReader, "_probe", lambda _, entry: entry)


def sweep(machine: type[ProtocolMachine], reply: Reply) -> None:
    """Promote a release once for every request that it takes, and let that request meet `reply`."""
    for fault in range(CALLS_OF_A_PROMOTION):
        run_of_one = machine()
        run_of_one.find(released=2, promoted=True)
        run_of_one.promote(0, "1.0.1")
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


@pytest.mark.prove
@pytest.mark.parametrize(
    "fault",
    [
        overwrite,
    ],
)
def test_the_machine_finds_what_is_broken(
    machine: type[ProtocolMachine], monkeypatch: pytest.MonkeyPatch, fault: Callable[[pytest.MonkeyPatch], None]
) -> None:
    fault(monkeypatch)

    with pytest.raises((AssertionError, EduStreamError)):
        run(machine, 3_000, phases=[Phase.generate], database=None)
