from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
from clients import client_of, keeper_of, pointers, problem_of
from consumers import ConsumerBench
from drifting import profile, release
from edustream_contracts.contract import ModelContract, contract_from
from edustream_registry.testing.onnx_models import tenure_probability
from starlette.testclient import TestClient

from edustream_api.consumer import Consumer
from edustream_api.drift.reference import Reference


@pytest.fixture
def consumer(bench: ConsumerBench) -> Consumer:
    release(bench, "1.0.0")
    return bench.consumer()


@pytest.fixture
def client(consumer: Consumer) -> Iterator[TestClient]:
    with client_of(consumer) as client:
        yield client


def test_contributions_add_up_to_the_answer(client: TestClient, row: dict[str, Any], contract: ModelContract) -> None:
    asked = {**row, "tenure": 50}
    document = client.post("/explain", json=asked).json()
    assert (document["model"], document["model_version"]) == ("churn", "1.0.0")
    explanation = document["explanations"]["probability"]
    assert explanation["value"] == client.post("/predict", json=asked).json()["probability"]
    contributions = explanation["contributions"]
    total = sum(one["contribution"] for one in contributions)
    assert explanation["base"] + total == pytest.approx(explanation["value"], abs=1e-9)
    assert {one["field"]: one["value"] for one in contributions} == asked
    # The model looks at nothing else, and the profile's rows have 0 to 59 months.
    assert contributions[0]["field"] == "tenure"
    mean = sum(map(tenure_probability, range(60))) / 60
    assert contributions[0]["contribution"] == pytest.approx(tenure_probability(50) - mean, abs=0.01)
    assert {one["contribution"] for one in contributions[1:]} == {0.0}


def test_a_row_is_validated_as_in_predict(client: TestClient, row: dict[str, Any]) -> None:
    document = problem_of(client.post("/explain", json={**row, "tenure": -1}), 422)
    assert pointers(document) == ["/tenure"]


def test_explaining_changes_no_drift(client: TestClient, row: dict[str, Any]) -> None:
    before = client.get("/drift").json()
    client.post("/explain", json=row)
    assert client.get("/drift").json() == before


def test_another_release_is_explained_by_itself(
    client: TestClient, bench: ConsumerBench, consumer: Consumer, row: dict[str, Any]
) -> None:
    before = client.post("/explain", json=row).json()
    assert client.post("/explain", json=row).json() == before
    release(bench, "1.1.0", scale=0.05)
    keeper_of(consumer).poll()
    after = client.post("/explain", json=row).json()
    assert after["model_version"] == "1.1.0"
    assert after["explanations"]["probability"]["base"] > before["explanations"]["probability"]["base"]


def test_both_paths_of_a_model_share_what_is_drawn(
    client: TestClient, consumer: Consumer, row: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Reference] = []

    def no_features(reference: Reference) -> dict[str, dict[str, Any]]:
        drawn.append(reference)
        return {}

    monkeypatch.setattr("edustream_api.explanation._features", no_features)
    answers = [client.post(path, json=row).json() for path in ("/explain", "/models/churn/explain", "/explain")]
    assert answers[0] == answers[1] == answers[2]
    assert len(drawn) == 1


def test_a_release_that_was_swapped_out_leaves_nothing_in_memory(bench: ConsumerBench, row: dict[str, Any]) -> None:
    release(bench, "1.0.0")
    bench.registry.promote("churn", "1.0.0", "candidate")
    options: dict[str, Any] = {"split": ("candidate=50",), "shadow": ("candidate",), "shadow_sample": 1.0}
    consumer = bench.consumer(**options)
    (hosted,) = consumer.hosting.models
    with client_of(consumer) as client:
        for path in ("/explain", "/models/churn/explain", "/predict", "/v2/models/churn/infer"):
            for key in range(20):
                client.post(path, json=row, headers={"x-split-key": str(key)})
        assert hosted.shadow is not None
        hosted.shadow.score()
        keepers = [hosted.keeper, *hosted.challengers]
        gone = [weakref.ref(keeper.snapshot.serving.inference) for keeper in keepers if keeper.snapshot.serving]
        assert len(gone) == 2
        bench.release("1.1.0", scale=0.05)
        bench.registry.promote("churn", "1.1.0", "candidate")
        for keeper in keepers:
            keeper.poll()
        gc.collect()
        assert [reference() for reference in gone] == [None, None]


def test_a_release_without_a_profile_is_not_explained(bench: ConsumerBench, row: dict[str, Any]) -> None:
    bench.release("1.0.0")
    with client_of(bench.consumer()) as client:
        document = problem_of(client.post("/explain", json=row), 409)
        assert document["detail"] == "churn@1.0.0 has no baseline: The release has no profile.json."


def test_an_answer_without_a_number_is_not_explained(bench: ConsumerBench, row: dict[str, Any]) -> None:
    output = bench.contract.document["output"]
    only = {"prediction": output["properties"]["prediction"]}
    part = {**output, "properties": only, "required": ["prediction"], "examples": [{"prediction": "Yes"}]}
    contract = contract_from({**bench.contract.document, "output": part})
    golden = [
        {"input": one["input"], "output": {"prediction": one["output"]["prediction"]}} for one in bench.golden(-0.05)
    ]
    labels = {"kind": "categorical", "categories": ["No", "Yes"], "counts": [3000, 3000], "missing": 0}
    release(bench, "1.0.0", profile(prediction=labels), contract=contract, golden=golden)
    with client_of(bench.consumer(contract="any")) as client:
        detail = problem_of(client.post("/explain", json=row), 409)["detail"]
        assert detail == "churn@1.0.0 answers with no number that fields could add up to."
