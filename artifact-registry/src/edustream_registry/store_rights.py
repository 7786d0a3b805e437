"""What the store lets each user's key do, tried with these keys."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from edustream_contracts.errors import EduStreamError, Unreachable
from edustream_registry.examination import Finding, Verdict
from edustream_registry.store import WriteCondition
from edustream_registry.store_probe import Reply, StoreProbe


@dataclass(frozen=True, slots=True)
class User:
    """A role, the folders where it may write, those where it may not, and whether it may delete; it reads them all."""

    role: str
    writes: tuple[str, ...]
    refused: tuple[str, ...] = ()
    deletes: bool = False

    @property
    def held(self) -> str:
        """What is said of a user who has these rights and no others."""
        if self.deletes:
            return "reads, lists, writes and deletes everywhere"
        return "reads and lists everything, writes its own folder alone, deletes nothing"


def rights_of(user: User, owner: StoreProbe, key: StoreProbe | None) -> Finding:
    """Try the user's rights (PROTOCOL.md, 2.4).

    Args:
        user: who is tried, and where.
        owner: a probe whose key writes what the user has to read; the rights are skipped where it may not.
        key: a probe with the user's own key; None where it is not at hand. The rights are skipped where the store
            does not know it or answers it with an error, since neither says what it may do.
    """
    check = f"rights of the {user.role}"
    if key is None:
        return Finding(check, Verdict.SKIPPED, f"no key of the {user.role} was given (--{user.role}-env)")
    problems: list[str] = []
    try:
        # Somebody else's objects: who cannot read the others' folders may well read what it wrote itself.
        shown = [f"{folder}files/for-the-{user.role}" for folder in (*user.writes, *user.refused)]
        denied = [_root(name) for name in shown if owner.put(name, b"own") is Reply.DENIED]
        if denied:
            why = f"the examining key may not write below {' and '.join(denied)}; examine with the administrator's"
            return Finding(check, Verdict.SKIPPED, why)
        problems.extend(_problems(user, shown, owner, key))
    except EduStreamError as error:
        # Who got no answer, or is not known to the store, was not tried to the end.
        if not problems:
            return Finding(check, Verdict.SKIPPED, f"they could not be tried: {error.fact}")
    if problems:
        return Finding(check, Verdict.UNSAFE, "; ".join(problems))
    return Finding(check, Verdict.OK, user.held)


def _problems(user: User, shown: list[str], owner: StoreProbe, key: StoreProbe) -> Iterator[str]:
    for folder in user.writes:
        if key.put(f"{folder}files/by-the-{user.role}", b"own") is not Reply.DONE:
            yield f"it may not write below {_root(folder)}"
    for name in shown:
        yield from _cannot_read(name, key)
    for folder in user.refused:
        for condition in WriteCondition:
            forbidden = f"{folder}by-the-{user.role}-{condition.value}"
            if key.put(forbidden, b"x", condition) is not Reply.DENIED or owner.read(forbidden) is not None:
                yield f"it may write below {_root(folder)}"
                break
    for name in shown:
        told, left = key.delete(name), owner.read(name) is not None
        if user.deletes and (told is not Reply.DONE or left):
            yield f"it may not delete below {_root(name)}"
        elif not user.deletes and (told is not Reply.DENIED or not left):
            yield f"it may delete below {_root(name)}"


def _cannot_read(shown: str, key: StoreProbe) -> Iterator[str]:
    folder = shown.rpartition("files/")[0]
    try:
        if key.read(shown) != b"own":
            yield f"it cannot read {shown}"
        if shown not in key.keys(folder):
            yield f"it cannot list {folder}"
        if key.read(f"{folder}never-written") is not None:
            yield f"it finds a key below {_root(folder)} that was never written"
    except Unreachable as error:
        if error.kind != "access_denied":
            raise
        yield f"it cannot read or list below {_root(folder)}: {error.fact}"


def _root(folder: str) -> str:
    """The part of the registry that a scratch folder stands for."""
    head = folder.partition("_doctor/")[0]
    return head or "the registry's prefix"
