"""What a consumer is at one moment, and what happens to it: the values that logs, metrics and reports read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

from edustream_contracts.errors import EduStreamError

from edustream_api.loading import ServedModel
from edustream_api.states import State


class PollResult(StrEnum):
    """What one look at the registry brought."""

    UNCHANGED = "unchanged"
    SWAPPED = "swapped"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Something that was found and not served: when, and why."""

    at: datetime
    error: EduStreamError


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The consumer at one moment.

    `serving` is the model that answers, None in a state that does not serve; `error` is why the state is not
    `READY`; `contacted_at` is when the registry last confirmed what is loaded, `answered_at` when it last answered,
    confirming or not.
    """

    state: State
    since: datetime
    serving: ServedModel | None
    error: EduStreamError | None
    refusal: Refusal | None = None
    contacted_at: datetime | None = None
    answered_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Polled:
    """The registry was asked."""

    result: PollResult


@dataclass(frozen=True, slots=True)
class Swapped:
    """Another release answers from now on; `before` is None for the first one.

    `seconds` is how long it took to fetch, verify and load it.
    """

    before: ServedModel | None
    after: ServedModel
    at: datetime
    seconds: float


@dataclass(frozen=True, slots=True)
class Refused:
    """Something new was found and is not served."""

    refusal: Refusal


@dataclass(frozen=True, slots=True)
class StateChanged:
    """The consumer entered another state."""

    before: State
    after: Snapshot


Event: TypeAlias = Polled | Swapped | Refused | StateChanged
Listener: TypeAlias = Callable[[Event], None]
