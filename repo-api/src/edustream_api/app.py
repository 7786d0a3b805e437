"""The HTTP application: FastAPI for what people and probes read, the prediction front before it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import orjson
from fastapi import FastAPI, Request, Response
from fastapi_offline import FastAPIOffline
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException
from starlette.routing import Route

from edustream_api import openapi, problems, reports
from edustream_api.front import Front
from edustream_api.keeper import Keeper
from edustream_api.metrics import Metrics
from edustream_api.polling import Poller
from edustream_api.problems import ProblemKind, problem_document
from edustream_api.settings import ConsumerSettings
from edustream_api.stated_needs import StatedNeeds

TITLE: Final = "EduStream consumer"
JSON: Final = "application/json"
OPENAPI: Final = "/openapi.json"
DOCS: Final = "/docs"
SWAGGER_UI: Final[dict[str, Any]] = {
    "tryItOutEnabled": True,
    "defaultModelsExpandDepth": 2,
    "displayRequestDuration": True,
    # By default Swagger UI sends the document to a public validator; nothing here may leave the machine.
    "validatorUrl": None,
}

KINDS_BY_STATUS: Final[dict[int, ProblemKind]] = {404: problems.NOT_FOUND, 405: problems.METHOD}


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The reading endpoints; each only translates what the keeper knows."""

    keeper: Keeper
    metrics: Metrics
    needs: StatedNeeds | None

    async def model(self, request: Request) -> Response:
        """What answers, where it comes from, who vouches for it."""
        serving = self.keeper.snapshot.serving
        return self._not_serving() if serving is None else _json(reports.model(serving))

    async def contract(self, request: Request) -> Response:
        """The contract of the release that answers; the pinned one while none does."""
        serving = self.keeper.snapshot.serving
        contract = serving.contract if serving else self.keeper.pinned
        return self._not_serving() if contract is None else _json(contract.document)

    async def health(self, request: Request) -> Response:
        """The state, for people."""
        return _json(reports.health(self.keeper, self.needs))

    async def live(self, request: Request) -> Response:
        """Whether the process runs: always, if it can say so."""
        return _json({"status": "live"})

    async def ready(self, request: Request) -> Response:
        """Whether predictions are answered."""
        snapshot = self.keeper.snapshot
        if not snapshot.state.serves:
            return self._not_serving()
        return _json({"status": "ready", "state": snapshot.state.value})

    async def exposition(self, request: Request) -> Response:
        """The metrics, for Prometheus."""
        return Response(self.metrics.render(self.keeper), media_type=CONTENT_TYPE_LATEST)

    async def document(self, request: Request) -> Response:
        """The OpenAPI document of the model that answers."""
        serving = self.keeper.snapshot.serving
        contract = serving.contract if serving else self.keeper.pinned
        version = serving.version if serving else None
        return _json(openapi.document(contract, version))

    def routes(self) -> list[Route]:
        """One route an endpoint."""
        endpoints: dict[str, Callable[[Request], Awaitable[Response]]] = {
            "/model": self.model,
            "/contract": self.contract,
            "/health": self.health,
            "/health/live": self.live,
            "/health/ready": self.ready,
            "/metrics": self.exposition,
            OPENAPI: self.document,
        }
        return [Route(path, endpoint, methods=["GET"]) for path, endpoint in endpoints.items()]

    def _not_serving(self) -> Response:
        document = reports.not_serving(self.keeper.snapshot, self.keeper)
        return _problem(document)


def build_app(
    keeper: Keeper,
    metrics: Metrics,
    settings: ConsumerSettings,
    pollers: Sequence[Poller],
    needs: StatedNeeds | None,
) -> Front:
    """The ASGI application; the pollers run while the server does."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        for poller in pollers:
            poller.start()
        yield
        for poller in pollers:
            poller.stop()

    app = FastAPIOffline(
        title=TITLE, docs_url=DOCS, redoc_url=None, lifespan=lifespan, swagger_ui_parameters=SWAGGER_UI
    )
    routes = Endpoints(keeper, metrics, needs).routes()
    # The first match answers: these come before FastAPI's own OpenAPI route, which knows no contract.
    app.router.routes[:0] = routes
    paths = frozenset({DOCS, *(route.path for route in routes)})
    app.add_exception_handler(HTTPException, _http_problem)
    return Front(app, paths, keeper, metrics, settings.max_rows, settings.max_body_bytes)


async def _http_problem(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    kind = KINDS_BY_STATUS.get(status, problems.NOT_FOUND)
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    if kind is problems.METHOD:
        detail = f"{request.url.path} takes {headers.get('Allow', 'GET')}, not {request.method}."
    else:
        detail = f"There is nothing at {request.url.path}; {DOCS} lists what there is."
    response = _problem(problem_document(kind, detail))
    response.headers.update(headers)
    return response


def _json(document: Any) -> Response:
    return Response(orjson.dumps(document), media_type=JSON)


def _problem(document: dict[str, Any]) -> Response:
    return Response(problems.encoded(document), document["status"], media_type=problems.MEDIA_TYPE)
