"""An operation that two releases share: each request is answered by the side that its key meets."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from starlette.types import Scope

from edustream_api.challenger.split import CHALLENGER, CHAMPION, Split
from edustream_api.hosting import HostedModel
from edustream_api.problems import RequestRefused
from edustream_api.web.reply import Operation, Reply, refusal

SIDE_HEADER: Final = b"x-edustream-side"
SIDES: Final = {side: (SIDE_HEADER, side.encode()) for side in (CHAMPION, CHALLENGER)}
FAILURES: Final = {HTTPStatus.INTERNAL_SERVER_ERROR: "model-failed", HTTPStatus.SERVICE_UNAVAILABLE: "not-serving"}
"""Statuses of answers that the champion gives in the challenger's place, and why."""


def divided(hosted: HostedModel, operation: Callable[[HostedModel], Operation]) -> Operation:
    """`operation` of a model; where its answers are split, of both sides."""
    champion = operation(hosted)
    if hosted.split is None:
        return champion
    return Divided(hosted.split, champion, operation(HostedModel(hosted.split.challenger)))


class Divided:
    """Answers by one of two operations, and says by which."""

    def __init__(self, split: Split, champion: Operation, challenger: Operation) -> None:
        self._split = split
        self._operations = {CHAMPION: champion, CHALLENGER: challenger}

    async def __call__(self, scope: Scope, body: bytes) -> Reply:
        """The answer of the request's side; the champion's where the challenger fails."""
        side = self._split.side(self._split.key(scope, body))
        reply = await self._reply(side, scope, body)
        if side is CHALLENGER and reply.status in FAILURES:
            self._split.fell_back(FAILURES[HTTPStatus(reply.status)])
            side = CHAMPION
            reply = await self._reply(side, scope, body)
        self._split.answered(side, reply.status)
        return reply._replace(headers=(*reply.headers, SIDES[side]))

    async def _reply(self, side: str, scope: Scope, body: bytes) -> Reply:
        try:
            return await self._operations[side](scope, body)
        except RequestRefused as refused:
            return refusal(refused, scope["path"])
