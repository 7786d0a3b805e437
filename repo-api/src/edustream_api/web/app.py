"""The HTTP application: FastAPI for what people and probes read, the prediction front before it."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.routing import APIRoute
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException

from edustream_api import polling, problems
from edustream_api.access.gate import Access
from edustream_api.hosting import Hosting
from edustream_api.metrics import Metrics
from edustream_api.open_inference.endpoints import OpenInferenceEndpoints
from edustream_api.polling import Poller
from edustream_api.problems import ProblemKind, RequestRefused
from edustream_api.settings import ConsumerSettings
from edustream_api.web.direct_answers import DirectAnswers
from edustream_api.web.endpoints import ProcessEndpoints, response_of
from edustream_api.web.front import Front
from edustream_api.web.operations import operations
from edustream_api.web.reply import refusal
from edustream_api.web.request_log import RequestLog
from edustream_api.web.unread import REFUSED

TITLE: Final = "EduStream consumer"
DOCS: Final = "/docs"
SWAGGER_UI: Final[dict[str, Any]] = {
    "tryItOutEnabled": True,
    "defaultModelsExpandDepth": 2,
    "displayRequestDuration": True,
    # By default Swagger UI sends the document to a public validator; nothing here may leave the machine.
    "validatorUrl": None,
}

SWITCH_INTERVAL_S: Final = 0.0001
"""How long a thread that loads, counts or compares may keep one that answers waiting for the interpreter lock."""

KINDS_BY_STATUS: Final[dict[int, ProblemKind]] = {404: problems.NOT_FOUND, 405: problems.METHOD}


def build_app(
    hosting: Hosting,
    metrics: Metrics,
    settings: ConsumerSettings,
    pollers: Sequence[Poller],
    access: Access | None = None,
) -> Front:
    """The ASGI application; the pollers run while the server does."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, Any]]:
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        for poller in pollers:
            poller.start()
        yield {REFUSED: metrics.refused}
        polling.stop(pollers)
        if access is not None:
            await access.aclose()

    app = FastAPIOffline(
        title=TITLE,
        docs_url=DOCS,
        redoc_url=None,
        lifespan=lifespan,
        swagger_ui_parameters=SWAGGER_UI,
        # A redirect would name the address that the Host header says, and plain HTTP behind a proxy that ends TLS.
        redirect_slashes=False,
    )
    routes = [
        *ProcessEndpoints(hosting, metrics, access).routes(),
        *OpenInferenceEndpoints(hosting, settings.max_rows, settings.max_body_bytes, metrics.observe_batch).routes(),
    ]
    # The first match answers: these come before FastAPI's own OpenAPI route, which knows no contract.
    app.router.routes[:0] = routes
    for route in app.router.routes:
        # FastAPI's own page answers GET alone; whatever has a GET has a HEAD (RFC 9110, section 9.1).
        if isinstance(route, APIRoute):
            route.methods = {"GET", "HEAD"}
    paths = frozenset({DOCS, *(route.path for route in routes)})
    app.add_exception_handler(HTTPException, _http_problem)
    app.add_exception_handler(RequestRefused, _refused)
    app.add_exception_handler(Exception, _broken)
    # A gate, and a line for every request, are for all requests alike.
    direct = (
        DirectAnswers(hosting, metrics.observe, settings.max_body_bytes)
        if access is None and not settings.access_log
        else None
    )
    front = Front(
        app,
        paths,
        operations(hosting, settings.max_rows, metrics.observe_batch),
        metrics.observe,
        settings.max_body_bytes,
        RequestLog(every=settings.access_log),
        access,
        direct,
    )
    metrics.in_progress = lambda: front.in_progress + (direct.under_way if direct else 0)
    return front


async def _http_problem(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    kind = KINDS_BY_STATUS.get(status, problems.NOT_FOUND)
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    if kind is problems.METHOD:
        detail = f"{request.url.path} takes {headers.get('Allow', 'GET')}, not {request.method}."
    else:
        detail = f"There is nothing at {request.url.path}; {DOCS} lists what there is."
    response = _refusal(request, RequestRefused(kind, detail))
    response.headers.update(headers)
    return response


async def _refused(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestRefused):
        raise error
    return _refusal(request, error)


async def _broken(request: Request, error: Exception) -> Response:
    return _refusal(request, RequestRefused(problems.INTERNAL, problems.UNFORESEEN))


def _refusal(request: Request, refused: RequestRefused) -> Response:
    return response_of(refusal(refused, request.scope["path"]))
