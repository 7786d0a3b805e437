"""Describes the Open Inference Protocol's paths as OpenAPI 3.1, with the tensors of the contract's fields in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from edustream_contracts.contract import Field, ModelContract

from edustream_api import problems
from edustream_api.open_inference.protocol import ROOT, error_document, model_path
from edustream_api.open_inference.tensors import BOOL, BYTES, NUMBERS, datatype_of, fits
from edustream_api.problems import ProblemKind

TAG: Final = "open inference protocol"
JSON: Final = "application/json"
REFUSALS: Final = (
    problems.NO_REQUEST,
    problems.INVALID,
    problems.TOO_LARGE,
    problems.MEDIA,
    problems.NOT_SERVING,
    problems.MODEL_FAILED,
)
BINARY: Final = (
    "Tensors may also be sent and answered as bytes, by the rules of Triton's binary tensor data extension: "
    "`Inference-Header-Content-Length` then tells how long the JSON is. A null is a null in JSON, and in bytes a NaN."
)
SCHEMAS: Final = {
    "InferenceError": {
        "type": "object",
        "properties": {"error": {"type": "string", "description": "What is wrong: one line a problem"}},
        "required": ["error"],
    }
}


def server_paths() -> dict[str, Any]:
    """What is asked of the server."""
    ready = _reading("v2_ready", "200 while inference requests to every model are answered", problems.NOT_SERVING)
    return {
        ROOT: _reading("v2_server", "The server's name, version and extensions"),
        f"{ROOT}/health/live": _reading("v2_live", "Whether the server runs"),
        f"{ROOT}/health/ready": ready,
    }


def model_paths(model: str, contract: ModelContract | None, version: str | None) -> dict[str, Any]:
    """What is asked of a model, and of that release of it which answers."""
    path = model_path(model)
    parameter = {
        "name": "version",
        "in": "path",
        "required": True,
        "description": "The release that answers; another one is not found",
        "schema": {"type": "string"},
        "example": version or "1.0.0",
    }
    found: dict[str, Any] = {}
    for prefix, suffix, more, parameters in (
        (path, model, (), []),
        (f"{path}/versions/{{version}}", f"{model}.version", (problems.NOT_FOUND,), [parameter]),
    ):
        refusals = (*more, problems.NOT_SERVING)
        found |= {
            prefix: _reading(f"v2_model.{suffix}", "The tensors that the model takes and gives", *refusals),
            f"{prefix}/ready": _reading(f"v2_model_ready.{suffix}", "Whether the model answers", *refusals),
            f"{prefix}/infer": {"post": _inference(f"v2_infer.{suffix}", contract, (*REFUSALS, *more))},
        }
        for name in (prefix, f"{prefix}/ready", f"{prefix}/infer"):
            for operation in found[name].values():
                operation["parameters"] = parameters
    return found


def example(contract: ModelContract) -> dict[str, Any]:
    """An inference request with the contract's own example as its one row."""
    row = contract.example()
    return {
        "inputs": [
            {"name": field.name, "shape": [1], "datatype": datatype_of(field), "data": [row[field.name]]}
            for field in contract.inputs
            if field.name in row
        ]
    }


def _inference(name: str, contract: ModelContract | None, refusals: tuple[ProblemKind, ...]) -> dict[str, Any]:
    content: dict[str, Any] = {"schema": _request(contract)}
    if contract:
        content["example"] = example(contract)
    return {
        "operationId": name,
        "tags": [TAG],
        "summary": "Answer rows that come as one tensor a field, all or none",
        "description": BINARY,
        "requestBody": {"required": True, "content": {JSON: content}},
        "responses": {
            "200": {
                "description": "One tensor for each output",
                "content": {JSON: {"schema": _response()}, "application/octet-stream": {"schema": {"type": "string"}}},
            },
            **_refusals(refusals),
        },
    }


def _request(contract: ModelContract | None) -> dict[str, Any]:
    inputs = [_input(field) for field in contract.inputs] if contract else [_tensor({"type": "string"}, [BYTES])]
    outputs = {"enum": [field.name for field in contract.outputs]} if contract else {"type": "string"}
    output = {
        "type": "object",
        "properties": {"name": outputs, "parameters": {"type": "object"}},
        "required": ["name"],
    }
    return {
        "type": "object",
        "properties": {
            "id": {"type": ["string", "null"], "description": "Returned with the answer, unless null"},
            "parameters": {"type": "object"},
            "inputs": {
                "type": "array",
                "minItems": 1,
                "items": {"anyOf": inputs},
                "description": "One tensor for each field that the contract requires, each with one value a row",
            },
            "outputs": {"type": "array", "items": output, "description": "Which outputs to answer; without them, all"},
        },
        "required": ["inputs"],
    }


def _input(field: Field) -> dict[str, Any]:
    datatypes = [datatype for datatype in (BYTES, BOOL, *NUMBERS) if fits(field, datatype)]
    return _tensor({"const": field.name, "description": field.description}, datatypes)


def _tensor(name: Mapping[str, Any], datatypes: list[str]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {
            "name": name,
            "datatype": {"enum": datatypes},
            "shape": {
                "type": "array",
                "items": {"type": "integer", "minimum": 0},
                "minItems": 1,
                "maxItems": 2,
                "description": "[n] or [n, 1]; n rows",
            },
            "data": {"type": "array", "description": "One value a row"},
            "parameters": {"type": "object"},
        },
        "required": ["name", "datatype", "shape"],
    }


def _response() -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {
            "model_name": {"type": "string"},
            "model_version": {"type": "string", "description": "The release that answered every row"},
            "id": {"type": "string", "description": "The request's own"},
            "outputs": {"type": "array", "items": {"type": "object", "required": ["name", "datatype", "shape"]}},
        },
        "required": ["model_name", "model_version", "outputs"],
    }


def _reading(name: str, summary: str, *refusals: ProblemKind) -> dict[str, Any]:
    answer = {"description": summary, "content": {JSON: {"schema": {"type": "object"}}}}
    responses = {"200": answer, **_refusals(refusals)}
    return {"get": {"operationId": name, "tags": [TAG], "summary": summary, "responses": responses}}


def _refusals(kinds: tuple[ProblemKind, ...]) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/InferenceError"}
    return {
        str(kind.status.value): {
            "description": kind.title,
            "content": {JSON: {"schema": schema, "example": error_document(f"{kind.title}.")}},
        }
        for kind in kinds
    }
