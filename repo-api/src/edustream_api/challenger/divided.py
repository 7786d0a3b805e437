"""An operation that two releases share: each request is answered by the side that its key meets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from starlette.types import Scope

from edustream_api import request_context
from edustream_api.challenger.split import CHALLENGER, CHAMPION, FAILURES, Split
from edustream_api.hosting import HostedModel
from edustream_api.loading import ServedModel
from edustream_api.problems import INTERNAL, RequestRefused
from edustream_api.web import request_log
from edustream_api.web.reply import Operation, Reply, refusal

SIDE_HEADER: Final = b"x-edustream-side"
SIDES: Final = {side: (SIDE_HEADER, side.encode()) for side in (CHAMPION, CHALLENGER)}


class ModelOperation(Protocol):
    """An operation of one model, by whichever release serves, or by one that was chosen before."""

    async def __call__(self, scope: Scope, body: bytes) -> Reply:
        """The reply of the release that serves."""

    async def of(self, model: ServedModel, scope: Scope, body: bytes) -> Reply:
        """The reply of this release."""


def divided(hosted: HostedModel, operation: Callable[[HostedModel], ModelOperation]) -> Operation:
    """`operation` of a model; where its answers are split, of both sides."""
    champion = operation(hosted)
    if hosted.split is None:
        return champion
    return Divided(hosted.split, champion, operation(HostedModel(hosted.split.challenger)))


class Divided:
    """Answers by one of two operations, and says by which."""

    def __init__(self, split: Split, champion: Operation, challenger: ModelOperation) -> None:
        self._split = split
        self._champion = champion
        self._challenger = challenger

    async def __call__(self, scope: Scope, body: bytes) -> Reply:
        """The answer of the request's side; the champion's where the challenger fails."""
        side, challenger, hindrance = self._split.choose(self._split.key(scope, body))
        if hindrance is not None:
            self._split.fell_back(hindrance)
        reply = None if challenger is None else await self._of_challenger(challenger, scope, body)
        if reply is None:
            side = CHAMPION
            reply = await self._of_champion(scope, body)
        self._split.answered(side, reply.status)
        return reply._replace(headers=(*reply.headers, SIDES[side]))

    async def _of_champion(self, scope: Scope, body: bytes) -> Reply:
        try:
            return await self._champion(scope, body)
        except RequestRefused as refused:
            return refusal(refused, scope["path"])

    async def _of_challenger(self, model: ServedModel, scope: Scope, body: bytes) -> Reply | None:
        """None, and why is counted, where the champion is to answer."""
        request_context.answered_by(model.version)
        try:
            # The release whose contract was found to fit: another one may serve by now.
            return await self._challenger.of(model, scope, body)
        except RequestRefused as refused:
            if refused.kind not in FAILURES:
                return refusal(refused, scope["path"])
            kind = refused.kind
        except Exception as error:
            request_log.unforeseen(error)
            kind = INTERNAL
        self._split.fell_back(kind.name)
        return None
