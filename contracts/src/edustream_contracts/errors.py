"""The errors of every EduStream package, grouped by what the one who catches them would do.

Domain errors know no HTTP status and no exit code; `edustream_contracts.exit_codes` and the consumer's problem
table translate them at the edge.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: where it is, and what is wrong with it.

    `pointer` is a JSON Pointer (RFC 6901) into the document, or a dotted path, a row or a file name where the
    thing checked is no JSON document.
    """

    pointer: str
    message: str

    def __str__(self) -> str:
        return f"{self.pointer or '(document)'}: {self.message}"


class EduStreamError(Exception):
    """Base of all errors: the fact with the offending value, the next step, and a stable kind.

    `KINDS` only grows: a kind that was released keeps its name and its meaning.
    """

    KINDS: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, kind: str, fact: str, *, remedy: str, problems: Sequence[Problem] = ()) -> None:
        if kind not in self.KINDS:
            raise ValueError(f"{type(self).__name__} has no kind {kind!r}; add it to KINDS")
        self.kind = kind
        self.fact = fact
        self.remedy = remedy
        self.problems = tuple(problems)
        super().__init__(fact)

    def __reduce__(self) -> tuple[Callable[..., EduStreamError], tuple[Any, ...]]:
        """What makes an equal one in another process; its cause stays behind."""
        return partial(type(self), remedy=self.remedy, problems=self.problems), (self.kind, self.fact)

    def __str__(self) -> str:
        lines = [self.fact, *(f"  - {problem}" for problem in self.problems), f"Next: {self.remedy}"]
        return "\n".join(lines)


class InvalidInput(EduStreamError):
    """What the caller gave is wrong; nothing was done. Correct it and call again."""

    KINDS = frozenset({"argument", "configuration", "contract", "data", "reference"})


class NothingToServe(EduStreamError):
    """The registry answers, and there is nothing to serve. Somebody has to release something."""

    KINDS = frozenset(
        {"model_missing", "channel_empty", "release_missing", "no_version_matches", "file_missing", "yanked"}
    )


class Rejected(EduStreamError):
    """What was found cannot be trusted. Do not use it; tell whoever published it."""

    KINDS = frozenset(
        {"malformed", "protocol_version", "signature", "digest", "mix_and_match", "rollback", "freeze", "golden"}
    )


class Incompatible(EduStreamError):
    """The release is genuine, but its contract is not the one that this consumer was built for."""

    KINDS = frozenset({"contract", "tensors"})


class Unreachable(EduStreamError):
    """The registry could not be used: an outage, a wrong address, missing rights. Nothing was changed."""

    KINDS = frozenset(
        {
            "connection",
            "credentials_missing",
            "credentials_refused",
            "access_denied",
            "bucket_missing",
            "not_a_registry",
            "server_error",
            "stale",
        }
    )


class OutcomeUnknown(EduStreamError):
    """A write was sent and no reply came: it may have landed. Clean nothing up; ask again."""

    KINDS = frozenset({"write"})


class Conflict(EduStreamError):
    """Somebody else got there first, with something different. What exists stays as it is."""

    KINDS = frozenset({"release_exists", "promotion_race", "registry_exists", "collection"})


class GateRefused(EduStreamError):
    """A gate said no: one that was fixed before the evaluation, or what consumers need. Nothing was moved."""

    KINDS = frozenset({"threshold", "onnx_parity", "golden", "store", "needs", "version"})
