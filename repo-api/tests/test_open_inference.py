"""Documents of the Open Inference Protocol: requests become rows, answers become responses, all faults are named."""

from __future__ import annotations

import json
from typing import Any

import pytest
from edustream_contracts.contract import ModelContract
from edustream_contracts.errors import Problem
from inference_requests import in_bytes, request, tensor

from edustream_api.loading import ServedModel
from edustream_api.open_inference import protocol as open_inference
from edustream_api.open_inference.request import InferenceRequest, contract_refusal, read_request
from edustream_api.open_inference.response import encode_response
from edustream_api.problems import RequestRefused


def read(contract: ModelContract, document: Any) -> InferenceRequest:
    return read_request(json.dumps(document).encode(), None, contract, 10)


def refused(contract: ModelContract, document: Any) -> list[str]:
    with pytest.raises(RequestRefused) as caught:
        read(contract, document)
    assert caught.value.kind.name == "inference-request"
    return [str(problem) for problem in caught.value.errors] or [caught.value.detail]


@pytest.mark.parametrize("nested", [False, True])
def test_tensors_become_rows_in_order(contract: ModelContract, row: dict[str, Any], nested: bool) -> None:
    rows = [row, {**row, "tenure": 7, "total_charges": None}, {**row, "internet_service": "No"}]
    found = read(contract, request(rows, nested=nested, id="a"))
    assert (found.rows, found.id) == (rows, "a")
    assert [output.field.name for output in found.outputs] == [field.name for field in contract.outputs]
    assert not any(output.binary for output in found.outputs)


def test_tensors_in_bytes_become_the_same_rows(contract: ModelContract, row: dict[str, Any]) -> None:
    rows = [row, {**row, "tenure": 7}]
    body, headers = in_bytes(request(rows))
    length = int(headers["inference-header-content-length"])
    assert read_request(body, length, contract, 10).rows == rows


def test_bytes_and_json_may_be_mixed(contract: ModelContract, row: dict[str, Any]) -> None:
    document = request([row])
    tenure = tensor(document, "tenure")
    del tenure["data"]
    tenure["parameters"] = {"binary_data_size": 8}
    header = json.dumps(document).encode()
    found = read_request(header + (9).to_bytes(8, "little"), len(header), contract, 10)
    assert found.rows == [{**row, "tenure": 9}]


@pytest.mark.parametrize("datatype", ["INT8", "INT32", "UINT16", "FP64", "FP32"])
def test_a_whole_number_may_come_in_any_numeric_datatype(
    contract: ModelContract, row: dict[str, Any], datatype: str
) -> None:
    document = request([row])
    tensor(document, "tenure")["datatype"] = datatype
    assert read(contract, document).rows == [row]


def test_outputs_are_those_that_are_asked_for(contract: ModelContract, row: dict[str, Any]) -> None:
    wanted = [{"name": "probability", "parameters": {"binary_data": False}}, {"name": "prediction"}]
    found = read(contract, request([row], outputs=wanted, parameters={"binary_data_output": True}))
    assert [(output.field.name, output.binary) for output in found.outputs] == [
        ("probability", False),
        ("prediction", True),
    ]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"datatype": "BYTES"}, "tenure: has the datatype BYTES; INT64 is expected"),
        ({"datatype": None}, "tenure: has the datatype null; INT64 is expected"),
        ({"shape": None}, "tenure: has the shape null; an array of sizes is expected"),
        ({"shape": [True]}, "tenure: has the shape [true]; an array of sizes is expected"),
        ({"shape": [1, 2]}, "tenure: has the shape [1, 2]; [n] or [n, 1] is expected, one value a row"),
        ({"shape": []}, "tenure: has the shape []; [n] or [n, 1] is expected, one value a row"),
        ({"data": [1, 2]}, "tenure: has 2 values and a shape for 1"),
        ({"data": ["1"]}, "tenure: has '1' in row 0, which is no INT64"),
        ({"parameters": []}, "tenure: has parameters that are no object"),
        ({"parameters": {"shared_memory_region": "r"}}, "tenure: asks for shared_memory_region"),
        ({"parameters": {"binary_data_size": 8}}, "tenure: has both data and a binary_data_size"),
        ({"parameters": {"binary_data_size": -1}}, "tenure: has the binary_data_size -1"),
        ({"name": "female"}, "female: occurs more than once in inputs"),
        ({"name": "Tenure"}, "Tenure: is no input; the inputs are female, "),
        ({"name": 3}, "/inputs/4: has no name"),
    ],
)
def test_what_is_wrong_with_an_input_is_named(
    contract: ModelContract, row: dict[str, Any], change: dict[str, Any], told: str
) -> None:
    document = request([row])
    tensor(document, "tenure").update(change)
    assert any(problem.startswith(told) for problem in refused(contract, document)), refused(contract, document)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"inputs": None}, "/inputs: is no array"),
        ({"inputs": [7]}, "/inputs/0: has no name"),
        ({"id": 7}, "/id: is no text"),
        ({"parameters": 7}, "/parameters: is no object"),
        ({"outputs": 7}, "/outputs: is no array"),
        ({"outputs": [{"name": "label"}]}, "label: is no output; the outputs are prediction, probability"),
        ({"outputs": [{"name": "prediction"}] * 2}, "prediction: occurs more than once in outputs"),
        (
            {"outputs": [{"name": "prediction", "parameters": {"classification": 2}}]},
            "prediction: asks for classification, which this server does not offer",
        ),
    ],
)
def test_what_is_wrong_with_a_request_is_named(
    contract: ModelContract, row: dict[str, Any], change: dict[str, Any], told: str
) -> None:
    assert told in refused(contract, {**request([row]), **change})


def test_a_missing_input_is_named_once(contract: ModelContract, row: dict[str, Any]) -> None:
    document = request([row, row])
    document["inputs"] = [one for one in document["inputs"] if one["name"] != "tenure"]
    assert refused(contract, document) == ["tenure: is missing from the inputs"]


def test_inputs_have_as_many_rows_as_each_other(contract: ModelContract, row: dict[str, Any]) -> None:
    document = request([row, row])
    tensor(document, "tenure").update(shape=[1], data=[3])
    assert "have different numbers of rows" in refused(contract, document)[0]
    assert "have no rows" in refused(contract, request_of_nothing(contract, row))[0]


def request_of_nothing(contract: ModelContract, row: dict[str, Any]) -> dict[str, Any]:
    document = request([row])
    for one in document["inputs"]:
        one.update(shape=[0], data=[])
    return document


def test_more_rows_than_are_answered_at_once(contract: ModelContract, row: dict[str, Any]) -> None:
    with pytest.raises(RequestRefused, match="has 11 rows; at most 10") as caught:
        read(contract, request([row] * 11))
    assert caught.value.kind.status == 413


def test_no_object_is_no_request(contract: ModelContract) -> None:
    assert refused(contract, [1]) == ['The body is no object; {"inputs": [...]} is expected.']


def test_bytes_are_all_accounted_for(contract: ModelContract, row: dict[str, Any]) -> None:
    body, headers = in_bytes(request([row]))
    length = int(headers["inference-header-content-length"])
    for changed, told in ((body + b"x", "has 1 bytes after the last input"), (body[:-1], "are left after the JSON")):
        with pytest.raises(RequestRefused) as caught:
            read_request(changed, length, contract, 10)
        assert told in str(caught.value.errors[0])
    with pytest.raises(RequestRefused, match="is said to have 99999 bytes"):
        read_request(body, 99999, contract, 10)


def test_every_problem_is_reported_at_once_and_only_so_many_are_listed() -> None:
    document = open_inference.error_document("Wrong.", [Problem(f"x[{row}]", "is bad") for row in range(103)])
    lines = document["error"].splitlines()
    assert (lines[0], lines[1], lines[-1], len(lines)) == ("Wrong.", "x[0]: is bad", "and 3 more", 102)


def test_the_metadata_say_what_is_expected(served: ServedModel) -> None:
    metadata = open_inference.model_metadata(served)
    assert (metadata["name"], metadata["versions"]) == ("churn", ["1.0.0"])
    inputs = {one["name"]: one for one in metadata["inputs"]}
    assert list(inputs) == [field.name for field in served.contract.inputs]
    assert inputs["tenure"] == {
        "name": "tenure",
        "datatype": "INT64",
        "shape": [-1],
        "parameters": {
            "required": True,
            "nullable": False,
            "admits": "a whole number from 0 to 120 month",
            "description": "Whole months that the customer has been with the company",
        },
    }
    assert inputs["total_charges"]["parameters"]["nullable"] is True
    assert [(one["name"], one["datatype"]) for one in metadata["outputs"]] == [
        ("prediction", "BYTES"),
        ("probability", "FP64"),
    ]


def test_rows_that_break_the_contract_are_named_by_input_and_row(served: ServedModel, row: dict[str, Any]) -> None:
    rows = [row, {**row, "tenure": 500}, {**row, "internet_service": None}]
    refusal = contract_refusal(rows, served)
    assert refusal is not None
    assert refusal.kind.status == 422
    assert [problem.pointer for problem in refusal.errors] == ["tenure[1]", "internet_service[2]"]
    assert contract_refusal([row], served) is None


def test_a_response_returns_the_id_and_the_release(served: ServedModel, row: dict[str, Any]) -> None:
    answers = [{"prediction": "Yes", "probability": 0.5}, {"prediction": "No", "probability": 0.25}]
    asked = read(served.contract, request([row, row], id="7", outputs=[{"name": "probability"}]))
    response = encode_response(served, asked, answers)
    assert response.header_length is None
    assert json.loads(response.body) == {
        "model_name": "churn",
        "model_version": "1.0.0",
        "id": "7",
        "outputs": [{"name": "probability", "datatype": "FP64", "shape": [2], "data": [0.5, 0.25]}],
    }
