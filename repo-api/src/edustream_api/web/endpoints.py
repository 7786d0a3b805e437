"""What is read over HTTP: of each model, and of the process; every endpoint only translates what others know."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import orjson
from fastapi import Request, Response
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.routing import Route

from edustream_api.access.gate import Access
from edustream_api.challenger import report as shadow_report
from edustream_api.drift import report as drift_report
from edustream_api.hosting import HostedModel, Hosting
from edustream_api.metrics import Metrics
from edustream_api.problems import NOT_FOUND, RequestRefused
from edustream_api.web import health_page, openapi, reports
from edustream_api.web.openapi import DescribedModel
from edustream_api.web.reply import Reply

JSON: Final = "application/json"
OPENAPI: Final = "/openapi.json"

Endpoint: TypeAlias = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class ModelEndpoints:
    """The reading endpoints of one model."""

    hosted: HostedModel

    async def model(self, request: Request) -> Response:
        """What answers, where it comes from, who vouches for it."""
        return json_response(reports.model(self.hosted.serving()))

    async def contract(self, request: Request) -> Response:
        """The contract of the release that answers; the pinned one while none does."""
        snapshot = self.hosted.keeper.snapshot
        contract = self.hosted.contract(snapshot) or self.hosted.serving_in(snapshot).contract
        return json_response(contract.document)

    async def health(self, request: Request) -> Response:
        """The model's state, for people."""
        told = await asyncio.to_thread(reports.model_health, self.hosted)
        return _health_response(request, told, self.hosted.name)

    async def ready(self, request: Request) -> Response:
        """Whether this model's predictions are answered."""
        return _ready_response(self.hosted)

    async def drift(self, request: Request) -> Response:
        """How far rows and answers lie from the release's profile."""
        serving = self.hosted.serving()
        # Rows that wait are counted first, which takes milliseconds when there are many.
        return json_response(await asyncio.to_thread(drift_report.document, serving, self.hosted.drift))

    async def shadow(self, request: Request) -> Response:
        """How a challenger's answers differ from those that are given."""
        shadow = self.hosted.shadow
        if shadow is None:
            name = self.hosted.name
            raise RequestRefused(
                NOT_FOUND, f"No challenger is compared with {name}; start with --shadow {name}@candidate."
            )
        return json_response(await asyncio.to_thread(shadow_report.document, self.hosted.keeper, shadow))

    def routes(self) -> list[Route]:
        """One route an endpoint, below the model's own path."""
        prefix = f"/models/{self.hosted.name}"
        return [
            _route(prefix, self.model),
            _route(f"{prefix}/contract", self.contract),
            _route(f"{prefix}/drift", self.drift),
            _route(f"{prefix}/shadow", self.shadow),
            _route(f"{prefix}/health", self.health),
            _route(f"{prefix}/health/ready", self.ready),
        ]


@dataclass(frozen=True, slots=True)
class ProcessEndpoints:
    """The reading endpoints of the process, and those of its only model."""

    hosting: Hosting
    metrics: Metrics
    access: Access | None = None

    async def models(self, request: Request) -> Response:
        """The models that are asked for, and how each is."""
        return json_response(reports.models(self.hosting))

    async def health(self, request: Request) -> Response:
        """The state, for people."""
        only = self.hosting.only
        # What other workers counted is in files.
        told = await asyncio.to_thread(reports.health, self.hosting)
        if self.access:
            told |= self.access.report()
        return _health_response(request, told, only.name if only else "EduStream consumer")

    async def live(self, request: Request) -> Response:
        """Whether the process runs: always, if it can say so."""
        return json_response({"status": "live"})

    async def ready(self, request: Request) -> Response:
        """Whether the predictions of every model are answered."""
        if only := self.hosting.only:
            return _ready_response(only)
        serving = self.hosting.serving()
        return json_response({"status": "ready", "models": {model.name: model.version for model in serving}})

    async def exposition(self, request: Request) -> Response:
        """The metrics, for Prometheus."""
        # Rows that wait for their drift are counted first: others are answered meanwhile.
        text = await asyncio.to_thread(self.metrics.render, self.hosting)
        return Response(text, media_type=CONTENT_TYPE_LATEST)

    async def document(self, request: Request) -> Response:
        """The OpenAPI document of the models that answer."""
        alone = self.hosting.only is not None
        document = openapi.document([_described(hosted, alone=alone) for hosted in self.hosting.models])
        return json_response(self.access.described(document) if self.access else document)

    def routes(self) -> list[Route]:
        """One route an endpoint."""
        routes = [
            _route("/models", self.models),
            _route("/health", self.health),
            _route("/health/live", self.live),
            _route("/health/ready", self.ready),
            _route("/metrics", self.exposition),
            _route(OPENAPI, self.document),
        ]
        for hosted in self.hosting.models:
            routes += ModelEndpoints(hosted).routes()
        if only := self.hosting.only:
            endpoints = ModelEndpoints(only)
            routes += [
                _route("/model", endpoints.model),
                _route("/contract", endpoints.contract),
                _route("/drift", endpoints.drift),
                _route("/shadow", endpoints.shadow),
            ]
        return routes


def _described(hosted: HostedModel, *, alone: bool) -> DescribedModel:
    snapshot = hosted.keeper.snapshot
    version = snapshot.serving.version if snapshot.serving else None
    return DescribedModel(hosted.name, hosted.contract(snapshot), version, alone)


def _ready_response(hosted: HostedModel) -> Response:
    snapshot = hosted.keeper.snapshot
    hosted.serving_in(snapshot)
    return json_response({"status": "ready", "state": snapshot.state.value})


def json_response(document: Any) -> Response:
    """A document as JSON."""
    return Response(orjson.dumps(document), media_type=JSON)


def response_of(reply: Reply) -> Response:
    """A reply, where a route answers."""
    response = Response(reply.body, reply.status)
    response.raw_headers.extend(reply.headers)
    return response


def _health_response(request: Request, document: dict[str, Any], title: str) -> Response:
    if health_page.prefers_page(request.headers.get("accept", "")):
        page = health_page.page(document, title)
        return Response(page, headers=health_page.HEADERS, media_type=health_page.MEDIA_TYPE)
    response = json_response(document)
    response.headers["vary"] = "accept"
    return response


def _route(path: str, endpoint: Endpoint) -> Route:
    return Route(path, endpoint, methods=["GET"])
