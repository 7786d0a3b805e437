"""A connection that has the commonest requests answered at once, and hands all others to uvicorn."""

from __future__ import annotations

from typing import Any, Final

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from edustream_api.prediction import LONG_BYTES
from edustream_api.request_context import Headers
from edustream_api.web.connections import BLANKS, BoundedConnection
from edustream_api.web.direct_answers import OK, DirectAnswers, header_lines
from edustream_api.web.front import Front
from edustream_api.web.reply import CLOSE

CLOSE_LINE: Final = header_lines([CLOSE])
MAX_REQUEST_BYTES: Final = LONG_BYTES
"""The longest that is answered at once, head and body: a longer one takes longer to be judged than a task costs."""


class WholeRequest:
    """What httptools reads of one piece of data; `whole` where that is one request, and nothing else."""

    def __init__(self) -> None:
        self._parser = httptools.HttpRequestParser(self)
        self.clear()

    def clear(self) -> None:
        """Keep nothing of what was read."""
        self.url = b""
        self.headers: Headers = []
        self.body = b""
        self._plain = False
        self._begun = self._complete = 0

    def close(self) -> None:
        """Read nothing any more: the parser and this refer to each other."""
        self.clear()
        del self._parser

    def read(self, data: bytes) -> bool:
        """Whether `data` is a whole POST of HTTP/1.1, after which the connection stays open."""
        self.clear()
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._plain = False
        if self._plain and self._begun == self._complete == 1:
            return True
        # The parser may be within a request that goes another way.
        self._parser = httptools.HttpRequestParser(self)
        return False

    def on_message_begin(self) -> None:
        """Called by the parser."""
        self._begun += 1

    def on_url(self, url: bytes) -> None:
        """Called by the parser with a part of the target."""
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by the parser."""
        # Trailers come with a transfer coding alone, and what has one is not answered at once.
        self.headers.append((name.lower(), value.rstrip(BLANKS)))

    def on_headers_complete(self) -> None:
        """Called by the parser."""
        parser = self._parser
        self._plain = (
            parser.get_method() == b"POST" and parser.get_http_version() == "1.1" and parser.should_keep_alive()
        )

    def on_body(self, body: bytes) -> None:
        """Called by the parser with a part of the body."""
        self.body += body

    def on_message_complete(self) -> None:
        """Called by the parser."""
        self._complete += 1


class DirectConnection(BoundedConnection):
    """Has whole requests that come between two others answered by the application's `DirectAnswers`, if it has any."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._direct: DirectAnswers | None = self.app.direct if isinstance(self.app, Front) else None
        self._request = WholeRequest()
        self._within = False
        self._asked = b""
        self._early = b""
        self._last = False
        self._answered_at = 0.0
        self._default_headers: Headers = []
        self._head = b""

    def data_received(self, data: bytes) -> None:
        """Take what arrived."""
        if self._asked:
            # Answers leave in the order of their requests.
            self._early += data
            self.flow.pause_reading()
        elif not self._at_rest() or len(data) > MAX_REQUEST_BYTES or not self._is_asked(data):
            super().data_received(data)

    def _at_rest(self) -> bool:
        cycle = self.cycle
        return (
            self._direct is not None
            and not self._within
            and (cycle is None or cycle.response_complete)
            and not self.flow.write_paused
            and not self.transport.is_closing()
        )

    def _is_asked(self, data: bytes) -> bool:
        request, direct = self._request, self._direct
        asked = (
            direct is not None
            and request.read(data)
            and len(data) - len(request.body) <= self._bounds.max_header_bytes
            and direct.ask(request.url, request.headers, request.body, self)
        )
        # An idle connection keeps nothing of what was sent on it.
        request.clear()
        if asked:
            self._asked = data
            self._last = self._last or self._lingering is not None
            if self._deadline is not None:
                self._expect_nothing()
        return asked

    def answer(self, head: bytes, body: bytes) -> None:
        """Send the answer to what was asked."""
        self._asked = b""
        transport = self.transport
        if transport.is_closing():
            return
        self.server_state.total_requests += 1
        closes = self._last and not self._early
        last = CLOSE_LINE if closes else b""
        self.writes.write_whole(b"%s%s%s\r\n%s" % (self._opening(), head, last, body))
        if closes:
            transport.close()
            return
        self._answered_at = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._keep_alive(self.timeout_keep_alive)
        self._go_on()

    def hand_on(self) -> None:
        """Have uvicorn take what was asked."""
        asked, self._asked = self._asked, b""
        if self.transport.is_closing():
            return
        try:
            super().data_received(asked)
        except Exception:
            # Nobody else would answer.
            self.transport.abort()
            raise
        if self._last:
            self.cycle.keep_alive = bool(self._early)
        self._go_on()

    def _go_on(self) -> None:
        if not self._early:
            return
        early, self._early = self._early, b""
        self.flow.resume_reading()
        if self._last:
            super().data_received(early)
            # Half a head is no request that could be answered.
            self.end()
        else:
            self.data_received(early)

    def _opening(self) -> bytes:
        # uvicorn replaces the list once a second, when the date changes.
        known = self.server_state.default_headers
        if known is not self._default_headers:
            self._default_headers = known
            self._head = STATUS_LINE[OK] + header_lines(known)
        return self._head

    def timeout_keep_alive_handler(self) -> None:
        """Close the connection, unless something was answered at once since the time began to run.

        So that such a request costs no timer of its own.
        """
        if self.transport.is_closing():
            return
        left = self._answered_at + self.timeout_keep_alive - self.loop.time()
        if self._asked or left > 0:
            self._keep_alive(left if left > 0 else self.timeout_keep_alive)
        else:
            super().timeout_keep_alive_handler()

    def on_message_begin(self) -> None:
        """Called by uvicorn's parser: what comes belongs to this request."""
        self._within = True
        super().on_message_begin()

    def on_message_complete(self) -> None:
        """Called by uvicorn's parser: another request may come."""
        self._within = False
        super().on_message_complete()

    def eof_received(self) -> bool:  # type: ignore[override]
        """Answer a client that has sent its whole request and closed its side."""
        if self._asked:
            self._last = True
            return True
        return super().eof_received()

    def shutdown(self) -> None:
        """Answer what was asked, and close."""
        if self._asked:
            self._last = True
        else:
            super().shutdown()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody waits any more."""
        self._asked = self._early = b""
        self._request.close()
        # uvicorn leaves it running where the client broke the connection.
        self._unset_keepalive_if_required()
        super().connection_lost(exc)
