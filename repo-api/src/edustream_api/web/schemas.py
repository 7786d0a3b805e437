"""What the consumer takes and answers, as JSON Schemas of its OpenAPI document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from edustream_contracts.contract import ModelContract

from edustream_api.states import State

ANY_OBJECT: Final[dict[str, Any]] = {"type": "object", "description": "No contract is known while nothing is served."}


def readable(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema with each unit in its description too, where Swagger UI shows it."""
    shown = {name: value for name, value in schema.items() if name not in ("$schema", "properties")}
    shown["properties"] = {
        name: {**spec, "description": f"{spec['description']} (unit: {spec['x-unit']})"} if "x-unit" in spec else spec
        for name, spec in schema["properties"].items()
    }
    return shown


def answer(contract: ModelContract) -> dict[str, Any]:
    """The answer to one row."""
    schema = readable(contract.output_schema)
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


def batch(item: str, name: str, description: str) -> dict[str, Any]:
    """An object with an array of `item` under `name`."""
    items = {"type": "array", "minItems": 1, "items": reference(item), "description": description}
    return {"type": "object", "properties": {name: items}, "required": [name], "additionalProperties": False}


def batch_answer(contract: ModelContract | None) -> dict[str, Any]:
    """The answers to a batch."""
    item = readable(contract.output_schema) if contract else ANY_OBJECT
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


def explanation() -> dict[str, Any]:
    """The explanation of the answer to one row."""
    number = {"type": "number"}
    contribution = {
        "type": "object",
        "properties": {
            "field": {"type": "string", "description": "Name of an input field"},
            "value": {"description": "What the row has there"},
            "contribution": {**number, "description": "What it adds to the answer, in the answer's unit"},
            "standard_error": {**number, "description": "Standard error of the contribution, which is an estimate"},
        },
        "required": ["field", "value", "contribution", "standard_error"],
        "additionalProperties": False,
    }
    output = {
        "type": "object",
        "properties": {
            "base": {**number, "description": "Mean answer over the background rows"},
            "value": {**number, "description": "The answer to this row"},
            "contributions": {"type": "array", "items": contribution, "description": "The largest first"},
        },
        "required": ["base", "value", "contributions"],
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": {
            "explanations": {
                "type": "object",
                "additionalProperties": output,
                "description": "One for each number of the answer, by the output field's name",
            },
            "model": {"type": "string", "description": "The model that is explained"},
            "model_version": {"type": "string", "description": "The release that is explained"},
        },
        "required": ["explanations", "model", "model_version"],
        "additionalProperties": False,
    }


def problem() -> dict[str, Any]:
    """What is answered where something is wrong."""
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
            "errors_omitted": {
                "type": "integer",
                "description": "How many more errors there are than are listed; a bad row after those counts once",
            },
        },
        "required": ["type", "title", "status", "detail"],
    }


def reference(name: str) -> dict[str, Any]:
    """The schema that the document has under this name."""
    return {"$ref": f"#/components/schemas/{name}"}
