"""What a consumer is, at every moment: its states, and what each means to the outside."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from edustream_contracts.errors import EduStreamError, Incompatible, NothingToServe, Rejected


class State(StrEnum):
    """One of the six states; a state's name is the `reason` of every problem document that it causes."""

    READY = "READY"
    DEGRADED = "DEGRADED"
    NO_RELEASE = "NO_RELEASE"
    REJECTED = "REJECTED"
    INCOMPATIBLE = "INCOMPATIBLE"
    UNREACHABLE = "UNREACHABLE"

    @property
    def serves(self) -> bool:
        """Whether predictions are answered, and the readiness probe says yes."""
        return self in SERVING

    @property
    def meaning(self) -> str:
        """One sentence for people."""
        return MEANINGS[self]


SERVING: Final = frozenset({State.READY, State.DEGRADED})

MEANINGS: Final[dict[State, str]] = {
    State.READY: "A verified release is loaded.",
    State.DEGRADED: "The registry cannot be reached; the last known good release answers, within its staleness budget.",
    State.NO_RELEASE: "The registry answers, and there is nothing to serve.",
    State.REJECTED: "What was found cannot be trusted, and there is nothing older to serve.",
    State.INCOMPATIBLE: "The release's contract breaks the one that this consumer pins.",
    State.UNREACHABLE: "The registry cannot be reached, and no verified copy is within its staleness budget.",
}

STATES: Final[dict[type[EduStreamError], State]] = {
    NothingToServe: State.NO_RELEASE,
    Rejected: State.REJECTED,
    Incompatible: State.INCOMPATIBLE,
}


def state_of(error: EduStreamError) -> State:
    """The state of a consumer that has nothing to serve because of `error`."""
    return STATES.get(type(error), State.UNREACHABLE)
