"""Requests of the Open Inference Protocol for rows of the churn contract, as JSON and with bytes after it."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
from edustream_contracts.contract import ModelContract, load_contract

DATATYPES = {"number": "FP64", "integer": "INT64", "string": "BYTES", "boolean": "BOOL"}
FORMATS = {"FP64": "<f8", "INT64": "<i8", "FP32": "<f4"}


def request(rows: Sequence[dict[str, Any]], *, nested: bool = False, **members: Any) -> dict[str, Any]:
    """An inference request for rows that all have the same fields."""
    contract: ModelContract = load_contract("churn")
    shape = [len(rows), 1] if nested else [len(rows)]
    inputs = [
        {
            "name": field.name,
            "datatype": DATATYPES[field.kind],
            "shape": shape,
            "data": [[row[field.name]] if nested else row[field.name] for row in rows],
        }
        for field in contract.inputs
        if field.name in rows[0]
    ]
    return {"inputs": inputs, **members}


def tensor(document: dict[str, Any], name: str) -> dict[str, Any]:
    """One input of a request, to be changed."""
    found: dict[str, Any] = next(one for one in document["inputs"] if one["name"] == name)
    return found


def in_bytes(document: dict[str, Any]) -> tuple[bytes, dict[str, str]]:
    """The same request with every tensor as bytes: body and headers."""
    tail = []
    inputs = []
    for one in document["inputs"]:
        data = one["data"]
        if one["datatype"] == "BYTES":
            tail.append(b"".join(struct.pack("<I", len(text.encode())) + text.encode() for text in data))
        else:
            tail.append(np.array(data, FORMATS[one["datatype"]]).tobytes())
        rest = {key: value for key, value in one.items() if key != "data"}
        inputs.append({**rest, "parameters": {"binary_data_size": len(tail[-1])}})
    header = json.dumps({**document, "inputs": inputs}).encode()
    return b"".join([header, *tail]), {"inference-header-content-length": str(len(header))}


def tensors(response: Any) -> dict[str, list[Any]]:
    """The values of a response's outputs, whether they came as JSON or as bytes."""
    length = response.headers.get("inference-header-content-length")
    header = response.content[: int(length)] if length else response.content
    tail = response.content[len(header) :]
    found = {}
    for output in json.loads(header)["outputs"]:
        if "data" in output:
            found[output["name"]] = output["data"]
            continue
        size = output["parameters"]["binary_data_size"]
        data, tail = tail[:size], tail[size:]
        if output["datatype"] == "BYTES":
            found[output["name"]] = list(_texts(data))
        else:
            found[output["name"]] = np.frombuffer(data, FORMATS[output["datatype"]]).tolist()
    assert tail == b""
    return found


def _texts(data: bytes) -> Any:
    while data:
        end = 4 + struct.unpack_from("<I", data)[0]
        yield data[4:end].decode()
        data = data[end:]
