"""HTTP clients of a consumer, and what their tests ask of a problem document."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from starlette.testclient import TestClient

from edustream_api.consumer import Consumer
from edustream_api.keeper import Keeper
from edustream_api.stated_needs import StatedNeeds

PROBLEM = "application/problem+json"
JSON = {"content-type": "application/json"}


@contextmanager
def client_of(consumer: Consumer) -> Iterator[TestClient]:
    consumer.start()
    with TestClient(consumer.app) as client:
        yield client


def problem_of(response: Any, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == PROBLEM
    document: dict[str, Any] = response.json()
    assert document["status"] == status
    assert document["type"].startswith("urn:edustream:problem:")
    return document


def pointers(document: dict[str, Any]) -> list[str]:
    return [error["pointer"] for error in document["errors"]]


def address_of(path: str, operation: dict[str, Any]) -> str:
    """A path of the OpenAPI document, with the examples of its parameters."""
    return path.format(
        **{one["name"]: one["example"] for one in operation.get("parameters", []) if one["in"] == "path"}
    )


def keeper_of(consumer: Consumer) -> Keeper:
    """The keeper of a consumer of one model."""
    (hosted,) = consumer.hosting.models
    return hosted.keeper


def needs_of(consumer: Consumer) -> StatedNeeds | None:
    (hosted,) = consumer.hosting.models
    return hosted.needs
