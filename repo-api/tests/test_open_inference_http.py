"""The Open Inference Protocol over HTTP: its paths, statuses and errors, and rows checked like all others."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from clients import client_of
from consumers import ConsumerBench
from edustream_contracts.contract import contract_from
from inference_requests import in_bytes, request, tensor, tensors
from starlette.testclient import TestClient

from edustream_api.hosting import Hosting
from edustream_api.metrics import Metrics
from edustream_api.settings import ConsumerSettings
from edustream_api.web.app import build_app

INFER = "/v2/models/churn/infer"
VERSIONED = "/v2/models/churn/versions/1.0.0/infer"


def error_of(response: Any, status: int) -> str:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    (told,) = response.json().items()
    assert told[0] == "error"
    return str(told[1])


def test_server_and_models_tell_of_themselves(shared_client: TestClient) -> None:
    server = shared_client.get("/v2").json()
    assert (server["name"], server["extensions"]) == ("edustream-api", ["binary_tensor_data"])
    assert server["version"]
    assert shared_client.get("/v2/health/live").json() == {"live": True}
    assert shared_client.get("/v2/health/ready").json() == {"live": True, "ready": True}
    for path in ("/v2/models/churn", "/v2/models/churn/versions/1.0.0"):
        assert shared_client.get(path).json()["versions"] == ["1.0.0"]
        assert shared_client.get(f"{path}/ready").json() == {"name": "churn", "ready": True}


@pytest.mark.parametrize("path", [INFER, VERSIONED])
@pytest.mark.parametrize("binary", [False, True])
def test_rows_are_answered_as_everywhere_else(
    shared_client: TestClient, row: dict[str, Any], path: str, binary: bool
) -> None:
    rows = [row, {**row, "tenure": 100}]
    expected = shared_client.post("/predict/batch", json={"rows": rows}).json()["predictions"]
    document = request(rows, id="42", parameters={"binary_data_output": binary})
    body, headers = in_bytes(document) if binary else (json.dumps(document).encode(), {})
    response = shared_client.post(path, content=body, headers=headers)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == f"application/{'octet-stream' if binary else 'json'}"
    assert tensors(response) == {
        "prediction": [answer["prediction"] for answer in expected],
        "probability": [answer["probability"] for answer in expected],
    }
    header = json.loads(response.content[: int(response.headers.get("inference-header-content-length", 1 << 20))])
    assert (header["model_name"], header["model_version"], header["id"]) == ("churn", "1.0.0", "42")


def test_bad_rows_are_named_by_input_and_row(shared_client: TestClient, row: dict[str, Any]) -> None:
    rows = [row, {**row, "tenure": 500}, {**row, "internet_service": "Cable"}]
    lines = error_of(shared_client.post(INFER, json=request(rows)), 422).splitlines()
    assert lines[0] == "The inputs have 2 problems."
    assert lines[1].startswith("tenure[1]: is 500 month; a whole number from 0 to 120 month is allowed")
    assert lines[2].startswith('internet_service[2]: is "Cable"; one of')


def test_a_null_is_one_where_the_contract_admits_it(shared_client: TestClient, row: dict[str, Any]) -> None:
    assert shared_client.post(INFER, json=request([{**row, "total_charges": None}])).status_code == 200
    assert "tenure[0]: is null" in error_of(shared_client.post(INFER, json=request([{**row, "tenure": None}])), 422)
    nothing, headers = in_bytes(request([{**row, "total_charges": float("nan")}]))
    assert shared_client.post(INFER, content=nothing, headers=headers).status_code == 200
    document = request([row])
    tensor(document, "tenure").update(datatype="FP64", data=[float("nan")])
    body, headers = in_bytes(document)
    assert "tenure: has nan in row 0" in error_of(shared_client.post(INFER, content=body, headers=headers), 400)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e400"])
def test_what_is_no_number_in_json_is_refused(shared_client: TestClient, row: dict[str, Any], number: str) -> None:
    body = json.dumps(request([{**row, "total_charges": 31337.5}])).replace("31337.5", number)
    assert "/data/0" in error_of(shared_client.post(INFER, content=body), 400)


@pytest.mark.parametrize(
    ("headers", "status", "told"),
    [
        ({"content-type": "text/csv"}, 415, "The content type is text/csv"),
        ({"content-encoding": "gzip"}, 415, "The content encoding is gzip"),
        ({"inference-header-content-length": "-1"}, 400, "is '-1'; a number is expected"),
        ({"inference-header-content-length": "9" * 9}, 400, "is said to have 999999999 bytes"),
        ({"inference-header-content-length": "9" * 5000}, 400, "99…; a number is expected"),
    ],
)
def test_what_is_wrong_with_the_headers_is_told(
    shared_client: TestClient, row: dict[str, Any], headers: dict[str, str], status: int, told: str
) -> None:
    for path in (INFER, VERSIONED):
        body = json.dumps(request([row]))
        assert told in error_of(shared_client.post(path, content=body, headers=headers), status)


@pytest.mark.parametrize("member", ["datatype", "shape", "parameters"])
def test_what_is_nested_deeply_is_shown_shortly(shared_client: TestClient, row: dict[str, Any], member: str) -> None:
    deep = "[" * 990 + "]" * 990
    value = f'{{"binary_data_size": {deep}}}' if member == "parameters" else deep
    document = request([row])
    del document["inputs"][0]["data"]
    document["inputs"][0][member] = "HERE"
    body = json.dumps(document).replace('"HERE"', value)
    assert len(error_of(shared_client.post(INFER, content=body), 400)) < 1000


def test_the_limits_are_those_of_a_batch(shared_client: TestClient, row: dict[str, Any]) -> None:
    assert "has 6 rows; at most 5" in error_of(shared_client.post(INFER, json=request([row] * 6)), 413)
    for path in (INFER, VERSIONED):
        response = shared_client.post(path, content=b" " * (1024 * 1024 + 1))
        assert "longer than the 1048576 bytes" in error_of(response, 413)


def test_many_rows_are_answered_too(bench: ConsumerBench, row: dict[str, Any]) -> None:
    bench.release("1.0.0")
    with client_of(bench.consumer()) as client:
        response = client.post(INFER, json=request([{**row, "tenure": index % 120} for index in range(1000)]))
        assert len(tensors(response)["probability"]) == 1000


def test_what_is_not_there_is_said_in_the_protocols_own_form(shared_client: TestClient, row: dict[str, Any]) -> None:
    document = request([row])
    for path in ("/v2/models/weather", "/v2/models/churn/config", "/v2/models/churn/versions/1.0.0/config"):
        assert f"There is nothing at {path}" in error_of(shared_client.get(path), 404)
    assert "nothing at" in error_of(shared_client.post("/v2/models/weather/infer", json=document), 404)
    for path in ("/v2/models/churn/versions/2.0.0", "/v2/models/churn/versions/2.0.0/ready"):
        assert error_of(shared_client.get(path), 404).startswith("churn 2.0.0 is not served here; 1.0.0 is.")
    error_of(shared_client.post("/v2/models/churn/versions/2.0.0/infer", json=document), 404)
    for path in (INFER, VERSIONED):
        refused = shared_client.get(path)
        assert "takes POST, not GET" in error_of(refused, 405)
        assert refused.headers["allow"] == "POST"
    assert "not POST" in error_of(shared_client.post("/v2", json=document), 405)


def test_nothing_is_answered_while_nothing_is_served(bench: ConsumerBench, row: dict[str, Any]) -> None:
    with client_of(bench.consumer()) as client:
        assert client.get("/v2").status_code == 200
        assert client.get("/v2/health/live").status_code == 200
        for path in ("health/ready", "models/churn", "models/churn/ready", "models/churn/versions/1.0.0"):
            assert "churn@production is not served" in error_of(client.get(f"/v2/{path}"), 503)
        for path in (INFER, VERSIONED):
            assert "churn@production is not served" in error_of(client.post(path, json=request([row])), 503)


def test_each_model_answers_below_its_own_name(bench: ConsumerBench, row: dict[str, Any]) -> None:
    bench.release("1.0.0")
    fraud = contract_from({**bench.contract.document, "model": "fraud"})
    bench.release("1.2.0", contract=fraud, promote=False)
    both = bench.consumer(model=("churn@production", "fraud@^1"), contract="any")
    with client_of(both) as client:
        assert client.get("/v2/health/ready").status_code == 200
        for model, version in (("churn", "1.0.0"), ("fraud", "1.2.0")):
            answer = client.post(f"/v2/models/{model}/infer", json=request([row])).json()
            assert (answer["model_name"], answer["model_version"]) == (model, version)


def test_the_server_is_ready_when_every_model_is(bench: ConsumerBench) -> None:
    bench.release("1.0.0")
    with client_of(bench.consumer(model=("churn@production", "fraud@^1"), contract="any")) as client:
        assert "fraud@^1 is not served" in error_of(client.get("/v2/health/ready"), 503)
        assert client.get("/v2/models/churn/ready").status_code == 200
        error_of(client.get("/v2/models/fraud/ready"), 503)
    with TestClient(build_app(Hosting(()), Metrics({}), ConsumerSettings(), [])) as client:
        assert "No model is asked for" in error_of(client.get("/v2/health/ready"), 503)


@pytest.mark.parametrize("version", ["v2", "models", "churn", "versions", "ready", "1.0.0"])
def test_all_versions_are_one_route_also_those_that_are_called_like_a_part_of_it(
    bench: ConsumerBench, version: str
) -> None:
    bench.release("1.0.0")
    with client_of(bench.consumer()) as client:
        status = client.get(f"/v2/models/churn/versions/{version}/ready").status_code
        text = client.get("/metrics").text
    route = "/v2/models/churn/versions/{version}/ready"
    assert f'edustream_requests_total{{route="{route}",status="{status}"}} 1.0' in text


def test_requests_are_counted_by_route(bench: ConsumerBench, row: dict[str, Any]) -> None:
    bench.release("1.0.0")
    with client_of(bench.consumer()) as client:
        for version in ("1.0.0", "7.7.7"):
            client.post(f"/v2/models/churn/versions/{version}/infer", json=request([row]))
        client.post(INFER, json=request([row]))
        client.post(INFER, content=b"")
        counted = client.get("/metrics").text
    versioned = 'route="/v2/models/churn/versions/{version}/infer"'
    for labels in (f'{versioned},status="200"', f'{versioned},status="404"'):
        assert f"edustream_requests_total{{{labels}}} 1.0" in counted
    for status in (200, 400):
        assert f'edustream_requests_total{{route="{INFER}",status="{status}"}} 1.0' in counted


def test_observers_are_told_of_rows_that_were_answered_and_of_no_others(
    bench: ConsumerBench, row: dict[str, Any]
) -> None:
    bench.release("1.0.0")
    told: list[Any] = []
    consumer = bench.consumer()
    consumer.start()
    (hosted,) = consumer.hosting.models
    watched = replace(hosted, observers=(lambda *seen: told.append(seen),))
    with TestClient(build_app(Hosting((watched,)), Metrics({}), consumer.settings, [])) as client:
        for path in (INFER, VERSIONED):
            client.post(path, json=request([row, {**row, "tenure": 7}]))
            client.post(path, json=request([row, {**row, "tenure": 500}]))
    expected = ("1.0.0", [row["tenure"], 7], 2)
    assert [(model.version, [one["tenure"] for one in rows], len(answers)) for model, rows, answers in told] == [
        expected,
        expected,
    ]
