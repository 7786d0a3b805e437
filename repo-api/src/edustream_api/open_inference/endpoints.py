"""What the Open Inference Protocol reads over HTTP: the server, its models, and whether they answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Final

from fastapi import Request, Response
from starlette.routing import Route

from edustream_api.hosting import CountRows, HostedModel, Hosting
from edustream_api.loading import ServedModel
from edustream_api.open_inference import protocol as open_inference
from edustream_api.open_inference.operations import Infer, serving_version
from edustream_api.open_inference.protocol import EXTENSIONS, ROOT, model_path
from edustream_api.web.endpoints import json_response, response_of
from edustream_api.web.request_body import CLIENT_GONE, ClientGone, read_body

SERVER: Final = "edustream-api"
VERSION: Final = "version"


@dataclass(frozen=True, slots=True)
class OpenInferenceEndpoints:
    """The server's part of the protocol."""

    hosting: Hosting
    max_rows: int
    max_body_bytes: int
    count: CountRows

    async def server(self, request: Request) -> Response:
        """The server's metadata."""
        return json_response({"name": SERVER, "version": version(SERVER), "extensions": list(EXTENSIONS)})

    async def live(self, request: Request) -> Response:
        """Whether the process runs: always, if it can say so."""
        return json_response({"live": True})

    async def ready(self, request: Request) -> Response:
        """Whether every model answers inference requests."""
        self.hosting.serving()
        # The protocol's text calls it live, where later documents of it say ready.
        return json_response({"live": True, "ready": True})

    def routes(self) -> list[Route]:
        """One route an endpoint; inference without a version is an operation."""
        routes = [
            Route(ROOT, self.server, methods=["GET"]),
            Route(f"{ROOT}/health/live", self.live, methods=["GET"]),
            Route(f"{ROOT}/health/ready", self.ready, methods=["GET"]),
        ]
        for hosted in self.hosting.models:
            routes += ModelInferenceEndpoints(hosted, self.max_rows, self.max_body_bytes, self.count).routes()
        return routes


@dataclass(frozen=True, slots=True)
class ModelInferenceEndpoints:
    """One model's part of the protocol; with a version in the path, of the release of that version alone."""

    hosted: HostedModel
    max_rows: int
    max_body_bytes: int
    count: CountRows

    async def metadata(self, request: Request) -> Response:
        """The tensors that it takes and gives."""
        return json_response(open_inference.model_metadata(self._serving(request.path_params)))

    async def ready(self, request: Request) -> Response:
        """Whether it answers inference requests."""
        return json_response({"name": self._serving(request.path_params).name, "ready": True})

    async def infer(self, request: Request) -> Response:
        """The response of the version in the path."""
        try:
            body = await read_body(request.scope, request.receive, self.max_body_bytes)
        except ClientGone:
            return Response(status_code=CLIENT_GONE)
        answer = Infer(self.hosted, self.max_rows, self.count)
        return response_of(await answer.of_version(request.path_params[VERSION], request.scope, body))

    def routes(self) -> list[Route]:
        """One route an endpoint, with and without a version."""
        path = model_path(self.hosted.name)
        versioned = f"{path}/versions/{{{VERSION}}}"
        return [
            Route(path, self.metadata, methods=["GET"]),
            Route(f"{path}/ready", self.ready, methods=["GET"]),
            Route(versioned, self.metadata, methods=["GET"]),
            Route(f"{versioned}/ready", self.ready, methods=["GET"]),
            Route(f"{versioned}/infer", self.infer, methods=["POST"]),
        ]

    def _serving(self, parameters: Mapping[str, Any]) -> ServedModel:
        asked = parameters.get(VERSION)
        return self.hosted.serving() if asked is None else serving_version(self.hosted, asked)
