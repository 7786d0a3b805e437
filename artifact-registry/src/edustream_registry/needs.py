"""What consumers need, as they state it: signed, expiring statements below `consumers/` (PROTOCOL.md, 5 and 6.14).

The first ten hexadecimal digits of a statement's id are the time until which it matters, in seconds since 1970, so that
a listing tells which statements need not be read any more. Which of two statements is newer is told by no clock: the
newer one names those that it replaces. Statements that do not name each other all count.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar, Final, Literal, Protocol, TypeAlias

from edustream_contracts.canonical import canonical_json, sha256_hex
from edustream_contracts.compatibility import check_statement
from edustream_contracts.contract import ModelContract
from edustream_contracts.errors import Rejected
from edustream_contracts.schemas import ObjectName
from edustream_registry import layout
from edustream_registry.names import Reference, parse_version
from edustream_registry.object_keys import KeyKind, parse_key
from edustream_registry.statement import MAX_STATEMENT_BYTES, Signed, Statement, require_place
from edustream_registry.store import ObjectInfo, ObjectMissing, Store
from edustream_registry.verified_statement import Trust, malformed

TIME_DIGITS: Final = 10
MAX_LIFETIME_S: Final = 366 * 86400.0
"""The longest time from `stated_at` to `expires_at`, in seconds."""
MAX_LIVING: Final = 1000
"""More statements than this at one time are read by nobody; the folders that hold most are then left unread."""


@dataclass(frozen=True, slots=True)
class Needs:
    """What one consumer needs of a model: the fields that it sends and reads, the major version that it pins.

    `running` is the release in service, `follows` the channel or range that it is taken from; None where it is not
    stated.
    """

    model: str
    sends: tuple[str, ...]
    reads: tuple[str, ...]
    major: int
    running: str | None = None
    follows: str | None = None

    @staticmethod
    def of(
        reference: Reference,
        version: str,
        contract: ModelContract,
        sends: Sequence[str] = (),
        reads: Sequence[str] = (),
        major: int | None = None,
    ) -> Needs:
        """The needs of a consumer that runs `version`, which `reference` stands for and which keeps `contract`.

        Without names it sends and reads every field; without a `major` it pins that of `version`.

        Raises `InvalidInput` (kind `argument`) for names that the contract does not have, and where a field that it
        requires would not be sent.
        """
        stated = Needs(
            model=reference.model,
            sends=tuple(dict.fromkeys(sends)) or tuple(field.name for field in contract.inputs),
            reads=tuple(dict.fromkeys(reads)) or tuple(field.name for field in contract.outputs),
            major=parse_version(version).major if major is None else major,
            running=version,
            follows=reference.wanted,
        )
        check_statement(contract, stated.sends, stated.reads)
        return stated


class ConsumerStatement(Statement):
    """What a consumer needs of a model until `expires_at`; one that expires at once only makes others void.

    `replaces` holds the ids of statements of the same consumer that say nothing any more.
    """

    SCHEMA: ClassVar[ObjectName] = "consumer-statement"

    type: Literal["consumer-statement"] = "consumer-statement"
    consumer: str
    model: str
    sends: tuple[str, ...]
    reads: tuple[str, ...]
    major: int
    running: str | None = None
    follows: str | None = None
    replaces: tuple[str, ...] | None = None
    stated_at: str
    expires_at: str

    @property
    def needs(self) -> Needs:
        """What is needed."""
        return Needs(self.model, self.sends, self.reads, self.major, self.running, self.follows)

    @property
    def key(self) -> str:
        """Where the statement lies."""
        return layout.needs_key(self.consumer, self.write_id)

    @property
    def expires(self) -> datetime:
        """When the statement stops to count (UTC)."""
        return datetime.fromisoformat(self.expires_at)

    @property
    def lifetime_s(self) -> float:
        """Seconds from when it was stated until it expires; not positive for a withdrawal."""
        return (self.expires - datetime.fromisoformat(self.stated_at)).total_seconds()

    def is_in_force(self, now: datetime) -> bool:
        """Whether the need still counts at `now`; one that expired when it was stated never did, whatever the clock."""
        return now < self.expires and self.lifetime_s > 0


KnownStatements: TypeAlias = dict[ObjectInfo, Signed[ConsumerStatement]]
"""Verified statements by the row of the listing under which they were read: what is overwritten has another one."""


@dataclass(frozen=True, slots=True)
class Unverified:
    """An object in a consumer's folder that nobody vouches for, or a whole folder: what it says is not known."""

    key: str
    error: Rejected

    @property
    def consumer(self) -> str:
        """Whose folder it lies in."""
        return self.key.split("/")[1]

    @property
    def id(self) -> str:
        """The last part of its key."""
        return self.key.split("/")[2].removesuffix(".json")


@dataclass(frozen=True, slots=True)
class LivingNeeds:
    """What counts at one moment: the needs in force, and the objects that may hide others.

    `replaced` holds the keys that verified statements name as void.
    """

    stated: tuple[Signed[ConsumerStatement], ...] = ()
    unverified: tuple[Unverified, ...] = ()
    replaced: frozenset[str] = frozenset()


class NeedsAuthor(Protocol):
    """Who states the needs of one consumer."""

    def living(self) -> LivingNeeds:
        """What this consumer has stated and what still counts. Raises `Rejected`, `Unreachable`."""

    def state(self, needs: Needs, expires: datetime, replaces: Iterable[str] = ()) -> Signed[ConsumerStatement]:
        """State `needs` until `expires`, to the second, and that the statements with the ids `replaces` are void.

        Raises `InvalidInput`, `Rejected`, `OutcomeUnknown`, `Unreachable`.
        """


def expiry(now: datetime, lifetime_s: float) -> datetime:
    """When a statement expires that is made at `now` and renewed after every third of `lifetime_s` seconds.

    Thirds are counted from 1970, so that all who say the same say it until the same time; between two thirds of the
    lifetime and all of it are left.
    """
    third = lifetime_s / 3
    return datetime.fromtimestamp(round((math.floor(now.timestamp() / third) + 3) * third), UTC)


def statement_id(said: Mapping[str, Any], until: int) -> str:
    """The id of a statement that matters until `until` (seconds since 1970).

    Those who say the same until the same time arrive at the same id, so that put-if-absent leaves one of them.
    """
    told = {name: value for name, value in said.items() if name not in ("write_id", "stated_at")}
    return f"{until:0{TIME_DIGITS}x}{sha256_hex(canonical_json(told))[: 32 - TIME_DIGITS]}"


def matters_until(statement_id: str) -> int:
    """Until when a statement matters, in seconds since 1970, as its id says."""
    return int(statement_id[:TIME_DIGITS], 16)


def read_living(
    store: Store,
    trust: Trust,
    now: datetime,
    consumer: str | None = None,
    known: KnownStatements | None = None,
) -> LivingNeeds:
    """The needs in force at `now`, of one consumer or of all of them.

    Costs one listing and one read for each statement that still matters, of at most `MAX_LIVING`: of all consumers, the
    fullest folders beyond these are not read and count as unverified, so that each can be accepted by its name; of one
    consumer, raises `Rejected` (kind `malformed`). Raises `Unreachable`.

    Statements never change: those in `known`, which `trust` has verified, are not read again while the listing shows
    them as before. It holds afterwards what was listed and verified, and nothing else.
    """
    before = {} if known is None else known
    read: KnownStatements = {}
    unverified: list[Unverified] = []
    folders: dict[str, list[ObjectInfo]] = {}
    for info in _mattering(store, now, consumer):
        folders.setdefault(info.key.split("/")[1], []).append(info)
    left = MAX_LIVING
    for name, rows in sorted(folders.items(), key=lambda folder: (len(folder[1]), folder[0])):
        if len(rows) > left:
            error = _too_many(store, name, len(rows))
            if consumer:
                raise error
            unverified.append(Unverified(layout.needs_prefix(name), error))
            continue
        left -= len(rows)
        for info in rows:
            try:
                read[info] = before[info] if info in before else read_needs(store, trust, info.key)
            except Rejected as error:
                unverified.append(Unverified(info.key, error))
            except ObjectMissing:
                continue
    if known is not None:
        known.clear()
        known.update(read)
    found = read.values()
    replaced = {
        layout.needs_key(one.statement.consumer, void) for one in found for void in one.statement.replaces or ()
    }
    return LivingNeeds(
        tuple(one for one in found if one.statement.is_in_force(now) and one.statement.key not in replaced),
        tuple(one for one in unverified if one.key not in replaced),
        frozenset(replaced),
    )


def read_needs(store: Store, trust: Trust, key: str) -> Signed[ConsumerStatement]:
    """The consumer statement under `key`, verified. Raises `ObjectMissing`, `Rejected`."""
    return verified_needs(trust, key, store.get(key, MAX_STATEMENT_BYTES))


def verified_needs(trust: Trust, key: str, data: bytes) -> Signed[ConsumerStatement]:
    """The consumer statement in `data`, which belongs under `key`. Raises `Rejected`."""
    _, consumer, name = key.split("/")
    verified = trust.verify_needs(consumer, data, key)
    said = ConsumerStatement.read(verified, key)
    require_place(key, {"consumer": (said.consumer, consumer), "id": (said.write_id, name.removesuffix(".json"))})
    if said.lifetime_s > MAX_LIFETIME_S:
        raise malformed(key, f"expires at {said.expires_at}, later than a statement of {said.stated_at} may")
    until = matters_until(said.write_id)
    if until < said.expires.timestamp():
        raise malformed(key, f"expires at {said.expires_at}, later than its id says")
    if until < max(map(matters_until, said.replaces or ()), default=until):
        raise malformed(key, "replaces a statement that matters for longer than its id says")
    return Signed(said, verified.data, verified.digest, verified.key_ids)


def _mattering(store: Store, now: datetime, consumer: str | None) -> Iterator[ObjectInfo]:
    moment = math.floor(now.timestamp())
    prefix, after = layout.CONSUMERS, ""
    if consumer:
        prefix = layout.needs_prefix(consumer)
        after = f"{prefix}{moment:0{TIME_DIGITS}x}"
    for info in store.list(prefix, after):
        found = parse_key(info.key)
        if found is None or found.kind is not KeyKind.CONSUMER_STATEMENT or matters_until(found.name) <= moment:
            continue
        yield info


def _too_many(store: Store, consumer: str, count: int) -> Rejected:
    return Rejected(
        "malformed",
        f"{layout.needs_prefix(consumer)} in {store.location} holds {count} statements that have not expired; "
        f"{MAX_LIVING} at one time, of all consumers, are the most that are read.",
        remedy="find out who writes them; the administrator may delete them.",
    )
