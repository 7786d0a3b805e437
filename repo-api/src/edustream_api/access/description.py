"""Adds to the OpenAPI document what a consumer with keys or limits asks of its callers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from edustream_api import problems
from edustream_api.problems import ProblemKind

SCHEMES: Final = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "An API key"},
    "apiKey": {"type": "apiKey", "in": "header", "name": "x-api-key", "description": "The same key"},
}
# One of the two, not both.
EITHER: Final[list[dict[str, list[str]]]] = [{"bearer": []}, {"apiKey": []}]
FIELDS: Final = {
    "RateLimit-Policy": {"description": "The quota: q requests in w seconds", "schema": {"type": "string"}},
    "RateLimit": {"description": "What is left of it: r requests, more in t seconds", "schema": {"type": "string"}},
    "Retry-After": {"description": "Seconds until the next request is admitted", "schema": {"type": "integer"}},
}
CHALLENGE: Final = {"WWW-Authenticate": {"description": "What is expected", "schema": {"type": "string"}}}


def with_access(
    document: dict[str, Any], *, keys: bool, limits: bool, is_open: Callable[[str], bool]
) -> dict[str, Any]:
    """The document of a consumer that asks for keys, or limits its callers, at every path that is not open."""
    added: dict[str, Any] = {}
    if keys:
        added["401"] = _refusal(problems.UNAUTHORIZED, CHALLENGE)
        added["403"] = _refusal(problems.FORBIDDEN, {})
    if limits:
        added["429"] = _refusal(problems.RATE_LIMITED, FIELDS)
    paths = {
        path: item if is_open(path) else {method: _guarded(told, added, keys=keys) for method, told in item.items()}
        for path, item in document["paths"].items()
    }
    components = {**document["components"], "securitySchemes": SCHEMES} if keys else document["components"]
    return {**document, "paths": paths, "components": components}


def _guarded(operation: dict[str, Any], added: dict[str, Any], *, keys: bool) -> dict[str, Any]:
    guarded = {**operation, "responses": {**operation["responses"], **added}}
    return {**guarded, "security": EITHER} if keys else guarded


def _refusal(kind: ProblemKind, headers: dict[str, Any]) -> dict[str, Any]:
    content = {"schema": {"$ref": "#/components/schemas/Problem"}}
    response = {"description": kind.title, "content": {problems.MEDIA_TYPE: content}}
    return {**response, "headers": headers} if headers else response
