"""Answers the commonest request before it becomes a task: one row that keeps the contract, as JSON, to one model.

What a framework does for a request costs several times what the model does. Nothing but success is told here: whatever
ends otherwise, or differs in any way, is handed on to `Front`, whose answers callers cannot tell from these.
"""

from __future__ import annotations

from collections.abc import Mapping
from time import perf_counter
from typing import Final, Protocol

from edustream_registry.inference.session import Answer

from edustream_api import json_document, request_context
from edustream_api.challenger.divided import SIDES
from edustream_api.challenger.split import TO_CHAMPION, row_key
from edustream_api.hosting import HostedModel, Hosting
from edustream_api.joint_inference import JointInference
from edustream_api.prediction import encoded
from edustream_api.request_context import HOST, IDENTITY, Headers, RequestContext, is_host
from edustream_api.web.reply import JSON_HEADER, Observe

OK: Final = 200
HEAD: Final = b"%scontent-length: %d\r\n%s"
CONTENT_TYPE: Final = b"content-type"
UNCOMMON: Final = frozenset({b"content-encoding", b"expect", b"transfer-encoding"})


class Asker(Protocol):
    """Who has asked, and waits to be told."""

    def answer(self, head: bytes, body: bytes) -> None:
        """Send this, with status 200; `head` is every header's line."""

    def hand_on(self) -> None:
        """Have the request answered in the ordinary way."""


class DirectModel:
    """What answers the rows of one model: the release that serves, or where answers are split, that of either side."""

    def __init__(self, path: str, hosted: HostedModel, observe: Observe) -> None:
        """`observe` is told of every request that was asked at `path` and answered."""
        self._path = path
        self._champion = hosted.keeper
        self._split = hosted.split
        self._observe = observe
        self._inference = JointInference(hosted.observers)
        self._heads = {
            side: header_lines([JSON_HEADER] if hosted.split is None else [JSON_HEADER, header])
            for side, header in SIDES.items()
        }
        self.under_way = 0

    def ask(self, fields: Mapping[bytes, bytes], body: bytes, request: RequestContext, asker: Asker) -> bool:
        """Have the row in `body` answered; False, with nothing done, where it is none that can be."""
        started = perf_counter()
        champion, split = self._champion.snapshot.serving, self._split
        if champion is None:
            return False
        try:
            row = json_document.parse_plain(body)
        except ValueError:
            return False
        # What is wrong with a refused row is told by the ordinary way.
        if not champion.accepts(row):
            return False
        side, challenger, hindrance = TO_CHAMPION
        if split is not None:
            key = fields.get(split.key_header)
            if key is None:
                key = row_key(row)
            if split.meets_challenger(key):
                side, challenger, hindrance = split.choose(key)
        model = challenger or champion

        def done(outcome: Answer | Exception) -> None:
            self.under_way -= 1
            try:
                if isinstance(outcome, Exception):
                    raise outcome
                answer = encoded(model, outcome)
            except Exception:
                # The ordinary way meets it too, and tells of it.
                asker.hand_on()
                return
            self._observe(self._path, OK, perf_counter() - started)
            if split is not None:
                if hindrance is not None:
                    split.fell_back(hindrance)
                split.succeeded[side] += 1
            asker.answer(HEAD % (self._heads[side], len(answer), header_lines(request.headers())), answer)

        self.under_way += 1
        # As in the ordinary way, nobody observes a challenger.
        self._inference.ask(model, row, done, observed=challenger is None)
        return True


class DirectAnswers:
    """The models of a process by the path at which one row of theirs is asked for."""

    def __init__(self, hosting: Hosting, observe: Observe, max_body_bytes: int) -> None:
        self._max_body_bytes = max_body_bytes
        paths = {f"{prefix}/predict": hosted for prefix, hosted in hosting.prefixes()}
        self._models: Mapping[bytes, DirectModel] = {
            path.encode(): DirectModel(path, hosted, observe) for path, hosted in paths.items()
        }

    @property
    def under_way(self) -> int:
        """How many requests are not answered yet."""
        return sum(model.under_way for model in self._models.values())

    def ask(self, url: bytes, headers: Headers, body: bytes, asker: Asker) -> bool:
        """Have a POST answered; False, with nothing done, where it is none of those that are answered here.

        `asker` is told in the next turn of the event loop.
        """
        model = self._models.get(url)
        fields = dict(headers)
        if model is None or len(body) > self._max_body_bytes or len(fields) != len(headers) or not _is_common(fields):
            return False
        request = request_context.unnamed() if IDENTITY.isdisjoint(fields) else request_context.read(headers)
        return model.ask(fields, body, request, asker)


def header_lines(headers: Headers) -> bytes:
    """The lines of these headers in the head of an answer."""
    return b"".join([b"%s: %s\r\n" % header for header in headers])


def _is_common(fields: Mapping[bytes, bytes]) -> bool:
    return (
        fields.get(CONTENT_TYPE) == JSON_HEADER[1]
        and HOST in fields
        and is_host(fields[HOST])
        and UNCOMMON.isdisjoint(fields)
    )
