"""Requests that the server's own OpenAPI document describes, valid and not, are answered as it says."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

import pytest
import schemathesis
from consumers import ConsumerBench
from drifting import release
from edustream_contracts.contract import contract_from
from schemathesis import BaseSchema, Config
from schemathesis.engine import Status, from_schema
from schemathesis.engine.events import FatalError, NonFatalError, ScenarioFinished

from edustream_api.consumer import Consumer

# 503 is documented: it says which state keeps predictions from being answered.
NOT_SERVING = {
    "positive_data_acceptance": {"expected-statuses": ["2XX", "404", "503"]},
    "not_a_server_error": {"expected-statuses": ["2XX", "4XX", "503"]},
}
# No schema of one tensor says that all of them together make rows: what they lack is a 400, too many of them are a 413.
TENSORS = {
    "include-path-regex": "/infer$",
    "checks": {"positive_data_acceptance": {"expected-statuses": ["2XX", "400", "404", "413", "503"]}},
}
EXAMPLES = 5


def serving(bench: ConsumerBench) -> Consumer:
    release(bench, "1.0.0")
    return bench.consumer()


def not_serving(bench: ConsumerBench) -> Consumer:
    return bench.consumer()


def several(bench: ConsumerBench) -> Consumer:
    fraud = contract_from({**bench.contract.document, "model": "fraud", "title": "Fraud"})
    release(bench, "1.0.0")
    release(bench, "1.2.0", contract=fraud)
    return bench.consumer(model=("churn@production", "fraud@^1"), contract="any")


def failures(schema: BaseSchema) -> list[str]:
    """What the checks, all of them, found: in examples, at the edges of each schema, at random, and in sequences."""
    found: list[str] = []
    for event in from_schema(schema).execute():
        if isinstance(event, NonFatalError | FatalError):
            found.append(str(event))
        elif isinstance(event, ScenarioFinished):
            for case, checks in event.recorder.checks.items():
                asked = event.recorder.cases[case].value
                for check in checks:
                    if check.status is Status.FAILURE and check.failure_info:
                        failure = check.failure_info.failure
                        answer = event.recorder.interactions[case].response
                        told = answer.content[:300] if answer else b""
                        found.append(f"{asked.method} {asked.formatted_path} {asked.body!r}: {failure} {told!r}")
    return found


@pytest.fixture(autouse=True)
def unlogged() -> Iterator[None]:
    """pytest keeps every line that is logged, and each refused request is one."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize(
    "state",
    [serving, not_serving, pytest.param(several, marks=pytest.mark.prove)],
    ids=lambda state: str(state.__name__),
)
def test_every_answer_is_the_described_one(bench: ConsumerBench, state: Callable[[ConsumerBench], Consumer]) -> None:
    consumer = state(bench)
    consumer.start()
    config = Config.from_dict(
        {
            "seed": 1,
            "generation": {"max-examples": EXAMPLES, "database": "none"},
            "operations": [TENSORS],
            "checks": NOT_SERVING if state is not_serving else {},
        }
    )
    schema = schemathesis.openapi.from_asgi("/openapi.json", consumer.app, config=config)
    assert failures(schema) == []
