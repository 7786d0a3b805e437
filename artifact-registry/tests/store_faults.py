"""Stores that break one promise each, as a proxy before one that keeps them all."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from email.utils import format_datetime, parsedate_to_datetime
from urllib.parse import parse_qs, urlsplit

from faulty_proxy import Answer, Fault, Forward, Request, proxy

from edustream_registry.settings import RegistrySettings

OK = Answer(200)


def exists(request: Request, forward: Forward) -> bool:
    """Whether the key of a write holds something; moto wants a signature, and does not look at it."""
    head = {name: request.headers[name] for name in ("Host", "Authorization")}
    return forward(Request("HEAD", request.path, head, lambda: b"")).status == 200


def honest(request: Request, forward: Forward) -> Answer:
    return forward(request)


def strips_the_precondition(request: Request, forward: Forward) -> Answer:
    return forward(request.without("If-None-Match"))


def checks_then_acts(request: Request, forward: Forward) -> Answer:
    if not request.creates:
        return forward(request)
    if exists(request, forward):
        return Answer(412)
    return forward(request.without("If-None-Match"))


def says_yes_to_everything(request: Request, forward: Forward) -> Answer:
    return OK


def refuses_and_overwrites(request: Request, forward: Forward) -> Answer:
    if request.creates and exists(request, forward):
        forward(request.without("If-None-Match"))
        return Answer(412)
    return forward(request)


def confuses_losers(request: Request, forward: Forward) -> Answer:
    found = forward(request)
    return Answer(500) if found.status == 412 else found


def lets_nobody_create(request: Request, forward: Forward) -> Answer:
    return Answer(412) if request.creates else forward(request)


def serves_unfinished_writes(request: Request, forward: Forward) -> Answer:
    found = forward(request)
    return Answer(200, body=b"racer") if request.method == "GET" and found.status == 404 else found


def keeps_another_body(request: Request, forward: Forward) -> Answer:
    found = forward(request)
    if request.method == "GET" and found.body.startswith(b"racer"):
        return Answer(200, body=b"x")
    return found


def forgets_heads(request: Request, forward: Forward) -> Answer:
    return OK if request.method == "HEAD" else forward(request)


def answers_every_head(request: Request, forward: Forward) -> Answer:
    return Answer(200, {"Content-Length": "1"}) if request.method == "HEAD" else forward(request)


def finds_everything(request: Request, forward: Forward) -> Answer:
    found = forward(request)
    return Answer(200, body=b"x") if request.method == "GET" and not request.lists and found.status == 404 else found


class ServesOldAnswers:
    """Answers what `stale` picks as it did three requests ago."""

    def __init__(self, stale: Callable[[Request], bool]) -> None:
        self._stale = stale
        self._kept: dict[str, tuple[Answer, int]] = {}

    def __call__(self, request: Request, forward: Forward) -> Answer:
        if not self._stale(request):
            return forward(request)
        answer, uses = self._kept.get(request.path, (OK, 0))
        if not uses:
            answer, uses = forward(request), 3
        # That there is no bucket is no old listing, and would end the examination before it begins.
        if not (request.lists and answer.status == 404):
            self._kept[request.path] = answer, uses - 1
        return answer


def stale_lists() -> Fault:
    return ServesOldAnswers(lambda request: request.lists)


def stale_reads() -> Fault:
    return ServesOldAnswers(lambda request: request.method == "GET" and not request.lists)


def lists_what_is_not_there(request: Request, forward: Forward) -> Answer:
    found = forward(request)
    if not request.lists or b"<Contents>" in found.body:
        return found
    ghost = b"<Contents><Key>ghost</Key><Size>1</Size></Contents></ListBucketResult>"
    return dataclasses.replace(found, body=found.body.replace(b"</ListBucketResult>", ghost))


def without_parameters(*names: str) -> Fault:
    """Ignores parameters of a listing."""

    def fault(request: Request, forward: Forward) -> Answer:
        if request.lists:
            address = urlsplit(request.path)
            kept = "&".join(part for part in address.query.split("&") if part.partition("=")[0] not in names)
            request = dataclasses.replace(request, path=f"{address.path}?{kept}")
        return forward(request)

    return fault


def lists_backwards(request: Request, forward: Forward) -> Answer:
    found = forward(request)
    head, *rows = found.body.split(b"<Contents>")
    if not request.lists or len(rows) < 2:
        return found
    *rows, last = rows
    row, mark, tail = last.partition(b"</Contents>")
    rows = [*rows, row + mark]
    return dataclasses.replace(found, body=b"<Contents>".join([head, *reversed(rows)]) + tail)


def listing_ends_after_a_page(request: Request, forward: Forward) -> Answer:
    found = forward(request)
    return dataclasses.replace(found, body=found.body.replace(b"<IsTruncated>true", b"<IsTruncated>false"))


def ignores_ranges(request: Request, forward: Forward) -> Answer:
    return forward(request.without("Range"))


def refuses_ranges_that_go_beyond_the_end(request: Request, forward: Forward) -> Answer:
    found = forward(request)
    if found.status != 206:
        return found
    (served,) = (value for name, value in found.headers.items() if name.lower() == "content-range")
    end = int(request.headers["Range"].rpartition("-")[2] or 0)
    return found if end < int(served.rpartition("/")[2]) else Answer(416)


def answers_beyond_the_end(request: Request, forward: Forward) -> Answer:
    found = forward(request)
    return Answer(206) if found.status == 416 else found


def damages_large_files(request: Request, forward: Forward) -> Answer:
    found = forward(request)
    return dataclasses.replace(found, body=found.body[:-1] + b"!") if len(found.body) > 1_000_000 else found


def misstates_lengths(request: Request, forward: Forward) -> Answer:
    found = forward(request)
    if request.method != "HEAD":
        return found
    return dataclasses.replace(found, headers=dict(found.headers) | {"Content-Length": "1"})


def has_no_parts(request: Request, forward: Forward) -> Answer:
    return (
        Answer(501) if "uploads" in parse_qs(urlsplit(request.path).query, keep_blank_values=True) else forward(request)
    )


def clock_of(offset: timedelta) -> Fault:
    def fault(request: Request, forward: Forward) -> Answer:
        found = forward(request)
        shifted = {
            name: format_datetime(parsedate_to_datetime(value) + offset, usegmt=True)
            for name, value in found.headers.items()
            if name in {"Date", "Last-Modified"}
        }
        return dataclasses.replace(found, headers=dict(found.headers) | shifted)

    return fault


def tells_no_time(request: Request, forward: Forward) -> Answer:
    found = forward(request)
    kept = {name: value for name, value in found.headers.items() if name != "Date"}
    return dataclasses.replace(found, headers=kept)


@contextmanager
def behind(fault: Fault, settings: RegistrySettings) -> Iterator[RegistrySettings]:
    with proxy(str(settings.endpoint_url), fault) as address:
        yield dataclasses.replace(settings, endpoint_url=address)
