"""What a reader needs to know of signatures: that there is somebody who checks them, and what is left of that.

How they are checked is the matter of `signing` and `trust`, which a process that has them checked elsewhere never
imports.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from edustream_contracts.errors import Problem, Rejected


@dataclass(frozen=True, slots=True)
class VerifiedStatement:
    """A statement that enough trusted keys signed: the parsed payload, the stored bytes, and who signed."""

    payload: dict[str, Any]
    data: bytes
    digest: str
    key_ids: tuple[str, ...]

    def __reduce__(self) -> tuple[Callable[..., VerifiedStatement], tuple[Any, ...]]:
        """What makes it anew in another process: the bytes, since a payload may be nested too deep to be pickled."""
        return _read_again, (self.data, self.digest, self.key_ids)


def _read_again(data: bytes, digest: str, key_ids: tuple[str, ...]) -> VerifiedStatement:
    return VerifiedStatement(json.loads(data)["signed"], data, digest, key_ids)


class Trust(Protocol):
    """Whom a reader trusts, and how old a channel's last entry may be.

    Where another process checks signatures, every check may also raise `Unreachable`.
    """

    @property
    def max_entry_age_s(self) -> float | None:
        """The age in seconds; None where any will do."""

    def verify(self, data: bytes, what: str) -> VerifiedStatement:
        """The statement in `data`; raises `Rejected` where it is not signed as the trust file demands."""

    def verify_needs(self, consumer: str, data: bytes, what: str) -> VerifiedStatement:
        """The statement in `data`; raises `Rejected` where no key that speaks for `consumer` signed it."""


def malformed(what: str, how: str, problems: Sequence[Problem] = ()) -> Rejected:
    """The error for stored bytes that do not have the form that the protocol demands."""
    return Rejected(
        "malformed",
        f"{what} {how}.",
        remedy="do not use it; run edustream-registry check, and tell whoever published it.",
        problems=problems,
    )
