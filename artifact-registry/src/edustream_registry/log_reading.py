"""Reads the signed log of a channel: one entry, the last one, all of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise

from edustream_contracts.errors import Rejected
from edustream_contracts.schemas import object_validator
from edustream_registry import layout
from edustream_registry.announcement import MAX_HINT_BYTES
from edustream_registry.channel import LogEntry, broken_chain, check_link
from edustream_registry.statement import MAX_STATEMENT_BYTES, S, Signed, require_place
from edustream_registry.store import ObjectMissing, Store
from edustream_registry.verified_statement import Trust


class LogReader:
    """Reads signed statements, and the logs that they make up."""

    def __init__(self, store: Store, trust: Trust) -> None:
        self.store = store
        self.trust = trust

    def statement(self, key: str, kind: type[S]) -> Signed[S]:
        """The signed statement under `key`, verified. Raises `ObjectMissing`, `Rejected`."""
        return self.verified(key, self.store.get(key, MAX_STATEMENT_BYTES), kind)

    def verified(self, key: str, data: bytes, kind: type[S]) -> Signed[S]:
        """The signed statement in `data`, which belongs under `key`. Raises `Rejected`."""
        statement = self.trust.verify(data, key)
        return Signed(kind.read(statement, key), statement.data, statement.digest, statement.key_ids)

    def entry(self, model: str, channel: str, sequence: int) -> Signed[LogEntry] | None:
        """One entry of a channel's log, verified; None where there is none."""
        key = layout.entry_key(model, channel, sequence)
        try:
            signed = self.statement(key, LogEntry)
        except ObjectMissing:
            return None
        said = signed.statement
        require_place(
            key,
            {
                "model": (said.model, model),
                "channel": (said.channel, channel),
                "sequence": (said.sequence, sequence),
            },
        )
        return signed

    def last_entry(self, model: str, channel: str) -> Signed[LogEntry] | None:
        """The last entry of a channel's log, verified; None for an empty channel.

        Begins at the HEAD hint and probes forward, so a hint that lags behind harms nobody; a hint that leads
        nowhere costs one listing.
        """
        hinted = self.hint(model, channel)
        found = self.entry(model, channel, hinted) if hinted else None
        return self.newest(found) if found else self._listed_last(model, channel)

    def history(self, model: str, channel: str) -> list[Signed[LogEntry]]:
        """All entries of a channel's log, first to last, with every link of the hash chain checked.

        Raises `Rejected` (kind `mix_and_match`) for a gap or a broken link.
        """
        sequences = list(self._sequences(model, channel))
        entries = [entry for sequence in sequences if (entry := self.entry(model, channel, sequence))]
        for expected, signed in enumerate(entries, start=1):
            if signed.statement.sequence != expected:
                raise broken_chain(f"The log of {model}@{channel} lacks entry {expected}.")
        for before, after in pairwise(entries):
            check_link(before, after)
        return entries

    def hint(self, model: str, channel: str) -> int | None:
        """The sequence that HEAD names; None where it is missing or no valid hint. It proves nothing."""
        try:
            head = json.loads(self.store.get(layout.head_key(model, channel), MAX_HINT_BYTES))
        except (ObjectMissing, ValueError, RecursionError, Rejected):
            return None
        return int(head["sequence"]) if object_validator("channel-head").is_valid(head) else None

    def newest(self, entry: Signed[LogEntry], followed: int = 0) -> Signed[LogEntry]:
        """The last entry at or after `entry`; each link is checked where there are at most `followed` of them."""
        said = entry.statement
        after = self.entry(said.model, said.channel, said.sequence + 1)
        if after is None:
            return entry
        check_link(entry, after)
        last = self._last_sequence(said.model, said.channel, after.statement.sequence)
        second = said.sequence + 2
        for sequence in range(second if last - said.sequence <= followed else max(second, last), last + 1):
            before, found = after, self.entry(said.model, said.channel, sequence)
            if found is None:
                raise broken_chain(f"The log of {said.model}@{said.channel} lacks entry {sequence}.")
            if sequence == before.statement.sequence + 1:
                check_link(before, found)
            after = found
        return after

    def _last_sequence(self, model: str, channel: str, seen: int) -> int:
        return max(self._sequences(model, channel, layout.entry_key(model, channel, seen)), default=seen)

    def _listed_last(self, model: str, channel: str) -> Signed[LogEntry] | None:
        last = max(self._sequences(model, channel), default=None)
        return self.entry(model, channel, last) if last else None

    def _sequences(self, model: str, channel: str, start_after: str = "") -> Iterator[int]:
        # A key that the protocol does not define is nobody's entry; whoever may write could put one there.
        prefix = layout.log_prefix(model, channel)
        for info in self.store.list(prefix, start_after):
            sequence = layout.sequence(info.key, prefix)
            if sequence:
                yield sequence
