"""Several models in one process: each with paths, a state and metrics of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from clients import address_of, client_of, problem_of
from consumers import ConsumerBench
from drifting import release
from edustream_contracts.contract import contract_from
from edustream_contracts.errors import InvalidInput
from openapi_spec_validator import OpenAPIV31SpecValidator
from starlette.testclient import TestClient

from edustream_api.consumer import Consumer
from edustream_api.hosting import Hosting
from edustream_api.metrics import Metrics
from edustream_api.settings import ConsumerSettings
from edustream_api.web.app import build_app

MODELS = ("churn@production", "fraud@^1")


@pytest.fixture
def consumer(bench: ConsumerBench) -> Consumer:
    release(bench, "1.0.0")
    fraud = contract_from({**bench.contract.document, "model": "fraud", "title": "Fraud"})
    release(bench, "1.2.0", contract=fraud, scale=0.05)
    return bench.consumer(model=MODELS, contract="any")


@pytest.fixture
def client(consumer: Consumer) -> Iterator[TestClient]:
    with client_of(consumer) as client:
        yield client


def test_each_answers_below_its_own_path(client: TestClient, row: dict[str, Any]) -> None:
    for model, version in (("churn", "1.0.0"), ("fraud", "1.2.0")):
        answer = client.post(f"/models/{model}/predict", json=row).json()
        assert (answer["model"], answer["model_version"]) == (model, version)
        batch = client.post(f"/models/{model}/predict/batch", json={"rows": [row]}).json()
        assert (batch["model"], batch["predictions"][0]["probability"]) == (model, answer["probability"])
        assert client.get(f"/models/{model}").json()["version"] == version
        assert client.get(f"/models/{model}/contract").json()["model"] == model
        assert client.get(f"/models/{model}/health").json()["reference"].startswith(f"{model}@")
        assert client.get(f"/models/{model}/health/ready").json()["status"] == "ready"


def test_a_path_that_names_no_model_is_none(client: TestClient, row: dict[str, Any]) -> None:
    problem_of(client.post("/predict", json=row), 404)
    problem_of(client.get("/model"), 404)
    problem_of(client.get("/models/weather"), 404)


def test_the_process_tells_of_all(client: TestClient) -> None:
    models = client.get("/models").json()["models"]
    assert [(one["model"], one["reference"], one["model_version"]) for one in models] == [
        ("churn", "churn@production", "1.0.0"),
        ("fraud", "fraud@^1", "1.2.0"),
    ]
    assert client.get("/health/ready").json() == {"status": "ready", "models": {"churn": "1.0.0", "fraud": "1.2.0"}}
    text = client.get("/metrics").text
    assert 'edustream_state{model="churn",state="READY"} 1.0' in text
    assert 'edustream_state{model="fraud",state="READY"} 1.0' in text
    assert 'edustream_swaps_total{model="fraud"} 1.0' in text


def test_one_that_cannot_be_served_harms_no_other(
    bench: ConsumerBench, consumer: Consumer, row: dict[str, Any]
) -> None:
    bench.delete("models/fraud/")
    with client_of(consumer) as client:
        assert client.post("/models/churn/predict", json=row).status_code == 200
        assert problem_of(client.post("/models/fraud/predict", json=row), 503)["reason"] == "NO_RELEASE"
        assert client.get("/models/churn/health/ready").status_code == 200
        problem_of(client.get("/health/ready"), 503)
        health = client.get("/health").json()
        assert (health["live"], health["ready"]) == (True, False)
        assert [one["state"] for one in health["models"].values()] == ["READY", "NO_RELEASE"]


def test_the_document_describes_exactly_the_paths_that_there_are(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    OpenAPIV31SpecValidator(document).validate()
    assert {"/models/churn/predict", "/models/fraud/predict/batch", "/models"} <= set(document["paths"])
    for path, item in document["paths"].items():
        for method, operation in item.items():
            address = address_of(path, operation)
            assert str(client.request(method, address, json={}).status_code) in operation["responses"]
            if method == "post":
                example = operation["requestBody"]["content"]["application/json"]["example"]
                assert client.post(address, json=example).status_code == 200


def test_two_references_to_one_model_are_refused(bench: ConsumerBench) -> None:
    with pytest.raises(InvalidInput, match=r"churn@production and churn@\^2 are two references to the model churn"):
        bench.consumer(model=("churn@production", "churn@^2"))


def test_fields_of_needs_say_whose_they_are(bench: ConsumerBench) -> None:
    with pytest.raises(InvalidInput, match="EDUSTREAM_SENDS has 'tenure', which does not say whose field it is"):
        bench.consumer(model=MODELS, contract="any", consumer="api", sends=("tenure",))
    bench.consumer(model=MODELS, contract="any", consumer="api", sends=("churn/tenure",), reads=("fraud/probability",))


@pytest.mark.parametrize("variable", ["sends", "reads"])
def test_fields_of_needs_are_of_a_model_that_is_served(bench: ConsumerBench, variable: str) -> None:
    fields: dict[str, Any] = {variable: ("churn/tenure", "fruad/price", "Fraud/price")}
    with pytest.raises(InvalidInput, match=rf"EDUSTREAM_{variable.upper()} has 'fruad/price', 'Fraud/price'") as caught:
        bench.consumer(model=MODELS, contract="any", consumer="api", **fields)
    assert caught.value.kind == "configuration"
    assert caught.value.fact.endswith("of no model that is served; there are: churn, fraud.")


def test_a_document_of_a_contract_for_each(bench: ConsumerBench) -> None:
    paths = []
    for name in ("churn", "fraud"):
        path = bench.directory / f"{name}.json"
        path.write_text(contract_text(bench, name))
        paths.append(str(path))
    consumer = bench.consumer(model=MODELS, contract=",".join(paths))
    pins = [hosted.keeper.pinned for hosted in consumer.hosting.models]
    assert [pin.model for pin in pins if pin] == ["churn", "fraud"]


def contract_text(bench: ConsumerBench, name: str) -> str:
    return json.dumps({**bench.contract.document, "model": name})


def test_a_process_of_no_model_is_never_ready(bench: ConsumerBench) -> None:
    app = build_app(Hosting(()), Metrics({}), ConsumerSettings(), [])
    with TestClient(app) as client:
        assert "No model is asked for" in problem_of(client.get("/health/ready"), 503)["detail"]
        assert client.get("/health").json()["ready"] is False
