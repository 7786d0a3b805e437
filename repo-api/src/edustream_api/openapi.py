"""Describes the consumer's HTTP surface as OpenAPI 3.1, with the contract's own fields in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from edustream_contracts.contract import ModelContract
from edustream_contracts.errors import Problem
from edustream_contracts.meaning import admitted

from edustream_api import problems
from edustream_api.problems import ProblemKind
from edustream_api.states import State

API_VERSION: Final = "1"
ANY_OBJECT: Final[dict[str, Any]] = {"type": "object", "description": "No contract is known while nothing is served."}
JSON: Final = "application/json"


def document(contract: ModelContract | None, version: str | None) -> dict[str, Any]:
    """The OpenAPI document of a consumer that serves `version` of the contract's model; None where nothing is known."""
    row, answer = (ANY_OBJECT, ANY_OBJECT)
    example: dict[str, Any] = {}
    title, about = "Predictions", "Nothing is served yet, and no contract is pinned."
    if contract:
        row, answer = _readable(contract.input_schema), _answer(contract)
        example = contract.example()
        title, about = contract.title, contract.description
    serving = f"Serving version {version}." if version else "No release answers at the moment."
    return {
        "openapi": "3.1.0",
        "info": {"title": f"{title}: predictions", "version": API_VERSION, "description": f"{about}\n\n{serving}"},
        "tags": [
            {"name": "predictions", "description": "Ask the model"},
            {"name": "model", "description": "What answers, and what it promises"},
            {"name": "operations", "description": "For probes, dashboards and people"},
        ],
        "paths": {**_predictions(example, contract), **_readings()},
        "components": {
            "schemas": {
                "Input": row,
                "Answer": answer,
                "Batch": _batch("Input", "rows", "The rows to answer, in order"),
                "BatchAnswer": _batch_answer(contract),
                "Problem": _problem_schema(),
            }
        },
    }


def _readable(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema with each unit in its description too, where Swagger UI shows it."""
    shown = {name: value for name, value in schema.items() if name not in ("$schema", "properties")}
    shown["properties"] = {
        name: {**spec, "description": f"{spec['description']} (unit: {spec['x-unit']})"} if "x-unit" in spec else spec
        for name, spec in schema["properties"].items()
    }
    return shown


def _answer(contract: ModelContract) -> dict[str, Any]:
    schema = _readable(contract.output_schema)
    identity = {
        "model": {"type": "string", "description": "The model that answered", "const": contract.model},
        "model_version": {"type": "string", "description": "The release that answered, e.g. 1.0.0"},
    }
    schema["properties"] = {**schema["properties"], **identity}
    schema["required"] = [*schema["required"], *identity]
    schema["examples"] = [
        {**example, "model": contract.model, "model_version": "1.0.0"} for example in schema["examples"]
    ]
    return schema


def _batch(item: str, name: str, description: str) -> dict[str, Any]:
    items = {"type": "array", "minItems": 1, "items": _ref(item), "description": description}
    return {"type": "object", "properties": {name: items}, "required": [name], "additionalProperties": False}


def _batch_answer(contract: ModelContract | None) -> dict[str, Any]:
    item = _readable(contract.output_schema) if contract else ANY_OBJECT
    return {
        "type": "object",
        "properties": {
            "predictions": {"type": "array", "items": item, "description": "One answer a row, in the rows' order"},
            "model": {"type": "string", "description": "The model that answered"},
            "model_version": {"type": "string", "description": "The release that answered every row"},
        },
        "required": ["predictions", "model", "model_version"],
        "additionalProperties": False,
    }


def _problem_schema() -> dict[str, Any]:
    error = {
        "type": "object",
        "properties": {
            "pointer": {
                "type": "string",
                "description": "JSON Pointer (RFC 6901) to the place at fault, in the input or a refused file",
            },
            "detail": {"type": "string", "description": "What is wrong there"},
        },
        "required": ["pointer", "detail"],
    }
    return {
        "type": "object",
        "description": "A problem document (RFC 9457)",
        "properties": {
            "type": {"type": "string", "description": "The kind of problem; an identifier, not an address"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string", "description": "What happened, and what to do next"},
            "reason": {"enum": [state.value for state in State], "description": "The consumer's state, with a 503"},
            "errors": {"type": "array", "items": error, "description": "Every place at fault"},
            "errors_omitted": {"type": "integer", "description": "How many more errors there are than are listed"},
        },
        "required": ["type", "title", "status", "detail"],
    }


def _field_table(schema: Mapping[str, Any]) -> str:
    """The fields of one side as a Markdown table, which Swagger UI shows without a click."""
    lines = ["| field | values | unit | meaning |", "|---|---|---|---|"]
    for name, spec in schema["properties"].items():
        cells = (f"`{name}`", admitted(spec, unit=False), spec.get("x-unit", ""), spec["description"])
        lines.append(f"| {' | '.join(_cell(cell) for cell in cells)} |")
    return "\n".join(lines)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _predictions(example: dict[str, Any], contract: ModelContract | None) -> dict[str, Any]:
    one = _prediction("predict", "Answer one row", "Input", "Answer", example)
    rows = {"rows": [example, example]}
    many = _prediction("predict_batch", "Answer many rows, all or none", "Batch", "BatchAnswer", rows)
    if contract:
        one["description"] = _field_table(contract.input_schema)
        for operation in (one, many):
            operation["responses"]["200"]["description"] += f"\n\n{_field_table(contract.output_schema)}"
    return {"/predict": {"post": one}, "/predict/batch": {"post": many}}


def _prediction(name: str, summary: str, asks: str, gives: str, example: dict[str, Any]) -> dict[str, Any]:
    refusals = (problems.MALFORMED, problems.INVALID, problems.TOO_LARGE, problems.MEDIA, problems.NOT_SERVING)
    return {
        "operationId": name,
        "tags": ["predictions"],
        "summary": summary,
        "requestBody": {"required": True, "content": {JSON: {"schema": _ref(asks), "example": example}}},
        "responses": {
            "200": {"description": "The answer", "content": {JSON: {"schema": _ref(gives)}}},
            **{str(kind.status.value): _refusal(kind) for kind in (*refusals, problems.MODEL_FAILED)},
        },
    }


def _readings() -> dict[str, Any]:
    return {
        "/model": _reading("model", "model", "The release that answers: version, digests, signatures, metrics"),
        "/contract": _reading("contract", "model", "The contract that the answers keep"),
        "/health": _reading("health", "operations", "State, reasons and last refusal, for people", may_fail=False),
        "/health/live": _reading("live", "operations", "Liveness probe", may_fail=False),
        "/health/ready": _reading("ready", "operations", "Readiness probe: 200 while predictions are answered"),
        "/metrics": _reading("metrics", "operations", "Metrics for Prometheus", may_fail=False, media="text/plain"),
        "/openapi.json": _reading("openapi", "operations", "This document", may_fail=False),
    }


def _reading(name: str, tag: str, summary: str, *, may_fail: bool = True, media: str = JSON) -> dict[str, Any]:
    schema = {"type": "object"} if media == JSON else {"type": "string"}
    responses: dict[str, Any] = {"200": {"description": summary, "content": {media: {"schema": schema}}}}
    if may_fail:
        responses["503"] = _refusal(problems.NOT_SERVING)
    return {"get": {"operationId": name, "tags": [tag], "summary": summary, "responses": responses}}


def _refusal(kind: ProblemKind) -> dict[str, Any]:
    content = {"schema": _ref("Problem"), "example": _problem_example(kind)}
    return {"description": kind.title, "content": {problems.MEDIA_TYPE: content}}


def _problem_example(kind: ProblemKind) -> dict[str, Any]:
    if kind is problems.NOT_SERVING:
        return problems.problem_document(kind, State.NO_RELEASE.meaning, reason=State.NO_RELEASE)
    errors = [Problem("/field", "is missing")] if kind is problems.INVALID else []
    return problems.problem_document(kind, f"{kind.title}.", errors=errors)


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}
