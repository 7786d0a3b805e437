"""The consumer as an AWS Lambda function: Mangum turns events into requests, and each request does the polling.

Lambda freezes a container between two requests, so no thread of it can be relied on to poll in time. Whoever asks after
the interval is over begins the poll, and waits for it a moment; what takes longer goes on during the next requests.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from tempfile import gettempdir
from threading import Thread
from time import monotonic
from typing import Any, Final, TypeAlias

from edustream_registry.reading import utc_now
from mangum import Mangum
from mangum.adapter import DEFAULT_TEXT_MIME_TYPES
from mangum.handlers import ALB
from mangum.types import LambdaContext, Scope

from edustream_api import log, problems
from edustream_api.consumer import Consumer
from edustream_api.polling import Poller
from edustream_api.settings import PREFIX
from edustream_api.standalone import consumer_from

PATIENCE_S: Final = 2.0
"""How long a request waits for polls while there is a release that may answer it."""

TEXT: Final = (*DEFAULT_TEXT_MIME_TYPES, problems.MEDIA_TYPE)
"""What is sent as it is, and not as Base64."""

Event: TypeAlias = dict[str, Any]
Clock: TypeAlias = Callable[[], datetime]


class LambdaFunction:
    """Answers the events of API Gateway (REST and HTTP), load balancers and function URLs."""

    def __init__(self, consumer: Consumer, clock: Clock = utc_now, patience_s: float = PATIENCE_S) -> None:
        """`consumer` has started; its pollers have not, and never will."""
        self._consumer = consumer
        shadows = [hosted.shadow.scoring for hosted in consumer.hosting.models if hosted.shadow]
        self._polls = [LazyPoll(poller, clock) for poller in consumer.pollers if poller not in shadows]
        self._comparisons = [LazyPoll(poller, clock) for poller in shadows]
        self._patience_s = patience_s
        self._adapter = Mangum(consumer.app, lifespan="off", text_mime_types=list(TEXT), custom_handlers=[LoadBalancer])

    def __call__(self, event: Event, context: LambdaContext) -> dict[str, Any]:
        """The answer to one event, in the form that its sender expects."""
        under_way = [thread for poll in self._polls if (thread := poll.under_way())]
        ends_at = None if self._must_wait() else monotonic() + self._patience_s
        for thread in under_way:
            thread.join(None if ends_at is None else max(0.0, ends_at - monotonic()))
        answer = self._adapter(_without_stage(event), context)
        for comparison in self._comparisons:
            comparison.under_way()
        return answer

    def _must_wait(self) -> bool:
        """Whether a model cannot answer, or may not any more, unless a poll finds something."""
        return any(hosted.keeper.must_ask for hosted in self._consumer.hosting.models)


class LoadBalancer(ALB):
    """Events of an Application Load Balancer, whose client is the one that the balancer saw.

    The other senders state it beside the headers. A balancer appends it to whatever `x-forwarded-for` the caller wrote,
    so that only the last entry is nobody's invention; where it is set to leave the header alone, no entry is.
    """

    @property
    def scope(self) -> Scope:
        """The request, with the address that the balancer vouches for."""
        scope = super().scope
        forwarded, port = scope["client"]
        return {**scope, "client": (_without_port(forwarded.rpartition(",")[2].strip()), port)}


class LazyPoll:
    """One poller that is asked, at every request, whether its interval is over."""

    def __init__(self, poller: Poller, clock: Clock) -> None:
        self._poller = poller
        self._clock = clock
        self._begun_at = clock()
        self._thread: Thread | None = None

    def under_way(self) -> Thread | None:
        """The poll under way, begun now where the last one began an interval ago; None where none is due."""
        if self._thread and self._thread.is_alive():
            return self._thread
        now = self._clock()
        # A clock that was put back says nothing about the interval.
        if 0.0 <= (now - self._begun_at).total_seconds() < self._poller.interval_s:
            return None
        self._begun_at = now
        self._thread = Thread(target=self._poller.poll, daemon=True)
        self._thread.start()
        return self._thread


def lambda_function(environ: Mapping[str, str]) -> LambdaFunction:
    """The function that the environment describes, with a verified release loaded if there is one.

    The variables are the server's; the local copy is kept in the folder for temporary files, the only one that a
    function may write, unless EDUSTREAM_CACHE_DIR says otherwise.

    Raises `InvalidInput` for a wrong configuration. With nothing to serve it answers 503 and the reason.
    """
    log.configure()
    # What is worth telling of a request, the consumer tells.
    logging.getLogger("mangum").setLevel(logging.WARNING)
    cache = {f"{PREFIX}CACHE_DIR": str(Path(gettempdir()) / "edustream-cache")}
    consumer = consumer_from({**cache, **environ})
    consumer.start()
    return LambdaFunction(consumer)


def _without_stage(event: Event) -> Event:
    # An HTTP API puts the name of its stage before the path, unless it is the default one.
    context = event.get("requestContext", {})
    http = context.get("http", {})
    stage, path = f"/{context.get('stage')}", http.get("path", "")
    if not f"{path}/".startswith(f"{stage}/"):
        return event
    return {**event, "requestContext": {**context, "http": {**http, "path": path.removeprefix(stage) or "/"}}}


def _without_port(address: str) -> str:
    # Balancers may be set to add the caller's port, which is another one for each connection.
    if address.startswith("["):
        return address[1:].partition("]")[0]
    return address.partition(":")[0] if address.count(":") == 1 else address
