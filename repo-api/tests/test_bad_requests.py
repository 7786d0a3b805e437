"""What breaks servers like this one: each mistake as a row, and in every row of a batch."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import pytest
from clients import JSON, client_of, pointers, problem_of
from consumers import ConsumerBench
from exposition import samples
from starlette.testclient import TestClient

ROWS = 3
DEPTH = 300
COUNTED = ("edustream_requests_total", "edustream_request_duration_seconds")

Damage: TypeAlias = Callable[[dict[str, Any]], str]


@dataclass(frozen=True)
class Mistake:
    """A row as text, wrong in one way: the status of the refusal, and where it points."""

    damage: Damage
    status: int
    pointer: str


def token(field: str, text: str) -> Damage:
    """The row with `text` for the value of a field, as it is."""
    return lambda row: json.dumps({**row, field: "HERE"}).replace('"HERE"', text)


def without(field: str) -> Damage:
    return lambda row: json.dumps({name: value for name, value in row.items() if name != field})


MISTAKES = {
    "nan": Mistake(token("monthly_charges", "NaN"), 400, "/monthly_charges"),
    "infinity": Mistake(token("monthly_charges", "Infinity"), 400, "/monthly_charges"),
    "minus infinity": Mistake(token("monthly_charges", "-Infinity"), 400, "/monthly_charges"),
    "1e400": Mistake(token("monthly_charges", "1e400"), 400, "/monthly_charges"),
    "-1e400": Mistake(token("monthly_charges", "-1e400"), 400, "/monthly_charges"),
    "null in a required field": Mistake(token("tenure", "null"), 422, "/tenure"),
    "a required field that is missing": Mistake(without("tenure"), 422, "/tenure"),
    "a number as text": Mistake(token("tenure", '"12"'), 422, "/tenure"),
    "text as a number": Mistake(token("internet_service", "7"), 422, "/internet_service"),
    "true for a number": Mistake(token("tenure", "true"), 422, "/tenure"),
    "false for a number": Mistake(token("monthly_charges", "false"), 422, "/monthly_charges"),
    "a fraction for a whole number": Mistake(token("tenure", "12.5"), 422, "/tenure"),
    "a number out of range": Mistake(token("tenure", "1e30"), 422, "/tenure"),
    "a number beyond 64 bits": Mistake(token("tenure", "9" * 40), 422, "/tenure"),
    "an unknown category": Mistake(token("internet_service", '"dsl"'), 422, "/internet_service"),
    "duplicate keys": Mistake(lambda row: json.dumps(row)[:-1] + ', "tenure": 3}', 400, "/tenure"),
    "duplicate keys that agree": Mistake(
        lambda row: json.dumps(row)[:-1] + f', "tenure": {json.dumps(row["tenure"])}}}', 400, "/tenure"
    ),
    "duplicate keys, one of them escaped": Mistake(
        lambda row: json.dumps(row)[:-1] + ', "\\u0074enure": 3}', 400, "/tenure"
    ),
    "nested arrays": Mistake(token("tenure", "[" * DEPTH + "]" * DEPTH), 422, "/tenure"),
    "nested objects": Mistake(token("tenure", '{"a":' * DEPTH + "1" + "}" * DEPTH), 422, "/tenure"),
    "an unknown field": Mistake(lambda row: json.dumps({**row, "surprise": 1}), 422, "/surprise"),
    "a field of the wrong case": Mistake(lambda row: json.dumps({**row, "Tenure": 1}), 422, "/Tenure"),
    "a field named like a prototype": Mistake(lambda row: json.dumps({**row, "__proto__": {}}), 422, "/__proto__"),
}

WHOLE_BODIES = {
    "nothing": "",
    "white space": " \n",
    "half a document": '{"rows": [{',
    "two documents": "{} {}",
    "no text": b"\xff\xfe\x00",
    "a byte order mark": b"\xef\xbb\xbf{}",
    "a comment": "{} // row",
    "deep nesting": "[" * 100_000,
    "deep nesting, closed": "[" * 50_000 + "]" * 50_000,
    "half a surrogate pair": '"\\ud800"',
}


def mistakes() -> pytest.MarkDecorator:
    return pytest.mark.parametrize("mistake", MISTAKES.values(), ids=[name.replace(" ", "_") for name in MISTAKES])


@pytest.fixture(scope="module")
def own_client(tmp_path_factory: pytest.TempPathFactory, contract: Any) -> Iterator[TestClient]:
    """A client of a consumer that nobody else asks, so that its counts hold still."""
    bench = ConsumerBench(tmp_path_factory.mktemp("own"), contract)
    bench.release("1.0.0")
    with client_of(bench.consumer()) as client:
        yield client


class TestEachMistake:
    @mistakes()
    def test_as_a_row(self, shared_client: TestClient, row: dict[str, Any], mistake: Mistake) -> None:
        response = shared_client.post("/predict", content=mistake.damage(row), headers=JSON)
        assert mistake.pointer in pointers(problem_of(response, mistake.status))

    @mistakes()
    @pytest.mark.parametrize("index", range(ROWS))
    def test_in_every_row_of_a_batch(
        self, shared_client: TestClient, row: dict[str, Any], mistake: Mistake, index: int
    ) -> None:
        rows = [json.dumps(row)] * ROWS
        rows[index] = mistake.damage(row)
        body = f'{{"rows": [{", ".join(rows)}]}}'
        response = shared_client.post("/predict/batch", content=body, headers=JSON)
        document = problem_of(response, mistake.status)
        assert f"/rows/{index}{mistake.pointer}" in pointers(document)
        assert {pointer.split("/")[2] for pointer in pointers(document)} == {str(index)}

    def test_in_all_rows_at_once(self, shared_client: TestClient, row: dict[str, Any]) -> None:
        wrong = [mistake for mistake in MISTAKES.values() if mistake.status == 422][:5]
        body = f'{{"rows": [{", ".join(mistake.damage(row) for mistake in wrong)}]}}'
        found = pointers(problem_of(shared_client.post("/predict/batch", content=body, headers=JSON), 422))
        assert {f"/rows/{index}{mistake.pointer}" for index, mistake in enumerate(wrong)} <= set(found)


class TestWholeBodies:
    @pytest.mark.parametrize("path", ["/predict", "/predict/batch"])
    @pytest.mark.parametrize("body", WHOLE_BODIES.values(), ids=[name.replace(" ", "_") for name in WHOLE_BODIES])
    def test_what_is_no_document(self, shared_client: TestClient, path: str, body: str | bytes) -> None:
        problem_of(shared_client.post(path, content=body, headers=JSON), 400)

    @pytest.mark.parametrize("path", ["/predict", "/predict/batch"])
    @pytest.mark.parametrize(
        "media_type",
        [
            "",
            "text/plain",
            "text/json",
            "application/x-www-form-urlencoded",
            "application/jsonp",
            "multipart/form-data",
        ],
    )
    def test_a_wrong_content_type(self, shared_client: TestClient, path: str, media_type: str) -> None:
        problem_of(shared_client.post(path, content="{}", headers={"content-type": media_type}), 415)

    @pytest.mark.parametrize("path", ["/predict", "/predict/batch"])
    def test_no_content_type(self, shared_client: TestClient, path: str) -> None:
        problem_of(shared_client.post(path, content=b"{}"), 415)


class TestTensors:
    @pytest.mark.parametrize("name", [None, 7, [], {}])
    def test_a_name_that_is_no_text(self, shared_client: TestClient, name: Any) -> None:
        inputs = [{"name": name, "datatype": "BYTES", "shape": [1], "data": ["a"]}]
        response = shared_client.post("/v2/models/churn/infer", json={"inputs": inputs})
        assert (response.status_code, "/inputs/0: has no name" in response.json()["error"]) == (400, True)

    @pytest.mark.parametrize("outputs", [None, False, 0, "", {}])
    def test_outputs_that_are_no_array(self, shared_client: TestClient, outputs: Any) -> None:
        response = shared_client.post("/v2/models/churn/infer", json={"inputs": [], "outputs": outputs})
        assert (response.status_code, "/outputs: is no array" in response.json()["error"]) == (400, True)


class TestNothingElseChanges:
    @mistakes()
    def test_metrics_tell_of_a_bad_request_that_there_was_one(
        self, own_client: TestClient, row: dict[str, Any], mistake: Mistake
    ) -> None:
        good, bad = json.dumps(row), mistake.damage(row)
        own_client.post("/predict", content=good, headers=JSON)
        own_client.post("/predict/batch", content=f'{{"rows": [{good}]}}', headers=JSON)
        before = samples(own_client)
        own_client.post("/predict", content=bad, headers=JSON)
        own_client.post("/predict/batch", content=f'{{"rows": [{good}, {bad}]}}', headers=JSON)
        after = samples(own_client)
        changed = {name for name, value in after.items() if before.get(name) != value}
        assert changed
        assert {name for name in changed if not name.startswith(COUNTED)} == set()
        for path in ("/predict", "/predict/batch"):
            counted = f"edustream_requests_total[('route', '{path}'), ('status', '{mistake.status}')]"
            assert after[counted] - before.get(counted, 0) == 1
