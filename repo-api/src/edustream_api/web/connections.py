"""Connections that cannot be held open by clients who send, or read, too slowly or without end."""

from __future__ import annotations

import asyncio
from asyncio import TimerHandle
from dataclasses import dataclass
from typing import Any, Final

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from edustream_api import problems, request_context
from edustream_api.problems import ProblemKind, RequestRefused
from edustream_api.web import request_log
from edustream_api.web.joined_writes import JoinedConnection
from edustream_api.web.reply import CLOSE, refusal
from edustream_api.web.unread import CUT_SHORT, REFUSED

HEAD_END: Final = b"\r\n\r\n"
TRANSFER_ENCODING: Final = b"transfer-encoding"
CHUNKED: Final = b"chunked"
BLANKS: Final = b" \t"
"""What may stand behind a value without being part of it (RFC 9110, section 5.5)."""
LINGER_S: Final = 0.5
"""How long a connection without a request stays open at the end of the server: what its client may just have sent would
be answered by a reset."""
OLD: Final = "1.0"
VERSIONS: Final = (OLD, "1.1")
UPGRADE: Final = frozenset({b"connection", b"http2-settings", b"upgrade"})


@dataclass(frozen=True, slots=True)
class Bounds:
    """How long a client may take to send a head, and a body, and to read; how long a head may be."""

    header_timeout_s: float
    body_timeout_s: float
    max_header_bytes: int


class BoundedConnection(JoinedConnection):
    """uvicorn's connection with deadlines for what arrives in pieces; a request that arrives whole costs a comparison.

    uvicorn itself bounds the time between two requests alone. (Its `limit_concurrency` counts idle connections too, so
    that these would keep out everybody else; it stays off.)
    """

    def __init__(self, *args: Any, bounds: Bounds, **options: Any) -> None:
        super().__init__(*args, **options)
        self._bounds = bounds
        self._head_bytes = 0
        self._head_tail = b""
        self._framing_bytes = 0
        self._completed = False
        self._deadline: TimerHandle | None = None
        self._bounded: object = None
        self._stalled: TimerHandle | None = None
        self._lingering: TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Expect a head."""
        super().connection_made(transport)
        # Whatever the client does not take is noticed, not only what exceeds 64 KiB.
        transport.set_write_buffer_limits(0)
        self._expect(None, self._bounds.header_timeout_s)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the deadlines."""
        self._expect_nothing()
        if self._lingering is not None:
            self._lingering.cancel()
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what arrived; expect the rest of it in time."""
        if (self._head_bytes or len(data) > self._bounds.max_header_bytes) and self._too_long(data):
            self._refuse(problems.HEAD_TOO_LARGE)
            return
        self._completed = False
        if self._in_body():
            self._framing_bytes += len(data)
        self._unset_keepalive_if_required()
        self._feed(data)
        cycle = self.cycle
        whole = cycle is not None and cycle.scope is self.scope and not cycle.more_body
        if whole and (self._completed or not cycle.response_complete):
            if self._deadline is not None:
                self._expect_nothing()
            if cycle.response_complete and self.timeout_keep_alive_task is None and not self.transport.is_closing():
                # It was answered before all of it had come, which put an end to the time that ran since.
                self._keep_alive(self.timeout_keep_alive)
        elif not self.transport.is_closing():
            self._expect_rest(data)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by the parser: a field of a head; not one of a trailer, which is no part of it (RFC 9110, 6.5.1)."""
        if self.cycle is None or self.cycle.scope is not self.scope:
            super().on_header(name, value.rstrip(BLANKS))

    def on_headers_complete(self) -> None:
        """Called by the parser at the end of a head.

        Raises `ValueError` for one of another protocol, that does not say whom it is for, or whose body comes in a
        coding that is not known.
        """
        if self.parser.should_upgrade():
            return
        version = self.parser.get_http_version()
        if version not in VERSIONS:
            raise ValueError(f"HTTP/{version}")
        hosts = [value for name, value in self.headers if name == request_context.HOST]
        # RFC 9112, section 3.2.
        if len(hosts) > 1 or (not hosts and version != OLD) or not all(map(request_context.is_host, hosts)):
            raise ValueError(f"hosts {hosts}")
        codings = [value.lower() for name, value in self.headers if name == TRANSFER_ENCODING]
        # The parser looks for the last coding alone, and the body would be taken for what it is not. What knows nothing
        # but HTTP/1.0 takes its length from elsewhere (RFC 9112, section 6.1).
        if codings and (codings != [CHUNKED] or version == OLD):
            raise ValueError(f"transfer codings {codings}")
        super().on_headers_complete()
        if self._lingering is not None:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """Called by the parser with a part of the body."""
        self._framing_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Called by the parser: all of a request has come, whether or not it was answered before."""
        if self.parser.should_upgrade():
            # All but its body, which the parser takes for another protocol.
            return
        super().on_message_complete()
        self._completed = True
        self._framing_bytes = 0
        self.cycle.more_body = False

    def _feed(self, data: bytes) -> None:
        # One piece may hold thousands of requests: none of them is read within another, nor what follows it copied.
        rest = memoryview(data)
        try:
            while rest:
                try:
                    self.parser.feed_data(rest)
                    return
                except httptools.HttpParserUpgrade as upgrade:
                    rest = rest[upgrade.args[0] :]
                if self.parser.get_method() == b"CONNECT":
                    self.send_400_response("")
                    return
                self._ignore_upgrade()
        except httptools.HttpParserError:
            self.send_400_response("")

    def _ignore_upgrade(self) -> None:
        """Read the head anew without the wish to speak another protocol, which nobody has to grant (RFC 9110, 7.8).

        What comes behind it, its body and what follows, is for the new parser to read. Raises `HttpParserError`.
        """
        fields = [(name, value) for name, value in self.headers if name not in UPGRADE]
        if not self.parser.should_keep_alive():
            fields.append(CLOSE)
        head = b"".join(b"%s: %s\r\n" % field for field in fields)
        line = b"%s %s HTTP/%s\r\n" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        self.parser = httptools.HttpRequestParser(self)
        self.parser.feed_data(line + head + b"\r\n")

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP."""
        self._refuse(problems.NO_HTTP)

    def eof_received(self) -> bool:  # type: ignore[override]
        """Answer a client that has sent its whole request and closed its side; leave any other."""
        cycle = self.cycle
        if cycle is None or cycle.scope is not self.scope or cycle.more_body or cycle.response_complete:
            return False
        cycle.keep_alive = False
        return True

    def shutdown(self) -> None:
        """Answer the request that is under way, or that comes within a moment, and close."""
        cycle = self.cycle
        if self._lingering is None and (cycle is None or cycle.response_complete):
            self._lingering = self.loop.call_later(LINGER_S, self.end)
        else:
            self.end()

    def end(self) -> None:
        """Close once what is under way is answered, and at once where nothing is."""
        super().shutdown()

    def pause_writing(self) -> None:
        """The client does not read: it has as long as for a body."""
        super().pause_writing()
        self._stalled = self.loop.call_later(self._bounds.body_timeout_s, self.transport.abort)

    def resume_writing(self) -> None:
        """The client has read."""
        super().resume_writing()
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def _keep_alive(self, within_s: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(within_s, self.timeout_keep_alive_handler)

    def _in_body(self) -> bool:
        cycle = self.cycle
        return cycle is not None and cycle.scope is self.scope and cycle.more_body

    def _too_long(self, data: bytes) -> bool:
        """Whether a head that `data` begins, or goes on with, is longer than it may be, its blank line included."""
        if self._in_body():
            return False
        tail, data = (self._head_tail, data) if self._head_bytes else (b"", data.lstrip(b"\r\n"))
        end = (tail + data).find(HEAD_END)
        return self._head_bytes + (len(data) if end < 0 else end + len(HEAD_END) - len(tail)) > (
            self._bounds.max_header_bytes
        )

    def _expect_rest(self, data: bytes) -> None:
        if self._in_body():
            self._head_bytes = 0
            self._expect(self.cycle, self._bounds.body_timeout_s)
            if self._framing_bytes > self._bounds.max_header_bytes:
                # Trailers, or what chunks are wrapped in, without end.
                self._refuse(problems.HEAD_TOO_LARGE)
            return
        if self._completed:
            # The head began somewhere in this piece: it is bounded by its limit and one read.
            data = data[1 - len(HEAD_END) :]
        # Blank lines before a head are no part of it.
        head = data if self._head_bytes else data.lstrip(b"\r\n")
        self._head_bytes += len(head)
        self._head_tail = (self._head_tail + head)[1 - len(HEAD_END) :]
        self._expect(self.scope, self._bounds.header_timeout_s)

    def _expect(self, what: object, within_s: float) -> None:
        """`what` is the request whose head or body is under way: more of the same is no reason to wait longer."""
        if self._deadline is not None:
            if self._bounded is what:
                return
            self._deadline.cancel()
        self._bounded = what
        self._deadline = self.loop.call_later(within_s, self._overdue)

    def _expect_nothing(self) -> None:
        self._head_bytes = 0
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _overdue(self) -> None:
        self._deadline = None
        cycle = self.cycle
        if self.scope is None or (cycle is not None and cycle.scope is self.scope and cycle.response_complete):
            # Nothing was begun that could be refused.
            self.transport.close()
        else:
            self._refuse(problems.TOO_SLOW)

    def _refuse(self, kind: ProblemKind) -> None:
        """Refuse what is arriving; the answer to the request under way, if there is one, is not cut off for that."""
        cycle = self.cycle
        if cycle is None or (cycle.response_complete and not self._in_body()):
            self._answer(kind)
        elif cycle.response_complete:
            self.transport.close()
        else:
            cycle.keep_alive = False
            if self._in_body():
                self._cut_short(cycle, kind)

    def _cut_short(self, cycle: RequestResponseCycle, kind: ProblemKind) -> None:
        """Wake the application, which answers; cut it off if it was woken in vain before."""
        state = cycle.scope["state"]
        if CUT_SHORT in state:
            self.transport.close()
            return
        state[CUT_SHORT] = kind
        cycle.message_event.set()
        self._expect(cycle, self._bounds.body_timeout_s)

    def _answer(self, kind: ProblemKind) -> None:
        begun = self.cycle is None or self.cycle.scope is not self.scope
        identity = request_context.enter((self.headers or ()) if begun else ()).headers()
        reply = refusal(RequestRefused(kind, f"{kind.title}."), path="")
        fields = [*reply.headers, (b"content-length", b"%d" % len(reply.body)), CLOSE, *identity]
        head = b"".join(b"%s: %s\r\n" % field for field in fields)
        self.transport.write(STATUS_LINE[reply.status] + head + b"\r\n" + reply.body)
        self.transport.close()
        request_log.unread(kind.name, reply.status)
        if counted := self.app_state.get(REFUSED):
            counted(kind.name)
