"""Problem documents (RFC 9457): the one table from what went wrong to what a caller is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import orjson
from edustream_contracts.errors import Problem

from edustream_api import request_context
from edustream_api.states import State

MEDIA_TYPE: Final = "application/problem+json"
MAX_ERRORS: Final = 1000


@dataclass(frozen=True, slots=True)
class ProblemKind:
    """One row of the table: a stable name, an HTTP status, and a title that never varies."""

    name: str
    status: HTTPStatus
    title: str

    @property
    def uri(self) -> str:
        """The problem's `type`, an identifier that is not meant to be fetched."""
        return f"urn:edustream:problem:{self.name}"


NO_HTTP: Final = ProblemKind("malformed-http", HTTPStatus.BAD_REQUEST, "The request is not valid HTTP")
MALFORMED: Final = ProblemKind("malformed-json", HTTPStatus.BAD_REQUEST, "The body is not a JSON document")
NO_REQUEST: Final = ProblemKind("inference-request", HTTPStatus.BAD_REQUEST, "The body is not an inference request")
INVALID: Final = ProblemKind("invalid-input", HTTPStatus.UNPROCESSABLE_ENTITY, "The input breaks the model's contract")
TOO_LARGE: Final = ProblemKind("too-large", HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The request is too large")
MEDIA: Final = ProblemKind("media-type", HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "The media type is not supported")
HEAD_TOO_LARGE: Final = ProblemKind(
    "head-too-large", HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "The head of the request is too large"
)
TOO_SLOW: Final = ProblemKind("too-slow", HTTPStatus.REQUEST_TIMEOUT, "The request did not arrive in time")
UNAUTHORIZED: Final = ProblemKind("unauthorized", HTTPStatus.UNAUTHORIZED, "A valid API key is needed")
FORBIDDEN: Final = ProblemKind("forbidden", HTTPStatus.FORBIDDEN, "The API key is not good for this")
RATE_LIMITED: Final = ProblemKind("rate-limited", HTTPStatus.TOO_MANY_REQUESTS, "Too many requests")
NOT_FOUND: Final = ProblemKind("not-found", HTTPStatus.NOT_FOUND, "There is nothing at this path")
METHOD: Final = ProblemKind("method-not-allowed", HTTPStatus.METHOD_NOT_ALLOWED, "The method is not allowed here")
NOT_EXPLAINED: Final = ProblemKind("not-explainable", HTTPStatus.CONFLICT, "This release's answers cannot be explained")
NOT_SERVING: Final = ProblemKind("not-serving", HTTPStatus.SERVICE_UNAVAILABLE, "No model can answer right now")
MODEL_FAILED: Final = ProblemKind("model-failed", HTTPStatus.INTERNAL_SERVER_ERROR, "The model gave no usable answer")
INTERNAL: Final = ProblemKind("internal-error", HTTPStatus.INTERNAL_SERVER_ERROR, "The server made a mistake")

UNREAD: Final = (UNAUTHORIZED, FORBIDDEN, RATE_LIMITED, HEAD_TOO_LARGE, TOO_SLOW, NO_HTTP)
"""Of requests that are refused before their body is read."""

UNFORESEEN: Final = "The request could not be answered; give this problem's instance to whoever runs the server."


class RequestRefused(Exception):
    """A request that gets a problem document instead of an answer; `reason` is the state that refuses it."""

    def __init__(
        self, kind: ProblemKind, detail: str, errors: Sequence[Problem] = (), *, reason: State | None = None
    ) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.errors = tuple(errors)
        self.reason = reason

    def document(self) -> dict[str, Any]:
        """The problem document."""
        return problem_document(self.kind, self.detail, reason=self.reason, errors=self.errors)


def problem_document(
    kind: ProblemKind, detail: str, *, reason: State | None = None, errors: Sequence[Problem] = ()
) -> dict[str, Any]:
    """The members of a problem document; `reason` is the consumer's state, `errors` name every field at fault.

    More than `MAX_ERRORS` errors are counted, not listed, so that a small request cannot ask for a huge answer.
    """
    document: dict[str, Any] = {
        "type": kind.uri,
        "title": kind.title,
        "status": kind.status.value,
        "detail": detail,
    }
    if reason is not None:
        document["reason"] = reason.value
    if errors:
        document["errors"] = [{"pointer": error.pointer, "detail": error.message} for error in errors[:MAX_ERRORS]]
    if len(errors) > MAX_ERRORS:
        document["errors_omitted"] = len(errors) - MAX_ERRORS
    return document


def encoded(document: dict[str, Any]) -> bytes:
    """The bytes of a problem document; its `instance` is the request under way."""
    context = request_context.current()
    return orjson.dumps({**document, "instance": context.instance} if context else document)
