from __future__ import annotations

import json
import re
from typing import Any

import pytest
from clients import address_of
from consumers import ConsumerBench
from drifting import release
from edustream_contracts.contract import ModelContract, contract_from
from openapi_spec_validator import OpenAPIV31SpecValidator
from starlette.testclient import TestClient

from edustream_api.web import openapi
from edustream_api.web.openapi import DescribedModel


def described(contract: ModelContract | None, version: str | None) -> dict[str, Any]:
    return openapi.document([DescribedModel("churn", contract, version)])


@pytest.fixture
def client(bench: ConsumerBench) -> TestClient:
    release(bench, "1.0.0")
    consumer = bench.consumer()
    consumer.start()
    return TestClient(consumer.app)


@pytest.mark.parametrize("version", [None, "1.2.0"])
def test_is_valid_openapi(contract: ModelContract, version: str | None) -> None:
    OpenAPIV31SpecValidator(described(contract, version)).validate()


def test_is_valid_openapi_without_a_contract() -> None:
    OpenAPIV31SpecValidator(described(None, None)).validate()


def test_shows_every_field_with_range_unit_and_categories(contract: ModelContract) -> None:
    document = described(contract, "1.0.0")
    properties = document["components"]["schemas"]["Input"]["properties"]
    assert list(properties) == [field.name for field in contract.inputs]
    assert (properties["tenure"]["minimum"], properties["tenure"]["maximum"]) == (0, 120)
    assert "(unit: month)" in properties["tenure"]["description"]
    assert properties["internet_service"]["enum"] == ["DSL", "Fiber optic", "No"]
    table = document["paths"]["/predict"]["post"]["description"]
    assert "| `tenure` | a whole number from 0 to 120 | month | Whole months that the customer has been with" in table
    assert "| `total_charges` | a number from 0 to 60000 or null | USD |" in table
    assert '| one of "DSL", "Fiber optic", "No" |  | Kind of internet connection |' in table


def test_shows_what_the_fields_of_an_answer_mean(contract: ModelContract) -> None:
    output = json.loads(json.dumps(contract.document["output"]))
    output["properties"]["probability"]["x-unit"] = "share"
    document = described(contract_from({**contract.document, "output": output}), "1.0.0")
    for path, schema in (("/predict", "Answer"), ("/predict/batch", "BatchAnswer")):
        answer = document["paths"][path]["post"]["responses"]["200"]["description"]
        assert '| `prediction` | one of "No", "Yes" |  | Yes when the customer is expected to leave |' in answer
        assert "| `probability` | a number from 0 to 1 | share | Estimated probability that the customer" in answer
        properties = document["components"]["schemas"][schema]["properties"]
        fields = properties if schema == "Answer" else properties["predictions"]["items"]["properties"]
        assert fields["probability"]["description"].endswith("(unit: share)")
        assert (fields["probability"]["minimum"], fields["probability"]["maximum"]) == (0, 1)


@pytest.mark.parametrize(
    ("bounds", "shown"),
    [({}, "a number"), ({"exclusiveMinimum": 1}, "a number above 1"), ({"maximum": 9}, "a number at most 9")],
)
def test_shows_open_ranges(contract: ModelContract, bounds: dict[str, int], shown: str) -> None:
    field: dict[str, Any] = {"type": "number", "description": "A |\nB", **bounds}
    part = {**contract.document["input"], "properties": {"x": field}, "required": ["x"], "examples": [{"x": 5}]}
    document = described(contract_from({**contract.document, "input": part}), None)
    assert f"| `x` | {shown} |  | A \\| B |" in document["paths"]["/predict"]["post"]["description"]


def test_the_examples_work(client: TestClient) -> None:
    for path, item in client.get("/openapi.json").json()["paths"].items():
        if "post" in item:
            example = item["post"]["requestBody"]["content"]["application/json"]["example"]
            assert client.post(address_of(path, item["post"]), json=example).status_code == 200


def test_describes_exactly_the_paths_that_there_are(client: TestClient) -> None:
    for path, item in client.get("/openapi.json").json()["paths"].items():
        for method, operation in item.items():
            address = address_of(path, operation)
            status = client.request(method, address, json={}).status_code
            assert str(status) in operation["responses"]
            others = {"get": "POST", "post": "GET"}
            assert client.request(others[method], address).status_code == 405


def test_the_page_loads_everything_from_this_server(client: TestClient) -> None:
    page = client.get("/docs")
    assert page.status_code == 200
    addresses = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert addresses
    assert not re.search(r"https?://", page.text)
    assert [client.get(address).status_code for address in addresses] == [200] * len(addresses)
