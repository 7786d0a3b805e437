"""Each request by its id: in the answer, in problem documents, in the log; and what a log never holds."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest
from clients import JSON, client_of, keeper_of, problem_of
from consumers import ConsumerBench
from edustream_contracts.contract import ModelContract
from logs import LogStream
from starlette.testclient import TestClient

from edustream_api import request_context
from edustream_api.consumer import Consumer

OWN_ID = re.compile(r"[0-9a-f]{16}-[0-9a-f]+")
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE}-00f067aa0ba902b7-01"
PATHS = ("/predict", "/health", "/metrics", "/nowhere")


@pytest.fixture
def consumer(bench: ConsumerBench) -> Consumer:
    bench.release("1.0.0")
    return bench.consumer()


@pytest.fixture
def client(consumer: Consumer) -> Iterator[TestClient]:
    with client_of(consumer) as client:
        yield client


class TestIds:
    @pytest.mark.parametrize("path", PATHS)
    def test_every_answer_has_one_of_its_own(self, client: TestClient, path: str) -> None:
        first, second = (client.get(path).headers["x-request-id"] for _ in range(2))
        assert OWN_ID.fullmatch(first)
        assert first != second

    @pytest.mark.parametrize("path", PATHS)
    @pytest.mark.parametrize("given", ["a", "8f14e45f-ceea-467f-a1d3-91a5d3b0c0de", "Root=1-67891233-abc", "x" * 128])
    def test_a_sane_one_is_the_callers(self, client: TestClient, path: str, given: str) -> None:
        assert client.get(path, headers={"x-request-id": given}).headers["x-request-id"] == given

    @pytest.mark.parametrize("given", ["", "x" * 129, "a b", 'a"b', "a\\b", "a<b", "\xe9", "a\tb", "a;b", "a{}"])
    def test_any_other_is_replaced(self, client: TestClient, given: str) -> None:
        headers = {b"x-request-id": given.encode("latin-1")}
        assert OWN_ID.fullmatch(client.get("/health", headers=headers).headers["x-request-id"])

    @pytest.mark.parametrize(("method", "path"), [("POST", "/predict"), ("GET", "/nowhere"), ("POST", "/health")])
    def test_a_problem_names_its_request(self, client: TestClient, method: str, path: str) -> None:
        response = client.request(method, path, content=b"{", headers={**JSON, "x-request-id": "mine/1"})
        assert problem_of(response, response.status_code)["instance"] == "urn:edustream:request:mine/1"

    def test_an_example_of_a_problem_names_no_request(self, client: TestClient) -> None:
        assert "urn:edustream:request" not in client.get("/openapi.json").text

    def test_outside_of_a_request_there_is_none(self) -> None:
        assert request_context.current() is None
        request_context.answered_by("1.0.0")
        assert request_context.current() is None


class TestTraces:
    @pytest.mark.parametrize("path", PATHS)
    def test_a_callers_trace_is_answered_with_this_servers_span(self, client: TestClient, path: str) -> None:
        told = client.get(path, headers={"traceparent": TRACEPARENT}).headers["traceresponse"]
        assert re.fullmatch(rf"00-{TRACE}-(?!00f067aa0ba902b7)[0-9a-f]{{16}}-01", told)

    @pytest.mark.parametrize(
        "headers",
        [
            [],
            [("traceparent", "nonsense")],
            [("traceparent", TRACEPARENT), ("traceparent", TRACEPARENT)],
            [("tracestate", "a=1")],
        ],
    )
    def test_without_a_valid_one_no_trace_begins(self, client: TestClient, headers: list[tuple[str, str]]) -> None:
        assert "traceresponse" not in client.get("/health", headers=headers).headers

    def test_several_states_are_one(self, client: TestClient, stream: LogStream) -> None:
        headers = [("traceparent", TRACEPARENT), ("tracestate", "a=1"), ("tracestate", "b=2")]
        told = client.get("/nowhere", headers=headers).headers["traceresponse"]
        (line,) = stream.lines("request")
        assert (line["trace_id"], line["span_id"], line["tracestate"]) == (TRACE, told.split("-")[2], "a=1,b=2")
        assert line["parent_id"] == "00f067aa0ba902b7"


class TestLines:
    def test_a_failure_is_always_told(self, client: TestClient, stream: LogStream) -> None:
        response = client.post("/predict", json={})
        (line,) = stream.lines("request")
        assert line.pop("duration_s") > 0
        assert line.pop("timestamp")
        assert line == {
            "level": "WARNING",
            "logger": "edustream_api.requests",
            "event": "request",
            "method": "POST",
            "route": "/predict",
            "status": 422,
            "model_version": "1.0.0",
            "request_id": response.headers["x-request-id"],
        }

    def test_an_answer_is_told_where_it_is_asked_for(
        self, bench: ConsumerBench, row: dict[str, Any], stream: LogStream
    ) -> None:
        bench.release("1.0.0")
        for wanted, routes in ((False, []), (True, ["/predict", "/predict/batch", "/health"])):
            with client_of(bench.consumer(access_log=wanted)) as client:
                client.post("/predict", json=row)
                client.post("/predict/batch", json={"rows": [row]})
                client.get("/health")
            told = stream.lines("request")
            assert [line["route"] for line in told] == routes
        assert [line["model_version"] for line in told] == ["1.0.0", "1.0.0", None]
        assert {(line["level"], line["status"]) for line in told} == {("INFO", 200)}

    def test_what_a_request_causes_names_it(
        self, client: TestClient, consumer: Consumer, stream: LogStream, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def told(*names: object) -> Any:
            logging.getLogger("anything").warning("told of %s", names)
            raise ValueError

        monkeypatch.setattr(type(keeper_of(consumer)), "staleness_s", told)
        headers = {"x-request-id": "mine", "traceparent": TRACEPARENT}
        TestClient(consumer.app, raise_server_exceptions=False).get("/health", headers=headers)
        lines = stream.lines()
        assert len(lines) == 3
        assert {(line["request_id"], line["trace_id"]) for line in lines} == {("mine", TRACE)}

    def test_another_request_inherits_nothing(self, client: TestClient, stream: LogStream) -> None:
        client.get("/nowhere", headers={"x-request-id": "mine", "traceparent": TRACEPARENT})
        client.get("/nowhere")
        first, second = stream.lines("request")
        assert first["request_id"] == "mine"
        assert OWN_ID.fullmatch(second["request_id"])
        assert "trace_id" not in second

    def test_nothing_of_a_request_is_written(
        self, client: TestClient, contract: ModelContract, stream: LogStream
    ) -> None:
        secret = "s3cr3t"
        row = {**contract.example(), "contract": secret, secret: secret}
        headers = {**JSON, "authorization": secret, "x-api-key": secret, "x-request-id": f"{secret} {secret}"}
        for path in ("/predict", "/predict/batch", f"/{secret}", f"/predict?key={secret}"):
            for body in (json.dumps(row), json.dumps({"rows": [row]}), f'{{"{secret}": {secret}}}', secret):
                client.post(path, content=body, headers={**headers, "tracestate": f"a={secret}"})
        client.request(secret.upper(), "/predict", headers=headers)
        assert len(stream.lines("request")) == 17
        assert secret not in stream.getvalue()


class TestDefects:
    @pytest.fixture
    def broken(self, consumer: Consumer, monkeypatch: pytest.MonkeyPatch) -> TestClient:
        keeper_of(consumer).start()

        def defect(*_: Any) -> Any:
            raise KeyError("s3cr3t")

        monkeypatch.setattr(type(consumer.hosting.models[0]), "serving", defect)
        return TestClient(consumer.app)

    @pytest.mark.parametrize(("method", "path"), [("POST", "/predict"), ("POST", "/predict/batch"), ("GET", "/model")])
    def test_a_defect_is_a_problem_that_names_the_request_and_a_line_that_names_the_place(
        self, broken: TestClient, row: dict[str, Any], stream: LogStream, method: str, path: str
    ) -> None:
        document = problem_of(broken.request(method, path, json=row, headers={"x-request-id": "mine"}), 500)
        assert document["type"] == "urn:edustream:problem:internal-error"
        assert document["instance"] == "urn:edustream:request:mine"
        line, request = stream.lines()
        assert (line["event"], line["error"], line["request_id"]) == ("request_broke", "KeyError", "mine")
        assert line["where"][-1].startswith("test_request_log.py:")
        assert line["where"][-1].endswith(" in defect")
        assert (request["status"], request["level"]) == (500, "ERROR")
        assert "s3cr3t" not in stream.getvalue()
        assert f'edustream_requests_total{{route="{path}",status="500"}} 1.0' in broken.get("/metrics").text

    @pytest.mark.parametrize(("method", "path"), [("POST", "/predict"), ("GET", "/model"), ("GET", "/v2")])
    def test_one_in_the_gate_is_no_other(
        self, bench: ConsumerBench, stream: LogStream, monkeypatch: pytest.MonkeyPatch, method: str, path: str
    ) -> None:
        def defect(*_: Any) -> Any:
            raise KeyError("s3cr3t")

        bench.release("1.0.0")
        consumer = bench.consumer(rate_limit="1/hour", open_paths=("/metrics",))
        access = consumer.app._access
        assert access is not None
        monkeypatch.setattr(type(access.limits), "take", defect)
        with client_of(consumer) as client:
            response = client.request(method, path, headers={"x-request-id": "mine"})
            text = client.get("/metrics").text
        assert (response.status_code, response.headers["x-request-id"]) == (500, "mine")
        assert "could not be answered" in response.text
        (line,) = stream.lines("request_broke")
        assert (line["error"], line["request_id"]) == ("KeyError", "mine")
        (request,) = stream.lines("request")
        assert (request["status"], request["route"]) == (500, path)
        assert f'edustream_requests_total{{route="{path}",status="500"}} 1.0' in text
