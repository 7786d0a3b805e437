"""Bounds what a server may send: no reply without end, none that drips, and none that ends before its end.

A read timeout alone bounds neither: every byte starts it anew. So the reading of a body is timed as a whole against a
least rate, and a reply that the client keeps in memory (a listing, an error) is bounded in length. A connection that is
closed in good order before the stated length has come is no end of a reply either.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from urllib3.exceptions import HTTPError

GRACE_S: Final = 10.0
LEAST_BYTES_PER_S: Final = 16 * 1024
MAX_REPLY_BYTES: Final = 16 * 1024 * 1024
CHUNK_BYTES: Final = 1024 * 1024

GiveUp = Callable[[str], Exception]
"""Makes the error that the client knows as "no usable reply"."""


@dataclass(slots=True)
class BoundedBody:
    """The body of a reply, read no slower than the least rate and no further than `max_bytes` (None: to its end).

    Whatever keeps it from being read whole is raised as `give_up` makes it.
    Only the time spent waiting for the server counts, not the reader's own.
    """

    body: Any
    give_up: GiveUp
    max_bytes: int | None = None
    clock: Callable[[], float] = time.monotonic
    _received: int = field(default=0, init=False)
    _waited_s: float = field(default=0.0, init=False)

    def read(self, amt: int | None = None, **_: Any) -> bytes:
        """At most `amt` bytes, as many as there are; all that is left for None."""
        pieces = []
        left = amt
        while left is None or left > 0:
            piece = self._next(CHUNK_BYTES if left is None else min(left, CHUNK_BYTES))
            if not piece:
                break
            pieces.append(piece)
            left = None if left is None else left - len(piece)
        return b"".join(pieces)

    def readinto(self, buffer: Any) -> int:
        """Fill `buffer` as far as there are bytes; how many came."""
        count = 0
        while count < len(buffer) and (piece := self._next(min(len(buffer) - count, CHUNK_BYTES))):
            buffer[count : count + len(piece)] = piece
            count += len(piece)
        return count

    def stream(self, amt: int = CHUNK_BYTES, **_: Any) -> Iterator[bytes]:
        """The rest in pieces of at most `amt` bytes."""
        while piece := self._next(amt):
            yield piece

    def _next(self, amt: int) -> bytes:
        began = self.clock()
        try:
            piece: bytes = self.body.read1(amt)
        except HTTPError as error:
            raise self.give_up(str(error)) from error
        self._waited_s += self.clock() - began
        self._received += len(piece)
        if not piece and self.body.length_remaining:
            raise self._refused(f"it ended {self.body.length_remaining} bytes early")
        if self._waited_s > GRACE_S + self._received / LEAST_BYTES_PER_S:
            raise self._refused(f"it came too slowly: {self._received} bytes in {self._waited_s:.0f} s")
        if self.max_bytes is not None and self._received > self.max_bytes:
            raise self._refused(f"it is longer than {self.max_bytes} bytes")
        return piece

    def _refused(self, why: str) -> Exception:
        # What is left of the reply would be taken for the answer to the next request on this connection.
        self.body.close()
        return self.give_up(f"the reply was given up, since {why}")

    def __getattr__(self, name: str) -> Any:
        return getattr(self.body, name)


class BoundedSession:
    """Sends as the HTTP session that it wraps, and bounds every reply."""

    def __init__(self, session: Any, give_up: GiveUp, clock: Callable[[], float] = time.monotonic) -> None:
        self._session = session
        self._give_up = give_up
        self._clock = clock

    def send(self, request: Any) -> Any:
        """The reply to a prepared request; its body is read here unless the caller streams it."""
        streams = request.stream_output
        # Nothing of the body is read before the bounds are around it.
        request.stream_output = True
        try:
            response = self._session.send(request)
        finally:
            request.stream_output = streams
        limit = None if streams and response.status_code < 300 else MAX_REPLY_BYTES
        response.raw = BoundedBody(response.raw, self._give_up, limit, self._clock)
        if not streams:
            _ = response.content
        return response

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)


def bound_replies(client: Any, give_up: GiveUp, clock: Callable[[], float] = time.monotonic) -> None:
    """Bound every reply that a boto3 client gets from now on."""
    # boto3 has no public place for an HTTP session of one's own.
    client._endpoint.http_session = BoundedSession(client._endpoint.http_session, give_up, clock)
