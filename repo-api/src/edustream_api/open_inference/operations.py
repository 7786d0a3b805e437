"""Answers inference requests of the Open Inference Protocol: the framing of HTTP around `open_inference`."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import Final

from starlette.types import Scope

from edustream_api.hosting import CountRows, HostedModel, Observer, counting
from edustream_api.loading import ServedModel
from edustream_api.open_inference.protocol import model_path
from edustream_api.open_inference.request import contract_refusal, read_request, read_small_request
from edustream_api.open_inference.response import EncodedResponse, encode_response
from edustream_api.open_inference.tensors import shown
from edustream_api.prediction import answered
from edustream_api.problems import MEDIA, NO_REQUEST, NOT_FOUND, RequestRefused
from edustream_api.web.reply import Reply

HEADER_LENGTH: Final = b"inference-header-content-length"
LENGTH: Final = re.compile(r"[0-9]{1,18}")
OCTETS: Final = "application/octet-stream"
MEDIA_TYPES: Final = ("application/json", OCTETS)
INLINE_BYTES: Final = 16 * 1024
"""A body over this size is not even looked at on the event loop."""


class Infer:
    """Answers inference requests to one model."""

    def __init__(self, hosted: HostedModel, max_rows: int, count: CountRows) -> None:
        self._hosted = hosted
        self._max_rows = max_rows
        self._observers = (*hosted.observers, counting(count))

    async def __call__(self, scope: Scope, body: bytes) -> Reply:
        """The response to the request in `body`, by whichever release answers."""
        return await self.of(self._hosted.serving(), scope, body)

    async def of_version(self, version: str, scope: Scope, body: bytes) -> Reply:
        """The response of one version; `RequestRefused` (`not-found`) where another one answers."""
        return await self.of(serving_version(self._hosted, version), scope, body)

    async def of(self, model: ServedModel, scope: Scope, body: bytes) -> Reply:
        """The response of `model`."""
        length = _header_length(scope)
        arguments = (model, body, length, self._max_rows, self._observers)
        response = infer_at_once(*arguments) if len(body) <= INLINE_BYTES else None
        if response is None:
            response = await asyncio.to_thread(infer, *arguments)
        if response.header_length is None:
            return Reply(response.body)
        headers = ((b"content-type", OCTETS.encode()), (HEADER_LENGTH, b"%d" % response.header_length))
        return Reply(response.body, headers=headers)


def infer_path(model: str) -> str:
    """Where a model answers inference requests."""
    return f"{model_path(model)}/infer"


def infer_at_once(
    model: ServedModel, body: bytes, header_length: int | None, max_rows: int, observers: Sequence[Observer]
) -> EncodedResponse | None:
    """The response of `infer` to few rows that keep the contract; None for what would take long, with nothing done.

    Others wait meanwhile, and a request of some kilobytes may have thousands of mistakes to be put into words.
    """
    request = read_small_request(body, header_length, model.contract, max_rows)
    if request is None or not all(map(model.accepts, request.rows)):
        return None
    return encode_response(model, request, answered(model, request.rows, observers))


def infer(
    model: ServedModel, body: bytes, header_length: int | None, max_rows: int, observers: Sequence[Observer]
) -> EncodedResponse:
    """The response of one release to the request in `body`; all rows are answered, or none.

    Raises `RequestRefused`.
    """
    request = read_request(body, header_length, model.contract, max_rows)
    if refused := contract_refusal(request.rows, model):
        raise refused
    return encode_response(model, request, answered(model, request.rows, observers))


def serving_version(hosted: HostedModel, version: str) -> ServedModel:
    """The release that answers, if it is that version. Raises `RequestRefused` (`not-found`, `not-serving`)."""
    model = hosted.serving()
    if model.version != version:
        raise RequestRefused(
            NOT_FOUND,
            f"{hosted.name} {version} is not served here; {model.version} is. Ask without /versions for the one that "
            "answers.",
        )
    return model


def _header_length(scope: Scope) -> int | None:
    """How much of the body is JSON. Raises `RequestRefused` (`media-type`, `inference-request`)."""
    length = None
    for name, value in scope["headers"]:
        text = value.decode("latin-1").strip()
        if name == HEADER_LENGTH:
            if not LENGTH.fullmatch(text):
                raise RequestRefused(
                    NO_REQUEST, f"The header Inference-Header-Content-Length is {shown(text)}; a number is expected."
                )
            length = int(text)
        elif name == b"content-type" and text.partition(";")[0].strip().lower() not in MEDIA_TYPES:
            raise RequestRefused(MEDIA, f"The content type is {text}; one of {', '.join(MEDIA_TYPES)} is expected.")
    return length
