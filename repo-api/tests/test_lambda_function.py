"""The consumer as a Lambda function: every sender's events, and polls that happen between two of them."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from threading import Event
from typing import Any

import lambda_events
import pytest
from challenged import challenge, hosted_of, shadow_of
from clients import keeper_of
from consumers import BUDGET_S, ConsumerBench
from inference_requests import in_bytes, request

from edustream_api.consumer import Consumer
from edustream_api.lambda_function import LambdaFunction, LazyPoll
from edustream_api.polling import Poller

INTERVAL_S = 60.0
PATIENCE_S = 10.0
# Nothing here reads what AWS says of an invocation.
CONTEXT: Any = None


@pytest.fixture(autouse=True)
def loop() -> Iterator[None]:
    # Mangum sets an event loop for the whole life of a container.
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    asyncio.set_event_loop(None)
    loop.close()


def function(bench: ConsumerBench, **changes: Any) -> LambdaFunction:
    return function_of(started(bench), bench, **changes)


def started(bench: ConsumerBench, **changes: Any) -> Consumer:
    consumer = bench.consumer(poll_interval_s=INTERVAL_S, staleness_budget_s=BUDGET_S, **changes)
    consumer.start()
    return consumer


def function_of(consumer: Consumer, bench: ConsumerBench, **changes: Any) -> LambdaFunction:
    return LambdaFunction(consumer, bench.registry.clock, **changes)


def body_of(answer: dict[str, Any]) -> dict[str, Any]:
    body = answer["body"]
    document: dict[str, Any] = json.loads(base64.b64decode(body) if answer["isBase64Encoded"] else body)
    return document


SENDERS: dict[str, Callable[..., dict[str, Any]]] = {
    "REST API": lambda_events.rest_api,
    "HTTP API": lambda_events.http_api,
    "HTTP API with a stage": lambda *args, **kwargs: lambda_events.http_api(*args, **kwargs, stage="prod"),
    "function URL": lambda_events.function_url,
    "load balancer": lambda_events.load_balancer,
    "load balancer, several values": lambda *args, **kwargs: lambda_events.load_balancer(*args, **kwargs, several=True),
}


@pytest.mark.parametrize("encoded", [False, True], ids=["text", "base64"])
@pytest.mark.parametrize("sender", SENDERS)
def test_every_senders_events_are_answered(
    bench: ConsumerBench, row: dict[str, Any], sender: str, encoded: bool
) -> None:
    bench.release("1.0.0")
    handler, event = function(bench), SENDERS[sender]
    answer = handler(event("POST", "/predict", json.dumps(row).encode(), encoded=encoded), CONTEXT)
    assert (answer["statusCode"], answer["isBase64Encoded"]) == (200, False)
    assert body_of(answer)["model_version"] == "1.0.0"
    assert body_of(handler(event("GET", "/health/ready"), CONTEXT))["status"] == "ready"
    refused = handler(event("POST", "/predict", b'{"tenure": NaN}', encoded=encoded), CONTEXT)
    assert (refused["statusCode"], refused["isBase64Encoded"]) == (400, False)
    assert body_of(refused)["type"] == "urn:edustream:problem:malformed-json"
    headers = refused.get("headers") or {name: value for name, (value,) in refused["multiValueHeaders"].items()}
    assert headers["content-type"] == "application/problem+json"


def sent_from(event: dict[str, Any], address: str, forwarded: str) -> dict[str, Any]:
    """`event` as AWS would send it of a caller at `address`; `forwarded` is what the header holds then."""
    for found in (event["requestContext"].get("identity"), event["requestContext"].get("http")):
        if found:
            found["sourceIp"] = address
    if "headers" in event:
        event["headers"] = {**event["headers"], "x-forwarded-for": forwarded}
    if "multiValueHeaders" in event:
        event["multiValueHeaders"] = {**event["multiValueHeaders"], "x-forwarded-for": [forwarded]}
    return event


@pytest.mark.parametrize("sender", SENDERS)
def test_callers_are_told_apart_by_the_address_that_aws_vouches_for(bench: ConsumerBench, sender: str) -> None:
    bench.release("1.0.0")
    handler = function_of(started(bench, rate_limit="1/hour"), bench)

    def status(address: str, invented: str) -> int:
        event = SENDERS[sender]("GET", "/model")
        answer: int = handler(sent_from(event, address, f"{invented}{address}"), CONTEXT)["statusCode"]
        return answer

    assert status("203.0.113.7", "") == 200
    assert status("203.0.113.7", "198.51.100.1, ") == 429
    assert status("203.0.113.8", "203.0.113.7, ") == 200
    assert status("203.0.113.8", "203.0.113.9,") == 429


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize(
    ("first", "second"), [("203.0.113.7:4711", "203.0.113.7:4712"), ("[2001:db8::1]:1", "2001:db8::2")]
)
def test_a_port_behind_an_address_makes_no_other_caller(
    bench: ConsumerBench, first: str, second: str, several: bool
) -> None:
    bench.release("1.0.0")
    handler = function_of(started(bench, rate_limit="1/hour"), bench)
    events = [
        sent_from(lambda_events.load_balancer("GET", "/model", several=several), "", f"1.1.1.1, {one}")
        for one in (first, second)
    ]
    assert [handler(event, CONTEXT)["statusCode"] for event in events] == [200, 429]


def test_tensors_travel_as_bytes(bench: ConsumerBench, row: dict[str, Any]) -> None:
    bench.release("1.0.0")
    body, headers = in_bytes(request([row], parameters={"binary_data_output": True}))
    event = lambda_events.http_api("POST", "/v2/models/churn/infer", b"")
    event |= {"body": base64.b64encode(body).decode(), "isBase64Encoded": True}
    event["headers"] |= {**headers, "content-type": "application/octet-stream", "content-length": str(len(body))}
    answer = function(bench)(event, CONTEXT)
    assert (answer["statusCode"], answer["isBase64Encoded"]) == (200, True)
    length = int(answer["headers"]["inference-header-content-length"])
    assert json.loads(base64.b64decode(answer["body"])[:length])["model_version"] == "1.0.0"


def version_of(handler: LambdaFunction, row: dict[str, Any]) -> tuple[int, Any]:
    answer = handler(lambda_events.rest_api("POST", "/predict", json.dumps(row).encode()), CONTEXT)
    return answer["statusCode"], body_of(answer).get("model_version")


def test_a_release_is_swapped_in_by_the_first_request_after_the_interval(
    bench: ConsumerBench, row: dict[str, Any]
) -> None:
    bench.release("1.0.0")
    handler = function(bench, patience_s=60.0)
    bench.release("1.1.0", scale=0.05)
    assert version_of(handler, row) == (200, "1.0.0")
    bench.registry.clock.advance(INTERVAL_S)
    assert version_of(handler, row) == (200, "1.1.0")


def test_nothing_to_serve_is_a_503_with_its_reason_until_a_poll_finds_something(
    bench: ConsumerBench, row: dict[str, Any]
) -> None:
    handler = function(bench, patience_s=0.0)
    answer = handler(lambda_events.http_api("POST", "/predict", json.dumps(row).encode()), CONTEXT)
    assert (answer["statusCode"], body_of(answer)["reason"]) == (503, "NO_RELEASE")
    bench.release("1.0.0")
    bench.registry.clock.advance(INTERVAL_S)
    assert version_of(handler, row) == (200, "1.0.0")


def test_a_poll_that_takes_long_holds_no_request_up(bench: ConsumerBench, row: dict[str, Any]) -> None:
    bench.release("1.0.0")
    consumer = started(bench)
    answered, ended = Event(), Event()

    def slow_poll() -> None:
        answered.wait()
        keeper_of(consumer).poll()
        ended.set()

    handler = function_of(with_poller(consumer, slow_poll), bench, patience_s=0.0)
    bench.release("1.1.0", scale=0.05)
    bench.registry.clock.advance(INTERVAL_S)
    assert version_of(handler, row) == (200, "1.0.0")
    assert version_of(handler, row) == (200, "1.0.0")
    answered.set()
    ended.wait()
    assert version_of(handler, row) == (200, "1.1.0")


def test_no_request_waits_for_a_challenger_in_the_shadow(
    bench: ConsumerBench, row: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    challenge(bench)
    consumer = started(bench, shadow=("candidate",), shadow_sample=1.0)
    hosted = hosted_of(consumer)
    challenger = hosted.challengers[0].snapshot.serving
    assert challenger is not None
    answers = challenger.inference.answers
    answered, in_time = Event(), list[bool]()

    def slow(rows: Sequence[Any]) -> Any:
        in_time.append(answered.wait(PATIENCE_S))
        return answers(rows)

    monkeypatch.setattr(challenger.inference, "answers", slow)
    handler = function_of(consumer, bench, patience_s=60.0)
    for _ in range(2):
        bench.registry.clock.advance(1)
        assert version_of(handler, row) == (200, "1.0.0")
    answered.set()
    (comparison,) = handler._comparisons
    if thread := comparison.under_way():
        thread.join()
    bench.registry.clock.advance(1)
    thread = comparison.under_way()
    assert thread is not None
    thread.join()
    assert set(in_time) == {True}
    compared = shadow_of(consumer).comparison(hosted.serving(), challenger)
    assert compared is not None
    assert compared.compared == 2


def test_what_is_older_than_the_budget_answers_nothing_before_a_poll_confirms_it(
    bench: ConsumerBench, row: dict[str, Any]
) -> None:
    bench.release("1.0.0")
    handler = function(bench, patience_s=0.0)
    bench.registry.clock.advance(BUDGET_S + 1)
    bench.registry.store.cut_off = True
    assert version_of(handler, row) == (503, None)
    bench.registry.store.cut_off = False
    bench.registry.clock.advance(INTERVAL_S)
    assert version_of(handler, row) == (200, "1.0.0")


def test_a_release_behind_a_bad_one_that_stood_for_long_waits_for_no_poll(
    bench: ConsumerBench, row: dict[str, Any]
) -> None:
    bench.release("1.0.0")
    handler = function(bench)
    bench.release("1.1.0", model=b"no model")
    for _ in range(4):
        assert not handler._must_wait()
        bench.registry.clock.advance(BUDGET_S / 2)
        assert version_of(handler, row) == (200, "1.0.0")
    bench.registry.clock.advance(BUDGET_S + 1)
    assert handler._must_wait()


def with_poller(consumer: Consumer, poll: Callable[[], object]) -> Consumer:
    return replace(consumer, pollers=(Poller(poll, INTERVAL_S),))


def test_a_poll_is_due_once_an_interval_and_after_a_clock_was_put_back(bench: ConsumerBench) -> None:
    polls: list[None] = []
    clock = bench.registry.clock
    lazy = LazyPoll(Poller(lambda: polls.append(None), INTERVAL_S), clock)
    for step, expected in ((0, 0), (INTERVAL_S, 1), (1, 1), (-2, 2), (INTERVAL_S - 1, 2), (1, 3)):
        clock.advance(step)
        if thread := lazy.under_way():
            thread.join()
        assert len(polls) == expected
