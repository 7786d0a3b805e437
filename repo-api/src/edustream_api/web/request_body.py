"""Reads a request's body within its limit, whether or not the client said how long it is."""

from __future__ import annotations

from typing import Final

from starlette.types import Message, Receive, Scope

from edustream_api.problems import MEDIA, TOO_LARGE, RequestRefused
from edustream_api.web.unread import CUT_SHORT

# What a client may still send after it was refused: it reads the refusal instead of a broken connection.
DRAINED_BODIES: Final = 16
CODING: Final = b"content-encoding"
UNENCODED: Final = b"identity"
CLIENT_GONE: Final = 499
"""What proxies log where nobody was left to read the answer."""


class ClientGone(ConnectionError):
    """The client closed the connection before its request was complete."""


class EncodedBody(RequestRefused):
    """A body in a coding that is not read here, which is told apart from another media type (RFC 9110, 15.5.16)."""

    def __init__(self, coding: bytes) -> None:
        super().__init__(MEDIA, f"The content encoding is {coding.decode('latin-1')}; bodies are read as they are.")


async def read_body(scope: Scope, receive: Receive, max_bytes: int) -> bytes:
    """The body of a request.

    Raises `RequestRefused` (`too-large`, `too-slow`, `malformed-http`), `EncodedBody`, `ClientGone`.
    """
    coding = stated_length = b""
    for name, value in scope["headers"]:
        if name == CODING and value.strip().lower() != UNENCODED:
            coding = value
        elif name == b"content-length":
            stated_length = value
    return await _limited(coding, stated_length, scope, receive, max_bytes)


async def read_json_body(scope: Scope, receive: Receive, max_bytes: int) -> bytes:
    """The body of a request that says it is JSON.

    Raises `RequestRefused` (`media-type`, and as `read_body` does), `EncodedBody`, `ClientGone`.
    """
    media_type = coding = stated_length = b""
    for name, value in scope["headers"]:
        if name == b"content-type":
            media_type = value
        elif name == b"content-length":
            stated_length = value
        elif name == CODING and value.strip().lower() != UNENCODED:
            coding = value
    body = await _limited(coding, stated_length, scope, receive, max_bytes)
    if media_type != b"application/json" and not _is_json(media_type):
        given = media_type.decode("latin-1") or "nothing"
        raise RequestRefused(MEDIA, f"The content type is {given}; application/json is expected.")
    return body


def _is_json(media_type: bytes) -> bool:
    return media_type.partition(b";")[0].strip().lower() == b"application/json"


async def _limited(coding: bytes, stated_length: bytes, scope: Scope, receive: Receive, max_bytes: int) -> bytes:
    if stated_length.isdigit() and int(stated_length) > max_bytes:
        awaited = any(name == b"expect" for name, _ in scope["headers"])
        if not awaited and int(stated_length) <= DRAINED_BODIES * max_bytes:
            await _drain(scope, receive, max_bytes)
        raise _too_large(max_bytes)
    body = await _read(scope, receive, max_bytes)
    if coding:
        raise EncodedBody(coding)
    return body


async def _read(scope: Scope, receive: Receive, max_bytes: int) -> bytes:
    body, more = _part(scope, await receive())
    if not more:
        if len(body) > max_bytes:
            raise _too_large(max_bytes)
        return body
    chunks, length = [body], len(body)
    while more:
        if length > max_bytes:
            await _drain(scope, receive, max_bytes)
            raise _too_large(max_bytes)
        chunk, more = _part(scope, await receive())
        chunks.append(chunk)
        length += len(chunk)
    if length > max_bytes:
        raise _too_large(max_bytes)
    return b"".join(chunks)


def _part(scope: Scope, message: Message) -> tuple[bytes, bool]:
    if message["type"] == "http.disconnect":
        raise ClientGone
    more = message.get("more_body", False)
    if more and (kind := scope.get("state", {}).get(CUT_SHORT)):
        raise RequestRefused(kind, f"{kind.title}.")
    return message.get("body", b""), more


async def _drain(scope: Scope, receive: Receive, max_bytes: int) -> None:
    length, more = 0, True
    while more and length <= DRAINED_BODIES * max_bytes:
        chunk, more = _part(scope, await receive())
        length += len(chunk)


def _too_large(max_bytes: int) -> RequestRefused:
    return RequestRefused(TOO_LARGE, f"The body is longer than the {max_bytes} bytes that are read.")
