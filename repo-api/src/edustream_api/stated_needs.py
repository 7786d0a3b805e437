"""Keeps what this consumer states of its needs in force while it serves; nothing that serves waits for it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from edustream_contracts.errors import EduStreamError
from edustream_registry.needs import ConsumerStatement, Needs, NeedsAuthor, expiry
from edustream_registry.reading import Clock

from edustream_api.events import Snapshot
from edustream_api.loading import ServedModel
from edustream_api.relied_on import ReliedOn

LOG: Final = logging.getLogger("edustream_api.needs")
OpenAuthor: TypeAlias = Callable[[], NeedsAuthor]
"""Opens the consumer's own writing side."""

LOOK_S: Final = 1800.0
"""Seconds between two looks at what is stated, which may have been withdrawn or be due for renewal."""
RETRY_S: Final = 60.0
"""Seconds until the next look after one that failed."""


@dataclass(frozen=True, slots=True)
class NeedsReport:
    """What is stated, and why not, where it could not be stated; None where there is nothing to tell."""

    statement: ConsumerStatement | None = None
    error: EduStreamError | None = None


class StatedNeeds:
    """States what this consumer needs of the release that it serves, and renews it. Call `look` from one thread.

    The processes and replicas of one consumer share its name. All who say the same arrive at one statement; when the
    release changes, the statement about the one before is made void, and whoever still runs that one states it again at
    its next look.
    """

    def __init__(
        self,
        snapshot: Callable[[], Snapshot],
        open_author: OpenAuthor,
        sends: tuple[str, ...],
        reads: tuple[str, ...],
        lifetime_s: float,
        clock: Clock,
        remembered: ReliedOn,
    ) -> None:
        """Prepare; nothing is asked of the registry yet.

        Args:
            snapshot: what is served now.
            open_author: opens the consumer's own writing side; what it raises is reported, and it is tried again.
            sends: names of the input fields that are sent; all of them where there is none.
            reads: names of the output fields that are read; all of them where there is none.
            lifetime_s: for how many seconds needs are stated; they are renewed after a third of them.
            clock: tells the time (UTC).
            remembered: keeps over restarts which statements are relied on.
        """
        self.report = NeedsReport()
        self._snapshot = snapshot
        self._open_author = open_author
        self._author: NeedsAuthor | None = None
        self._sends = sends
        self._reads = reads
        self._lifetime_s = lifetime_s
        self._clock = clock
        self._looked_for: tuple[str, str] | None = None
        self._next_look: datetime | None = None
        self._remembered = remembered
        self._relied_on = remembered.read()

    def look(self) -> None:
        """State the needs where they are not stated; does nothing while nothing is served or nothing is due."""
        serving = self._snapshot().serving
        if serving is None:
            return
        now, looked_for = self._clock(), (serving.version, serving.release.manifest_digest)
        if looked_for == self._looked_for and self._next_look and now < self._next_look:
            return
        self._looked_for = looked_for
        try:
            statement = self._state(serving, now)
        except EduStreamError as error:
            self._next_look = now + timedelta(seconds=min(RETRY_S, self._lifetime_s / 3))
            self._failed(error)
        else:
            self._next_look = now + timedelta(seconds=min(LOOK_S, self._lifetime_s / 3))
            self._succeeded(statement)

    def _state(self, serving: ServedModel, now: datetime) -> ConsumerStatement:
        needs = Needs.of(serving.release.reference, serving.version, serving.contract, self._sends, self._reads)
        if self._author is None:
            self._author = self._open_author()
        stated = [one.statement for one in self._author.living().stated]
        expires = expiry(now, self._lifetime_s)
        void = [one.write_id for one in stated if one.write_id in self._relied_on and one.needs != needs]
        held = next((one for one in stated if one.needs == needs and one.expires >= expires), None)
        found = held if held and not void else self._author.state(needs, expires, void).statement
        relied_on = self._relied_on.intersection(one.write_id for one in stated).difference(void) | {found.write_id}
        if relied_on != self._relied_on:
            self._remembered.keep(relied_on)
            self._relied_on = relied_on
        return found

    def _succeeded(self, statement: ConsumerStatement) -> None:
        before = self.report.statement
        self.report = NeedsReport(statement)
        if before is None or before.write_id != statement.write_id:
            LOG.info(
                "needs_stated",
                extra={
                    "consumer": statement.consumer,
                    "model": statement.model,
                    "version": statement.running,
                    "expires_at": statement.expires_at,
                },
            )

    def _failed(self, error: EduStreamError) -> None:
        before = self.report
        self.report = NeedsReport(before.statement, error)
        if before.error is None or str(before.error) != str(error):
            said = {"kind": error.kind, "fact": error.fact, "next": error.remedy}
            LOG.error("needs_not_stated", extra={**said, "errors": [str(problem) for problem in error.problems]})
