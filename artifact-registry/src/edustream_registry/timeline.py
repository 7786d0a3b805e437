"""What a channel stood for in the past: its log, read as intervals of time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import accumulate
from typing import Final

from edustream_contracts.errors import InvalidInput
from edustream_registry.channel import LogEntry, Tombstone
from edustream_registry.reading import ReleaseReader
from edustream_registry.statement import Signed

FIRST: Final = datetime.min.replace(tzinfo=UTC)
LAST: Final = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Window:
    """An instant, or a span of time with its end outside; both in UTC."""

    start: datetime
    end: datetime

    @staticmethod
    def parse(text: str) -> Window:
        """Read ISO 8601: a moment such as `2026-11-21T09:30:00+01:00`, or a date alone, which means that whole day.

        A time without an offset, and a date, count as UTC; what lies outside the years 1 to 9999 of UTC, as the first
        or the last moment of these. Raises `InvalidInput` (kind `argument`).
        """
        try:
            day = _day(text)
            if day:
                start = datetime.combine(day, time(), UTC)
                return Window(start, start + timedelta(days=1) if day < date.max else LAST)
            moment = datetime.fromisoformat(text)
            moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else _in_utc(moment)
        except ValueError as error:
            raise InvalidInput(
                "argument",
                f"{text!r} is no time.",
                remedy="write ISO 8601: 2026-11-21 (that day, UTC), 2026-11-21T09:30:00 (UTC), or with an offset.",
            ) from error
        return Window(moment, moment)


@dataclass(frozen=True, slots=True)
class Reign:
    """How long an entry was the last of its channel: from `since` up to `until`, None while it still is.

    `yanked` is its release's tombstone, if there is one: whoever obeyed it stopped serving the release then.
    """

    entry: Signed[LogEntry]
    since: datetime
    until: datetime | None
    yanked: Signed[Tombstone] | None


def reigns(entries: Sequence[Signed[LogEntry]], tombstones: Sequence[Signed[Tombstone]] = ()) -> list[Reign]:
    """The intervals of a channel's whole log, first to last.

    Sequences order the entries, not their clocks: an entry whose promoter's clock was behind that of an earlier one
    counts from the earlier one's time, so that no interval overlaps another.
    """
    yanked = {tombstone.statement.version: tombstone for tombstone in tombstones}
    since = list(accumulate((entry.statement.promoted_at_time for entry in entries), max))
    until = [*since[1:], None]
    return [
        Reign(entry, start, end, yanked.get(entry.statement.version))
        for entry, start, end in zip(entries, since, until, strict=True)
    ]


def live(reader: ReleaseReader, model: str, channel: str, window: Window, now: datetime) -> list[Reign]:
    """What the channel stood for in `window`, after checking its whole chain; several in a span, none before entry 1.

    Raises `InvalidInput` (kind `argument`) for a window that begins after `now`, `NothingToServe` (kind `model_missing`
    or `channel_empty`) where nothing was ever promoted, and as `ReleaseReader.history` does.
    """
    if window.start > now:
        raise InvalidInput(
            "argument",
            f"{window.start.isoformat()} lies in the future; it is {now.isoformat(timespec='seconds')}.",
            remedy="ask for a time that has been.",
        )
    entries = reader.history(model, channel)
    if not entries:
        raise reader.nothing_promoted(model, channel)
    versions = {entry.statement.version for entry in entries} & reader.yanked(model)
    tombstones = [found for version in versions if (found := reader.tombstone(model, version))]
    return [reign for reign in reigns(entries, tombstones) if _meets(reign, window)]


def _meets(reign: Reign, window: Window) -> bool:
    if reign.until == reign.since:
        return False
    last = window.end if window.start == window.end else window.end - timedelta.resolution
    return reign.since <= last and (reign.until is None or reign.until > window.start)


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        return FIRST if moment.year == FIRST.year else LAST


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
