"""States what a consumer needs: the one thing that a consumer writes, below `consumers/<its name>/` alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from edustream_contracts.errors import InvalidInput
from edustream_registry.connection import open_store, open_trust
from edustream_registry.creation import create_statement, timestamp
from edustream_registry.key_files import read_signer
from edustream_registry.names import model_name
from edustream_registry.needs import (
    MAX_LIFETIME_S,
    ConsumerStatement,
    KnownStatements,
    LivingNeeds,
    Needs,
    NeedsAuthor,
    matters_until,
    read_living,
    statement_id,
    verified_needs,
)
from edustream_registry.reading import Clock, utc_now
from edustream_registry.settings import RegistrySettings
from edustream_registry.signing import Signer
from edustream_registry.statement import Signed
from edustream_registry.store import Store
from edustream_registry.trust import TrustPolicy

NO_ID: Final = "0" * 32


@dataclass(frozen=True, slots=True)
class ConsumerAuthor:
    """A consumer that states its own needs, signed with its own key; its own trust file must hold that key.

    What it has verified of its own folder is not read again while its listing shows it as before. One thread at a time
    uses it.
    """

    consumer: str
    store: Store
    trust: TrustPolicy
    signer: Signer
    clock: Clock = utc_now
    _known: KnownStatements = field(default_factory=dict, init=False, repr=False, compare=False)

    def living(self) -> LivingNeeds:
        """What this consumer has stated and what still counts. Raises `Rejected`, `Unreachable`."""
        return read_living(self.store, self.trust, self.clock(), self.consumer, self._known)

    def state(self, needs: Needs, expires: datetime, replaces: Iterable[str] = ()) -> Signed[ConsumerStatement]:
        """State `needs` until `expires`, to the second, and that the statements with the ids `replaces` are void.

        Saying the same until the same time twice, from wherever, leaves one object.

        Raises `InvalidInput` (kind `argument`) for more than `MAX_LIFETIME_S` from now, `Rejected` (kind `signature`)
        where the own trust file does not hold the own key, or (kind `malformed`) where too much lies in the own folder;
        `OutcomeUnknown`, `Unreachable`.
        """
        said = self._said(needs, self.clock(), expires, replaces)
        if said.lifetime_s > MAX_LIFETIME_S:
            raise InvalidInput(
                "argument",
                f"Needs cannot be stated until {said.expires_at}; {MAX_LIFETIME_S / 86400:g} days are the most.",
                remedy="state them for a shorter time, and renew them.",
            )
        void = self.living().replaced
        while said.key in void:
            # The very same was said, and withdrawn: naming it gives this one an id of its own.
            said = self._said(needs, self.clock(), expires, (*(said.replaces or ()), said.write_id))
        return self._write(said)

    def end(self, model: str, follows: str | None = None) -> tuple[str, ...]:
        """Make void what this consumer has stated about `model`, or about what it `follows` of it alone; the ids.

        What lies in its folder and nobody vouches for becomes void too. Nothing is written where nothing counts.
        Raises as `state` does.
        """
        living = self.living()
        meant = [one.statement for one in living.stated if one.statement.model == model]
        void = [one.write_id for one in meant if follows in (None, one.follows)]
        void += [one.id for one in living.unverified]
        if void:
            now = self.clock()
            self._write(self._said(Needs(model, (), (), major=0, follows=follows), now, now, void))
        return tuple(void)

    def _said(self, needs: Needs, stated: datetime, expires: datetime, replaces: Iterable[str]) -> ConsumerStatement:
        void = tuple(sorted(set(replaces)))
        said = ConsumerStatement(
            consumer=self.consumer,
            model=needs.model,
            sends=needs.sends,
            reads=needs.reads,
            major=needs.major,
            running=needs.running,
            follows=needs.follows,
            replaces=void or None,
            stated_at=timestamp(stated),
            expires_at=timestamp(expires),
            write_id=NO_ID,
        )
        until = max([math.ceil(said.expires.timestamp()), *map(matters_until, void)])
        return said.model_copy(update={"write_id": statement_id(said.payload(), until)})

    def _write(self, said: ConsumerStatement) -> Signed[ConsumerStatement]:
        _, found = create_statement(
            self.store, said.key, said, (self.signer,), lambda data: verified_needs(self.trust, said.key, data)
        )
        return found


class SharedAuthor:
    """One consumer's author for several threads, each of which has one to itself: a `NeedsAuthor`.

    An author is opened where none is idle; what that raises is raised to whoever asks.
    """

    def __init__(self, open_author: Callable[[], NeedsAuthor]) -> None:
        self._open_author = open_author
        self._idle: list[NeedsAuthor] = []

    def living(self) -> LivingNeeds:
        """See `NeedsAuthor.living`."""
        with self._author() as author:
            return author.living()

    def state(self, needs: Needs, expires: datetime, replaces: Iterable[str] = ()) -> Signed[ConsumerStatement]:
        """See `NeedsAuthor.state`."""
        with self._author() as author:
            return author.state(needs, expires, replaces)

    @contextmanager
    def _author(self) -> Iterator[NeedsAuthor]:
        try:
            author = self._idle.pop()
        except IndexError:
            author = self._open_author()
        try:
            yield author
        finally:
            self._idle.append(author)


def open_consumer_author(settings: RegistrySettings, consumer: str | None, clock: Clock = utc_now) -> ConsumerAuthor:
    """The author that the settings name. Raises `InvalidInput` (kind `configuration`); nothing is sent yet."""
    if not consumer or not settings.signing_key_files:
        lacking = "EDUSTREAM_SIGNING_KEY_FILE" if consumer else "EDUSTREAM_CONSUMER"
        raise InvalidInput(
            "configuration",
            f"{lacking} is not set, so no needs could be stated.",
            remedy="use the consumer's .env file; edustream-registry init, run again, adds what it lacks.",
        )
    return ConsumerAuthor(
        model_name(consumer),
        open_store(settings),
        open_trust(settings),
        read_signer(settings.signing_key_files[0]),
        clock,
    )
