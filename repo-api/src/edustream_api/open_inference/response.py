"""Answers as inference responses of the Open Inference Protocol v2."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from edustream_api.loading import ServedModel
from edustream_api.open_inference.protocol import BINARY_SIZE
from edustream_api.open_inference.request import InferenceRequest, RequestedOutput
from edustream_api.open_inference.tensors import (
    datatype_of,
    to_bytes,
)

Answer = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class EncodedResponse:
    """A response: a JSON object of `header_length` bytes, and after it the tensors as bytes; None if there are none."""

    body: bytes
    header_length: int | None


def encode_response(model: ServedModel, request: InferenceRequest, answers: Sequence[Answer]) -> EncodedResponse:
    """The response of `model` to `request`: each output that was asked for, in that order."""
    tails: list[bytes] = []
    document: dict[str, Any] = {"model_name": model.name, "model_version": model.version}
    if request.id is not None:
        document["id"] = request.id
    document["outputs"] = [_output(requested, answers, tails) for requested in request.outputs]
    header = orjson.dumps(document)
    return EncodedResponse(b"".join([header, *tails]), len(header) if tails else None)


def _output(requested: RequestedOutput, answers: Sequence[Answer], tails: list[bytes]) -> dict[str, Any]:
    name, datatype = requested.field.name, datatype_of(requested.field)
    values = [answer[name] for answer in answers]
    tensor: dict[str, Any] = {"name": name, "datatype": datatype, "shape": [len(values)]}
    if requested.binary:
        tails.append(to_bytes(datatype, values))
        tensor["parameters"] = {BINARY_SIZE: len(tails[-1])}
    else:
        tensor["data"] = values
    return tensor
