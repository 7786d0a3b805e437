"""A champion and a challenger over HTTP: who answers, what is told of it, and that nobody is left without an answer."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from challenged import CHALLENGER_SCALE, CHAMPION_SCALE, challenge, forgetful, hosted_of, rows_of, shadow_of, split_of
from clients import client_of, problem_of
from consumers import ConsumerBench, version
from drifting import release
from edustream_contracts.contract import contract_from
from edustream_registry.testing.onnx_models import tenure_probability
from inference_requests import request
from logs import LogStream
from openapi_spec_validator import OpenAPIV31SpecValidator

from edustream_api.challenger.split import Choice
from edustream_api.consumer import Consumer

SCALES = {
    "1.0.0": CHAMPION_SCALE,
    "1.1.0": CHALLENGER_SCALE,
    "1.2.0": CHAMPION_SCALE / 2,
    "1.3.0": CHALLENGER_SCALE * 2,
}
VERSIONS = {"champion": "1.0.0", "challenger": "1.1.0"}


def divided(bench: ConsumerBench, percent: float = 50, **changes: Any) -> Consumer:
    challenge(bench, **changes)
    return bench.consumer(split=(f"candidate={percent}",))


def key_of(consumer: Consumer, side: str) -> dict[str, str]:
    split = split_of(consumer)
    keys = (f"caller-{number}" for number in range(10_000))
    return {"x-split-key": next(key for key in keys if split.choose(key.encode()).side == side)}


@pytest.mark.parametrize("side", ["champion", "challenger"])
def test_the_release_of_its_side_answers_a_caller(bench: ConsumerBench, row: dict[str, Any], side: str) -> None:
    consumer = divided(bench)
    with client_of(consumer) as client:
        key = key_of(consumer, side)
        for tenure in (0, 7, 120):
            answer = client.post("/predict", json={**row, "tenure": tenure}, headers=key)
            assert (answer.headers["x-edustream-side"], answer.json()["model_version"]) == (side, VERSIONS[side])
            expected = tenure_probability(tenure, SCALES[VERSIONS[side]])
            assert answer.json()["probability"] == pytest.approx(expected, abs=1e-6)
        batch = client.post("/models/churn/predict/batch", json=rows_of(row, 1, 2), headers=key)
        assert (batch.headers["x-edustream-side"], batch.json()["model_version"]) == (side, VERSIONS[side])
        refused = client.post("/predict", json={}, headers=key)
        problem_of(refused, 422)
        assert refused.headers["x-edustream-side"] == side
        text = client.get("/metrics").text
    assert f'edustream_split_requests_total{{model="churn",side="{side}",status="200"}} 4.0' in text
    assert f'edustream_split_requests_total{{model="churn",side="{side}",status="422"}} 1.0' in text


@pytest.mark.parametrize("path", ["/predict", "/predict/batch", "/v2/models/churn/infer"])
def test_the_challenger_that_was_found_to_fit_answers_though_another_one_serves_by_then(
    bench: ConsumerBench, row: dict[str, Any], monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    document = json.loads(json.dumps(bench.contract.document))
    document["input"]["properties"]["tenure"]["maximum"] = 119
    narrow = contract_from(document)
    challenge(bench)
    consumer = bench.consumer(split=("candidate=50",), contract="any")
    with client_of(consumer) as client:
        split, key = split_of(consumer), key_of(consumer, "challenger")
        choose = split.choose
        bench.release("2.0.0", contract=narrow, golden=bench.golden(CHAMPION_SCALE)[:2], promote=False)
        bench.registry.promote("churn", "2.0.0", "candidate")

        def swapped(key: bytes) -> Choice:
            choice = choose(key)
            split.challenger.poll()
            return choice

        monkeypatch.setattr(split, "choose", swapped)
        asked = {**row, "tenure": 120}
        bodies = {"/predict/batch": {"rows": [asked]}, "/v2/models/churn/infer": request([asked])}
        answer = client.post(path, json=bodies.get(path, asked), headers=key)
        assert (answer.status_code, answer.json()["model_version"]) == (200, "1.1.0")
        assert answer.headers["x-edustream-side"] == "challenger"
        assert version(split.challenger) == "2.0.0"


def test_without_a_key_a_row_stays_on_one_side(bench: ConsumerBench, row: dict[str, Any]) -> None:
    with client_of(divided(bench)) as client:
        sides = {}
        for tenure in range(40):
            body = {**row, "tenure": tenure}
            first = client.post("/predict", json=body).headers["x-edustream-side"]
            again = client.post("/predict", json=dict(reversed(body.items()))).headers["x-edustream-side"]
            batch = client.post("/predict/batch", json=rows_of(row, tenure, 1)).headers["x-edustream-side"]
            assert first == again == batch
            sides[tenure] = first
        assert set(sides.values()) == {"champion", "challenger"}


def test_a_challenger_that_fails_on_a_row_leaves_it_to_the_champion(bench: ConsumerBench, row: dict[str, Any]) -> None:
    consumer = divided(bench, **forgetful(bench))
    with client_of(consumer) as client:
        key = key_of(consumer, "challenger")
        answer = client.post("/predict", json={**row, "tenure": 110}, headers=key)
        assert (answer.status_code, answer.json()["model_version"]) == (200, "1.0.0")
        assert answer.headers["x-edustream-side"] == "champion"
        split = client.get("/health").json()["split"]
        assert (split["fallbacks"], split["answered"]) == ({"model-failed": 1}, {"champion": 1, "challenger": 0})
        text = client.get("/metrics").text
    assert 'edustream_split_fallbacks_total{model="churn",reason="model-failed"} 1.0' in text


def test_a_challenger_that_cannot_be_explained_leaves_that_to_the_champion(
    bench: ConsumerBench, row: dict[str, Any]
) -> None:
    release(bench, "1.0.0", scale=CHAMPION_SCALE)
    bench.release("1.1.0", promote=False, scale=CHALLENGER_SCALE)
    bench.registry.promote("churn", "1.1.0", "candidate")
    consumer = bench.consumer(split=("candidate=50",))
    with client_of(consumer) as client:
        key = key_of(consumer, "challenger")
        answer = client.post("/explain", json=row, headers=key)
        assert (answer.status_code, answer.json()["model_version"]) == (200, "1.0.0")
        assert answer.headers["x-edustream-side"] == "champion"
        problem_of(client.post("/explain", json={}, headers=key), 422)
        split = client.get("/health").json()["split"]
    assert (split["fallbacks"], split["answered"]) == ({"not-explainable": 1}, {"champion": 1, "challenger": 1})


@pytest.mark.parametrize("path", ["/predict", "/predict/batch"])
def test_a_challenger_with_a_defect_leaves_the_request_to_the_champion_and_is_told_of(
    bench: ConsumerBench, row: dict[str, Any], stream: LogStream, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    def defect(*_: Any) -> Any:
        raise KeyError("s3cr3t")

    consumer = divided(bench)
    with client_of(consumer) as client:
        key = key_of(consumer, "challenger")
        challenger = split_of(consumer).challenger.snapshot.serving
        assert challenger is not None
        monkeypatch.setattr(challenger.inference, "answers", defect)
        answer = client.post(path, json=row if path == "/predict" else {"rows": [row]}, headers=key)
        assert (answer.status_code, answer.json()["model_version"]) == (200, "1.0.0")
        assert answer.headers["x-edustream-side"] == "champion"
        assert client.get("/health").json()["split"]["fallbacks"] == {"internal-error": 1}
    (line,) = stream.lines("request_broke")
    assert (line["error"], line["request_id"]) == ("KeyError", answer.headers["x-request-id"])
    assert "s3cr3t" not in stream.getvalue()


def test_a_challenger_that_cannot_be_served_changes_nothing_else(bench: ConsumerBench, row: dict[str, Any]) -> None:
    bench.release("1.0.0")
    consumer = bench.consumer(split=("candidate=99",), shadow=("churn@candidate",))
    with client_of(consumer) as client:
        assert client.get("/health/ready").status_code == 200
        for number in range(20):
            answer = client.post("/predict", json=row, headers={"x-split-key": str(number)})
            assert (answer.status_code, answer.json()["model_version"]) == (200, "1.0.0")
        health = client.get("/health").json()
        assert (health["state"], health["split"]["state"], health["shadow"]["state"]) == (
            "READY",
            "NO_RELEASE",
            "NO_RELEASE",
        )
        assert health["split"]["fallbacks"]["NO_RELEASE"] > 0
        assert client.get("/shadow").json()["challenger"]["error"]["kind"] == "channel_empty"
        assert client.get("/shadow").json()["comparison"] is None


def test_the_shadow_and_the_split_of_one_challenger_share_it(bench: ConsumerBench, row: dict[str, Any]) -> None:
    challenge(bench)
    consumer = bench.consumer(split=("candidate=50",), shadow=("candidate",), shadow_sample=1.0)
    hosted = hosted_of(consumer)
    assert len(hosted.challengers) == 1
    with client_of(consumer) as client:
        for side in ("champion", "challenger", "champion"):
            client.post("/predict", json=row, headers=key_of(consumer, side))
        shadow_of(consumer).score()
        report = client.get("/shadow").json()
    # Only what the champion answered is compared.
    assert report["comparison"]["rows"] == 2
    assert (report["comparison"]["champion"], report["comparison"]["challenger"]) == ("1.0.0", "1.1.0")
    assert (report["sample"], report["challenger"]["model_version"]) == (1.0, "1.1.0")


def test_the_shadow_and_the_split_may_be_of_two_challengers(bench: ConsumerBench, row: dict[str, Any]) -> None:
    challenge(bench)
    bench.release("1.2.0", scale=SCALES["1.2.0"], promote=False)
    consumer = bench.consumer(split=("candidate=50",), shadow=("churn@1.2.0",), shadow_sample=1.0)
    with client_of(consumer) as client:
        for side in ("champion", "challenger"):
            answer = client.post("/predict", json=row, headers=key_of(consumer, side)).json()
            assert answer["model_version"] == VERSIONS[side]
        shadow_of(consumer).score()
        comparison = client.get("/models/churn/shadow").json()["comparison"]
        text = client.get("/metrics").text
    assert (comparison["challenger"], comparison["rows"]) == ("1.2.0", 1)
    for reference in ("churn@candidate", "churn@1.2.0"):
        assert f'edustream_challenger_state{{model="churn",reference="{reference}",state="READY"}} 1.0' in text
        assert f'edustream_swaps_total{{model="{reference}"}} 1.0' in text
    assert 'edustream_shadow_rows_total{model="churn",outcome="compared"} 1.0' in text
    assert re.search(r'edustream_shadow_difference\{field="probability",model="churn",statistic="mean"\} 0\.\d', text)
    assert 'edustream_shadow_processor_seconds_count{model="churn",side="challenger"} 1.0' in text


def test_swaps_of_both_sides_under_way(bench: ConsumerBench, row: dict[str, Any]) -> None:
    consumer = divided(bench)
    hosted = hosted_of(consumer)
    (challenger,) = hosted.challengers
    bench.release("1.2.0", scale=SCALES["1.2.0"], promote=False)
    bench.release("1.3.0", scale=SCALES["1.3.0"], promote=False)
    with client_of(consumer) as client:
        keys = {side: key_of(consumer, side) for side in VERSIONS}
        for version, channel in (("1.2.0", "production"), ("1.3.0", "candidate"), ("1.0.0", "production")):
            bench.registry.promote("churn", version, channel)
            hosted.keeper.poll()
            challenger.poll()
            for side, keeper in (("champion", hosted.keeper), ("challenger", challenger)):
                answer = client.post("/predict", json={**row, "tenure": 9}, headers=keys[side]).json()
                assert keeper.snapshot.serving is not None
                assert answer["model_version"] == keeper.snapshot.serving.version
                expected = tenure_probability(9, SCALES[answer["model_version"]])
                assert answer["probability"] == pytest.approx(expected, abs=1e-6)


def test_a_split_states_needs_and_a_shadow_does_not(bench: ConsumerBench) -> None:
    challenge(bench)
    bench.release("1.2.0", promote=False)
    consumer = bench.consumer(consumer="api", split=("candidate=5",), shadow=("churn@1.2.0",))
    consumer.start()
    hosted = hosted_of(consumer)
    for needs in (hosted.needs, split_of(consumer).needs):
        assert needs is not None
        needs.look()
    stated = {(one.statement.needs.follows, one.statement.running) for one in bench.registry.consumer.living().stated}
    assert {version for _, version in stated} == {"1.0.0", "1.1.0"}


def test_without_a_shadow_there_is_no_report(bench: ConsumerBench) -> None:
    with client_of(divided(bench)) as client:
        assert "start with --shadow churn@candidate" in problem_of(client.get("/shadow"), 404)["detail"]
        problem_of(client.get("/models/churn/shadow"), 404)
        document = client.get("/openapi.json").json()
        OpenAPIV31SpecValidator(document).validate()
        assert set(document["paths"]["/shadow"]["get"]["responses"]) == {"200", "404"}


def test_a_model_that_is_not_split_says_nothing_of_sides(bench: ConsumerBench, row: dict[str, Any]) -> None:
    bench.release("1.0.0")
    with client_of(bench.consumer()) as client:
        assert "x-edustream-side" not in client.post("/predict", json=row).headers
