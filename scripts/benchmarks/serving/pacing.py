"""Sends requests on a fixed schedule, and measures each answer from the moment at which its request was due.

An open loop: the schedule does not wait for the server. A request that finds every connection busy is sent late, and
the time that it waited counts as latency, so a server that stalls cannot hide how many it kept waiting (Gil Tene,
"How NOT to Measure Latency", 2013: coordinated omission).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeVar

DEAF_S: Final = 10.0


class ServerDeaf(RuntimeError):
    """Nothing was answered for `DEAF_S`, though requests were under way."""


class Connection(Protocol):
    """One connection, on which one request at a time is under way."""

    def send(self) -> None:
        """Send a request."""

    @property
    def answer(self) -> str:
        """What answered last: the version of the model, or nothing."""


C = TypeVar("C", bound=Connection)

Wait = Callable[[Sequence[C], float], Sequence[C]]
"""Waits at most so many seconds; those of the given connections whose answers are complete."""


@dataclass(frozen=True, slots=True)
class Answered(Generic[C]):
    """One request: seconds of the clock at which it was due, from then to its answer, and how late it was sent.

    `lateness_s` is the generator's own: the time between the moment at which the request could have been sent, being
    due and having a free connection, and the moment at which it was.
    """

    due_s: float
    latency_s: float
    lateness_s: float
    answer: str


@dataclass(slots=True)
class _UnderWay:
    due_s: float
    lateness_s: float


def paced(
    connections: Sequence[C], rate: float, count: int, clock: Callable[[], float], wait: Wait[C]
) -> Iterator[Answered[C]]:
    """Send `count` requests, `rate` of them a second, and yield each when it is answered.

    Raises `ServerDeaf`.
    """
    began = clock()
    free = deque((connection, began) for connection in connections)
    under_way: dict[int, _UnderWay] = {}
    busy: list[C] = []
    sent = answered = 0
    last = began
    while answered < count:
        now = clock()
        while free and sent < count and (due := began + sent / rate) <= now:
            connection, since = free.popleft()
            connection.send()
            under_way[id(connection)] = _UnderWay(due, now - max(due, since))
            busy.append(connection)
            sent += 1
            now = clock()
        idle = free and sent < count
        complete = wait(busy, max(0.0, began + sent / rate - now) if idle else DEAF_S)
        now = clock()
        if complete or not busy:
            last = now
        elif now - last >= DEAF_S:
            raise ServerDeaf(f"Nothing was answered for {DEAF_S:.0f} s; {len(busy)} requests are under way.")
        for connection in complete:
            request = under_way.pop(id(connection))
            busy.remove(connection)
            free.append((connection, now))
            answered += 1
            yield Answered(request.due_s, now - request.due_s, request.lateness_s, connection.answer)
