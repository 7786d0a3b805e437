"""The Open Inference Protocol v2: its paths, its errors, and what it says of a model.

See github.com/kserve/open-inference-protocol, and Triton's binary tensor data extension for tensors as bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from edustream_contracts.contract import Field
from edustream_contracts.errors import Problem
from edustream_contracts.meaning import admitted

from edustream_api.loading import ServedModel
from edustream_api.open_inference.tensors import (
    datatype_of,
)

ROOT: Final = "/v2"
EXTENSIONS: Final = ("binary_tensor_data",)
PLATFORM: Final = "onnxruntime_onnx"
COLUMN: Final = [-1]
BINARY_SIZE: Final = "binary_data_size"
MAX_LINES: Final = 100


def is_open_inference(path: str) -> bool:
    """Whether a path belongs to the protocol, which has errors of its own form."""
    return path == ROOT or path.startswith(f"{ROOT}/")


def model_path(name: str) -> str:
    """Where a model answers."""
    return f"{ROOT}/models/{name}"


def error_document(detail: str, problems: Sequence[Problem] = ()) -> dict[str, str]:
    """What the protocol answers when something is wrong: one text, with one line a problem, at most `MAX_LINES`."""
    lines = [detail, *(str(problem) for problem in problems[:MAX_LINES])]
    if len(problems) > MAX_LINES:
        lines.append(f"and {len(problems) - MAX_LINES} more")
    return {"error": "\n".join(lines)}


def model_metadata(model: ServedModel) -> dict[str, Any]:
    """What a model takes and gives: one tensor a field, with what the contract says of it as its parameters."""
    contract = model.contract
    return {
        "name": model.name,
        "versions": [model.version],
        "platform": PLATFORM,
        "inputs": [_described(field, contract.input_schema) for field in contract.inputs],
        "outputs": [_described(field, contract.output_schema) for field in contract.outputs],
    }


def _described(field: Field, schema: Mapping[str, Any]) -> dict[str, Any]:
    parameters = {
        "required": field.name in schema["required"],
        "nullable": field.nullable,
        "admits": admitted(schema["properties"][field.name]),
        "description": field.description,
    }
    return {"name": field.name, "datatype": datatype_of(field), "shape": COLUMN, "parameters": parameters}
