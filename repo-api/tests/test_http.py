"""The HTTP surface as a client sees it, state by state and mistake by mistake."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from clients import JSON, client_of, keeper_of, pointers, problem_of
from consumers import BUDGET_S, ConsumerBench, version
from drifting import release
from edustream_contracts.contract import ModelContract, contract_from
from edustream_registry.inference.session import Inference
from edustream_registry.manifest import ModelOutputs
from edustream_registry.testing.onnx_models import constant_model, tenure_model, tenure_probability
from exposition import samples
from inference_requests import request
from onnx import TensorProto
from starlette.testclient import TestClient

from edustream_api.states import State


@pytest.fixture
def client(bench: ConsumerBench) -> Iterator[TestClient]:
    bench.release("1.0.0")
    with client_of(bench.consumer()) as client:
        yield client


class TestPredict:
    def test_answers_one_row(self, shared_client: TestClient, row: dict[str, Any]) -> None:
        response = shared_client.post("/predict", json={**row, "tenure": 12})
        assert response.status_code == 200
        answer = response.json()
        assert answer.pop("probability") == pytest.approx(tenure_probability(12), abs=1e-6)
        assert answer == {"prediction": "No", "model": "churn", "model_version": "1.0.0"}

    @pytest.mark.parametrize(
        "change", [{"tenure": 12.0}, {"total_charges": None}, {"monthly_charges": 0}, {"monthly_charges": 1e2}]
    )
    def test_accepts_what_json_schema_calls_valid(
        self, shared_client: TestClient, row: dict[str, Any], change: dict[str, Any]
    ) -> None:
        assert shared_client.post("/predict", json={**row, **change}).status_code == 200

    def test_accepts_a_charset_and_a_name_with_escapes(self, shared_client: TestClient, row: dict[str, Any]) -> None:
        body = json.dumps(row).replace('"DSL"', '"\\u0044SL"')
        headers = {"content-type": "Application/JSON; charset=utf-8"}
        assert shared_client.post("/predict", content=body, headers=headers).status_code == 200

    @pytest.mark.parametrize(
        ("change", "pointer", "words"),
        [
            ({"tenure": "12"}, "/tenure", 'is "12"; a whole number from 0 to 120 month is allowed (Whole months that'),
            ({"tenure": 12.5}, "/tenure", "is 12.5 month; a whole number from 0 to 120 month"),
            ({"tenure": True}, "/tenure", "is true; a whole number from 0 to 120 month"),
            ({"tenure": None}, "/tenure", "is null; a whole number from 0 to 120 month"),
            ({"tenure": -1}, "/tenure", "is -1 month; a whole number from 0 to 120 month"),
            ({"tenure": 10**30}, "/tenure", "month; a whole number from 0 to 120 month"),
            ({"monthly_charges": False}, "/monthly_charges", "number"),
            ({"internet_service": "dsl"}, "/internet_service", "DSL"),
            ({"internet_service": ["DSL"]}, "/internet_service", ""),
            ({"customer/id": 7}, "/customer~1id", "not a field"),
        ],
    )
    def test_names_the_field_at_fault(
        self, shared_client: TestClient, row: dict[str, Any], change: dict[str, Any], pointer: str, words: str
    ) -> None:
        document = problem_of(shared_client.post("/predict", json={**row, **change}), 422)
        assert pointer in pointers(document)
        assert any(words in error["detail"] for error in document["errors"])

    def test_names_every_field_at_fault(self, shared_client: TestClient, row: dict[str, Any]) -> None:
        bad = {**row, "tenure": "x", "monthly_charges": 501, "surprise": 1}
        del bad["contract"]
        document = problem_of(shared_client.post("/predict", json=bad), 422)
        assert sorted(set(pointers(document))) == ["/contract", "/monthly_charges", "/surprise", "/tenure"]

    def test_names_all_fields_of_an_empty_object(self, shared_client: TestClient, contract: ModelContract) -> None:
        document = problem_of(shared_client.post("/predict", json={}), 422)
        assert sorted(pointers(document)) == sorted(f"/{field.name}" for field in contract.inputs)

    @pytest.mark.parametrize("body", ["[]", "null", "7", '"row"', "true", "[" * 900 + "]" * 900])
    def test_refuses_what_is_no_object(self, shared_client: TestClient, body: str) -> None:
        problem_of(shared_client.post("/predict", content=body, headers=JSON), 422)

    @pytest.mark.parametrize(
        "body",
        ["", "{", "tenure=12", '{"tenure": 1,}', "\x00", '"\\ud800"', "[" * 2000 + "]" * 2000, "9" * 5000, "NaN"],
    )
    def test_refuses_what_is_no_json(self, shared_client: TestClient, body: str) -> None:
        problem_of(shared_client.post("/predict", content=body, headers=JSON), 400)

    def test_refuses_bytes_that_are_no_text(self, shared_client: TestClient) -> None:
        problem_of(shared_client.post("/predict", content=b'{"a": "\xff"}', headers=JSON), 400)

    @pytest.mark.parametrize("token", ["NaN", "Infinity", "-Infinity", "1e400"])
    def test_names_numbers_that_json_does_not_allow(
        self, shared_client: TestClient, row: dict[str, Any], token: str
    ) -> None:
        body = json.dumps({**row, "tenure": 11, "monthly_charges": "HERE"}).replace('"HERE"', token)
        document = problem_of(shared_client.post("/predict", content=body, headers=JSON), 400)
        assert pointers(document) == ["/monthly_charges"]

    def test_names_keys_that_occur_twice(self, shared_client: TestClient, row: dict[str, Any]) -> None:
        body = json.dumps(row)[:-1] + ', "tenure": 3, "tenure": 4}'
        document = problem_of(shared_client.post("/predict", content=body, headers=JSON), 400)
        assert document["errors"] == [{"pointer": "/tenure", "detail": "occurs 3 times"}]

    @pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", ""])
    def test_refuses_other_media_types(self, shared_client: TestClient, row: dict[str, Any], media_type: str) -> None:
        response = shared_client.post("/predict", content=json.dumps(row), headers={"content-type": media_type})
        problem_of(response, 415)

    @pytest.mark.parametrize("path", ["/predict", "/predict/batch"])
    @pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"])
    def test_takes_post_only(self, shared_client: TestClient, path: str, method: str) -> None:
        response = shared_client.request(method, path)
        problem_of(response, 405)
        assert response.headers["allow"] == "POST"


class TestLength:
    def test_refuses_a_stated_length_over_the_limit(self, shared_client: TestClient) -> None:
        response = shared_client.post("/predict", content=b" " * (1024 * 1024 + 1), headers=JSON)
        problem_of(response, 413)
        assert response.headers["connection"] == "close"

    def test_refuses_a_stream_over_the_limit(self, shared_client: TestClient) -> None:
        def chunks() -> Iterator[bytes]:
            yield from (b" " * 400_000 for _ in range(5))

        problem_of(shared_client.post("/predict", content=chunks(), headers=JSON), 413)

    def test_reads_a_stream_within_the_limit(self, shared_client: TestClient, row: dict[str, Any]) -> None:
        def chunks() -> Iterator[bytes]:
            yield from (bytes([byte]) for byte in json.dumps(row).encode())

        assert shared_client.post("/predict", content=chunks(), headers=JSON).status_code == 200


class TestBatch:
    def test_answers_in_order(self, shared_client: TestClient, row: dict[str, Any]) -> None:
        rows = [{**row, "tenure": tenure} for tenure in (100, 0, 50)]
        answer = shared_client.post("/predict/batch", json={"rows": rows}).json()
        assert answer["model_version"] == "1.0.0"
        assert [one["probability"] for one in answer["predictions"]] == [
            pytest.approx(tenure_probability(tenure), abs=1e-6) for tenure in (100, 0, 50)
        ]

    def test_names_bad_rows_by_index(self, shared_client: TestClient, row: dict[str, Any]) -> None:
        rows = [row, {**row, "tenure": "x"}, row, {**row, "surprise": 1}]
        document = problem_of(shared_client.post("/predict/batch", json={"rows": rows}), 422)
        assert pointers(document) == ["/rows/1/tenure", "/rows/3/surprise"]

    def test_names_duplicate_keys_by_index(self, shared_client: TestClient, row: dict[str, Any]) -> None:
        body = '{"rows": [' + json.dumps(row) + ", " + json.dumps(row)[:-1] + ', "tenure": 3}]}'
        document = problem_of(shared_client.post("/predict/batch", content=body, headers=JSON), 400)
        assert pointers(document) == ["/rows/1/tenure"]

    @pytest.mark.parametrize(
        ("document", "pointer"),
        [
            ({}, "/rows"),
            ({"a/b~c": 1, "rows": []}, "/a~1b~0c"),
            ({"rows": []}, "/rows"),
            ({"rows": {}}, "/rows"),
            ({"rows": [{}], "limit": 3}, "/limit"),
            ([], ""),
            ({"rows": [7]}, "/rows/0"),
        ],
    )
    def test_names_what_is_wrong_with_the_envelope(
        self, shared_client: TestClient, document: Any, pointer: str
    ) -> None:
        assert pointer in pointers(problem_of(shared_client.post("/predict/batch", json=document), 422))

    def test_limits_the_rows(self, shared_client: TestClient, row: dict[str, Any]) -> None:
        problem_of(shared_client.post("/predict/batch", json={"rows": [row] * 6}), 413)

    def test_counts_errors_that_are_too_many_to_list(self, bench: ConsumerBench) -> None:
        bench.release("1.0.0")
        with client_of(bench.consumer()) as client:
            document = problem_of(client.post("/predict/batch", json={"rows": [{}] * 100}), 422)
        # Of 19 each, 53 rows have more than are listed; the others count once.
        assert (len(document["errors"]), document["errors_omitted"]) == (1000, 53 * 19 + 47 - 1000)


class TestReadings:
    def test_model(self, client: TestClient, bench: ConsumerBench) -> None:
        document = client.get("/model").json()
        assert (document["model"], document["version"]) == ("churn", "1.0.0")
        assert document["channel"]["sequence"] == 1
        assert document["signed_by"] == [bench.registry.signer.public.key_id]
        assert document["metrics"] == {"roc_auc": 0.85}
        assert document["golden_rows_replayed"] == 3

    def test_model_of_an_exact_version_names_no_channel(self, bench: ConsumerBench) -> None:
        bench.release("1.0.0", promote=False)
        with client_of(bench.consumer(model=("churn@1.0.0",))) as client:
            assert client.get("/model").json()["channel"] is None

    def test_contract(self, client: TestClient, contract: ModelContract) -> None:
        assert client.get("/contract").json() == contract.document

    def test_health(self, client: TestClient) -> None:
        document = client.get("/health").json()
        assert (document["state"], document["ready"], document["staleness_s"]) == ("READY", True, 0)
        assert document["last_refusal"] is None

    def test_health_tells_what_was_refused(self, bench: ConsumerBench) -> None:
        bench.release("1.0.0")
        consumer = bench.consumer()
        with client_of(consumer) as client:
            bench.release("1.1.0", golden=bench.golden(scale=-0.5))
            keeper_of(consumer).poll()
            document = client.get("/health").json()
            assert document["state"] == "READY"
            assert document["last_refusal"]["kind"] == "golden"
            assert document["last_refusal"]["problems"]
            assert client.get("/model").json()["version"] == "1.0.0"
            assert 'edustream_rejections_total{model="churn",reason="golden"} 1.0' in client.get("/metrics").text

    def test_probes(self, client: TestClient) -> None:
        assert client.get("/health/live").json() == {"status": "live"}
        assert client.get("/health/ready").json() == {"status": "ready", "state": "READY"}

    @pytest.mark.parametrize("path", ["/", "/nowhere", "/predict/", "/model/churn", "/metrics/x"])
    def test_unknown_paths(self, shared_client: TestClient, path: str) -> None:
        problem_of(shared_client.get(path), 404)

    @pytest.mark.parametrize(
        "path",
        ["/model/", "/models/", "/models/churn/", "/models/churn/health/", "/health/ready/", "/docs/", "/v2/",
         "/v2/models/churn/", "/static-offline-docs", "/openapi.json/"],
    )  # fmt: skip
    def test_sends_nobody_to_another_address(self, shared_client: TestClient, path: str) -> None:
        """That address would be made of the Host header, which is the caller's, and of the scheme behind a proxy."""
        for method in ("GET", "POST"):
            response = shared_client.request(method, path, follow_redirects=False)
            assert "location" not in response.headers
            if path.startswith("/v2/"):
                assert (response.status_code, list(response.json())) == (404, ["error"])
            else:
                problem_of(response, 404)

    @pytest.mark.parametrize(
        "path", ["/model", "/health", "/health/ready", "/metrics", "/docs", "/openapi.json", "/v2"]
    )
    def test_head_is_answered_as_get_without_a_body(self, shared_client: TestClient, path: str) -> None:
        whole, head = shared_client.get(path), shared_client.head(path)
        assert (head.status_code, head.content) == (whole.status_code, b"")
        assert head.headers["content-type"] == whole.headers["content-type"]

    @pytest.mark.parametrize("path", ["/model", "/health", "/metrics", "/docs", "/openapi.json"])
    def test_wrong_methods(self, shared_client: TestClient, path: str) -> None:
        response = shared_client.post(path, json={})
        problem_of(response, 405)
        assert "GET" in response.headers["allow"]


def deletion(bench: ConsumerBench) -> None:
    bench.release("1.0.0")
    bench.delete("model.onnx")


def corruption(bench: ConsumerBench) -> None:
    bench.release("1.0.0", golden=bench.golden(scale=-0.5))


def other_contract(bench: ConsumerBench) -> None:
    numbers = tuple(reversed(bench.contract.numeric))
    content, _ = bench.content("0.9.0")
    tensors = (content.inputs[0].model_copy(update={"columns": numbers}), content.inputs[1])
    bench.release("1.0.0", inputs=tensors)


def outage(bench: ConsumerBench) -> None:
    bench.registry.store.cut_off = True


class TestRejectedGoldenVectors:
    POINTER = "/rows/1/output/probability"
    WORDS = "is 0.354343712 and was recorded as 0.00247262316: 0.352 apart, 1e-05 allowed"

    def test_health_and_probes_say_which_row_which_field_and_by_how_much(
        self, bench: ConsumerBench, row: dict[str, Any]
    ) -> None:
        corruption(bench)
        with client_of(bench.consumer()) as client:
            told = {"pointer": self.POINTER, "detail": self.WORDS}
            for response in (client.get("/health/ready"), client.post("/predict", json=row)):
                document = problem_of(response, 503)
                assert document["reason"] == "REJECTED"
                assert "2 of 3 golden rows; the largest difference is 0.352" in document["detail"]
                assert told in document["errors"]
            health = client.get("/health").json()
            assert (health["state"], health["error"]["kind"]) == ("REJECTED", "golden")
            assert told in health["error"]["problems"]
            assert health["last_refusal"] == {"at": health["last_refusal"]["at"], **health["error"]}


class TestStates:
    @pytest.mark.parametrize(
        ("damage", "state"),
        [
            (deletion, State.NO_RELEASE),
            (corruption, State.REJECTED),
            (other_contract, State.INCOMPATIBLE),
            (outage, State.UNREACHABLE),
        ],
    )
    def test_not_serving(
        self, bench: ConsumerBench, row: dict[str, Any], damage: Callable[[ConsumerBench], None], state: State
    ) -> None:
        damage(bench)
        with client_of(bench.consumer()) as client:
            assert client.get("/health/live").status_code == 200
            assert client.get("/health").json()["state"] == state.value
            asked = [client.get("/health/ready"), client.get("/model"), client.post("/predict", json=row)]
            asked.append(client.post("/predict/batch", json={"rows": [row]}))
            assert [problem_of(response, 503)["reason"] for response in asked] == [state.value] * 4
            assert client.get("/contract").status_code == 200
            assert client.get("/openapi.json").status_code == 200
            assert f'edustream_state{{model="churn",state="{state.value}"}} 1.0' in client.get("/metrics").text

    def test_degraded_serves(self, bench: ConsumerBench, row: dict[str, Any]) -> None:
        bench.release("1.0.0")
        consumer = bench.consumer(staleness_budget_s=BUDGET_S)
        with client_of(consumer) as client:
            outage(bench)
            bench.registry.clock.advance(60)
            keeper_of(consumer).poll()
            assert client.get("/health/ready").json() == {"status": "ready", "state": "DEGRADED"}
            assert client.post("/predict", json=row).status_code == 200
            assert client.get("/health").json()["staleness_s"] == 60
            assert 'edustream_staleness_seconds{model="churn"} 60.0' in client.get("/metrics").text
            bench.registry.clock.advance(BUDGET_S)
            keeper_of(consumer).poll()
            assert problem_of(client.post("/predict", json=row), 503)["reason"] == "UNREACHABLE"

    def test_without_any_contract_there_is_a_document_all_the_same(self, bench: ConsumerBench) -> None:
        with client_of(bench.consumer(contract="any")) as client:
            assert problem_of(client.get("/contract"), 503)["reason"] == "NO_RELEASE"
            assert client.get("/openapi.json").json()["openapi"] == "3.1.0"

    def test_a_swap_is_seen_by_the_next_request(self, bench: ConsumerBench, row: dict[str, Any]) -> None:
        bench.release("1.0.0")
        consumer = bench.consumer()
        with client_of(consumer) as client:
            bench.release("1.1.0", scale=0.05)
            assert client.post("/predict", json=row).json()["model_version"] == "1.0.0"
            keeper_of(consumer).poll()
            assert client.post("/predict", json=row).json()["model_version"] == "1.1.0"
            text = client.get("/metrics").text
            assert 'edustream_swaps_total{model="churn"} 2.0' in text
            assert 'version="1.1.0"' in text
            assert 'version="1.0.0"' not in text


class TestOddAnswers:
    def test_a_model_that_gives_no_number_is_told_so(self, bench: ConsumerBench, row: dict[str, Any]) -> None:
        bench.release("1.0.0")
        consumer = bench.consumer()
        with client_of(consumer) as client:
            serving = keeper_of(consumer).snapshot.serving
            assert serving is not None
            nan = Inference(
                constant_model(bench.contract, float("nan")), serving.release.manifest.content, bench.contract
            )
            keeper_of(consumer).snapshot = replace(
                keeper_of(consumer).snapshot, serving=replace(serving, inference=nan)
            )
            problem_of(client.post("/predict", json=row), 500)

    @pytest.mark.parametrize(
        ("answer", "outputs", "told"),
        [
            (
                {"type": "string", "enum": ["No", "Yes"]},
                ModelOutputs(label="label"),
                'label is "Perhaps"; the contract admits one of "No", "Yes"',
            ),
            (
                {"type": "number", "maximum": 5, "x-unit": "USD"},
                ModelOutputs(label="scaled"),
                "label is 9.999999980506448e+18 USD; the contract admits a number at most 5 USD",
            ),
            (
                {"type": "integer"},
                ModelOutputs(label="scaled"),
                "label is 9999999980506447872; an answer holds whole numbers of 64 bits",
            ),
        ],
    )
    def test_what_the_contract_does_not_admit_is_no_answer(
        self, bench: ConsumerBench, answer: dict[str, Any], outputs: ModelOutputs, told: str
    ) -> None:
        good = answer.get("enum", [0])[0]
        properties = {"label": {"description": "What is asked", **answer}}
        output = {**bench.contract.document["output"], "properties": properties, "required": ["label"]}
        contract = contract_from({**bench.contract.document, "output": {**output, "examples": [{"label": good}]}})
        row = {**contract.example(), "tenure": 0}
        model = tenure_model(
            contract, scale=1e17, classes=("No", "Perhaps"), extra_outputs=[("scaled", TensorProto.FLOAT)]
        )
        golden = [{"input": row, "output": {"label": good}}]
        release(bench, "1.0.0", contract=contract, model=model, golden=golden, outputs=outputs)
        with client_of(bench.consumer(contract="any")) as client:
            assert client.post("/predict", json=row).json()["label"] == good
            before, rows = samples(client), client.get("/drift").json()["rows"]
            bad = {**row, "tenure": 100}
            detail = f"churn@1.0.0: {told}."
            assert problem_of(client.post("/predict", json=bad), 500)["type"] == "urn:edustream:problem:model-failed"
            assert problem_of(client.post("/predict", json=bad), 500)["detail"] == detail
            assert problem_of(client.post("/predict/batch", json={"rows": [row, bad]}), 500)["detail"] == detail
            inferred = client.post("/v2/models/churn/infer", json=request([row, bad]))
            assert (inferred.status_code, inferred.json()) == (500, {"error": detail})
            changed = {name for name, value in samples(client).items() if before.get(name) != value}
            assert {name for name in changed if not name.startswith("edustream_request")} == set()
            assert rows == client.get("/drift").json()["rows"] == 1

    def test_a_number_that_no_float32_holds_is_named(self, bench: ConsumerBench) -> None:
        document = json.loads(json.dumps(bench.contract.document))
        del document["input"]["properties"]["total_charges"]["maximum"]
        contract = contract_from(document)
        bench.release("1.0.0", contract=contract)
        with client_of(bench.consumer(contract="any")) as client:
            bad = {**contract.example(), "total_charges": 1e39}
            assert problem_of(client.post("/predict", json=bad), 422)["errors"] == [
                {
                    "pointer": "/total_charges",
                    "detail": "is 1e+39 USD; the model takes 32-bit numbers, up to 3.4e38",
                }
            ]

    def test_a_client_that_leaves_is_counted(self, bench: ConsumerBench) -> None:
        bench.release("1.0.0")
        consumer = bench.consumer()
        keeper_of(consumer).start()
        sent: list[Any] = []

        async def leave() -> dict[str, str]:
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "http", "method": "POST", "path": "/predict", "headers": []}
        asyncio.run(consumer.app(scope, leave, send))
        assert sent == []
        text = TestClient(consumer.app).get("/metrics").text
        assert 'edustream_requests_total{route="/predict",status="499"} 1.0' in text


@pytest.mark.parametrize("path", ["/predict", "/predict/batch", "/v2/models/churn/infer", "/explain"])
def test_an_answer_names_the_release_that_computed_it_though_another_one_serves_by_then(
    bench: ConsumerBench, row: dict[str, Any], monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    release(bench, "1.0.0")
    consumer = bench.consumer()
    with client_of(consumer) as client:
        keeper = keeper_of(consumer)
        assert keeper.snapshot.serving is not None
        inference = keeper.snapshot.serving.inference
        answers = inference.answers

        def swapped(rows: Any) -> Any:
            found = answers(rows)
            keeper.poll()
            return found

        monkeypatch.setattr(inference, "answers", swapped)
        bench.release("1.1.0")
        bodies = {"/predict/batch": {"rows": [row]}, "/v2/models/churn/infer": request([row])}
        answer = client.post(path, json=bodies.get(path, row)).json()
        assert (answer["model_version"], version(keeper)) == ("1.0.0", "1.1.0")


class TestEncodedBodies:
    PATHS = (
        "/predict",
        "/predict/batch",
        "/explain",
        "/v2/models/churn/infer",
        "/v2/models/churn/versions/1.0.0/infer",
    )

    @pytest.mark.parametrize("path", PATHS)
    def test_are_refused_wherever_a_body_is_read(
        self, shared_client: TestClient, row: dict[str, Any], path: str
    ) -> None:
        plain = json.dumps(row).encode()
        for body, coding in ((plain, "gzip"), (gzip.compress(plain), "GZIP"), (plain, "identity, br")):
            answer = shared_client.post(path, content=body, headers={**JSON, "content-encoding": coding})
            assert (answer.status_code, answer.headers["accept-encoding"]) == (415, "identity")
            assert f"The content encoding is {coding}; bodies are read as they are." in answer.text

    @pytest.mark.parametrize("path", PATHS)
    def test_are_told_apart_from_other_media_types(self, shared_client: TestClient, path: str) -> None:
        answer = shared_client.post(path, content=b"{}", headers={"content-type": "text/plain"})
        assert answer.status_code == 415
        assert "accept-encoding" not in answer.headers

    def test_are_not_those_that_say_that_they_are_plain(self, shared_client: TestClient, row: dict[str, Any]) -> None:
        answer = shared_client.post("/predict", json=row, headers={"content-encoding": "Identity"})
        assert answer.status_code == 200
