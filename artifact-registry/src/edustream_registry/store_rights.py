"""What the store lets the producer's and the consumer's keys do, tried with these keys."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from edustream_contracts.errors import EduStreamError
from edustream_registry.examination import Finding, Verdict
from edustream_registry.store import WriteCondition
from edustream_registry.store_probe import Reply, StoreProbe


@dataclass(frozen=True, slots=True)
class User:
    """A role, the folder where it may write, and the folders where it may not."""

    role: str
    writes: str
    refused: tuple[str, ...]


def rights_of(user: User, owner: StoreProbe, key: StoreProbe | None) -> Finding:
    """Try the user's rights (PROTOCOL.md, 2.4).

    Args:
        user: who is tried, and where.
        owner: a probe whose key may write where the user reads.
        key: a probe with the user's own key; None where it is not at hand.
    """
    check = f"rights of the {user.role}"
    if key is None:
        return Finding(check, Verdict.SKIPPED, f"no key of the {user.role} was given (--{user.role}-env)")
    try:
        problems = list(_problems(user, owner, key))
    except EduStreamError as error:
        problems = [error.fact]
    if problems:
        return Finding(check, Verdict.UNSAFE, "; ".join(problems))
    return Finding(check, Verdict.OK, "reads and lists everything, writes its own folder alone, deletes nothing")


def _problems(user: User, owner: StoreProbe, key: StoreProbe) -> Iterator[str]:
    shown = f"{user.writes}files/rights-of-the-{user.role}"
    if key.put(shown, b"own") is not Reply.DONE:
        yield f"it may not write below {_root(user.writes)}"
        owner.put(shown, b"own")
    yield from _cannot_read(user, shown, key)
    for folder in user.refused:
        for condition in WriteCondition:
            forbidden = f"{folder}by-the-{user.role}-{condition.value}"
            if key.put(forbidden, b"x", condition) is not Reply.DENIED or owner.read(forbidden) is not None:
                yield f"it may write below {_root(folder)}"
                break
    if key.delete(shown) is not Reply.DENIED or owner.read(shown) is None:
        yield "it may delete"


def _cannot_read(user: User, shown: str, key: StoreProbe) -> Iterator[str]:
    try:
        if key.read(shown) != b"own":
            yield f"it cannot read {shown}"
        if shown not in key.keys(user.writes):
            yield f"it cannot list {user.writes}"
        if key.read(f"{user.writes}never-written") is not None:
            yield "it finds a key that was never written"
    except EduStreamError as error:
        yield f"it cannot read or list: {error.fact}"


def _root(folder: str) -> str:
    """The part of the registry that a scratch folder stands for."""
    head = folder.partition("_doctor/")[0]
    return head or "the registry's prefix"
