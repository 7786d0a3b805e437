"""May a release be promoted to a channel? The answer of everything that consumers state; what is not known means no."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from edustream_contracts.compatibility import Reason, Verdict, compare_for
from edustream_contracts.errors import GateRefused, InvalidInput, NothingToServe, Problem, Rejected
from edustream_registry.manifest import Manifest
from edustream_registry.names import parse_version
from edustream_registry.needs import ConsumerStatement, LivingNeeds, Needs, Unverified, read_living
from edustream_registry.reading import ReleaseReader
from edustream_registry.released_contracts import ReleasedContracts


class Effect(StrEnum):
    """What a promotion does to one consumer."""

    NONE = "none"
    """Everything that it sends stays valid, and everything that it reads stays what it was."""
    BREAKS = "breaks"
    UNKNOWN = "unknown"
    """It cannot be said, which counts as a break."""


@dataclass(frozen=True, slots=True)
class ConsumerEffect:
    """What a promotion does to one consumer, in a sentence; `reasons` are the contract's, where these break it."""

    consumer: str
    effect: Effect
    sentence: str
    needs: Needs | None = None
    expires_at: str | None = None
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True)
class Assessment:
    """What the promotion of a release to a channel does to every consumer that has stated its needs."""

    model: str
    version: str
    channel: str
    effects: tuple[ConsumerEffect, ...]

    @property
    def harmed(self) -> tuple[str, ...]:
        """The consumers that it breaks, or of which that is not known, in alphabetical order."""
        return self._met_by(Effect.BREAKS, Effect.UNKNOWN)

    def require_harmless(self, accepted: Collection[str] = ()) -> None:
        """Raise `GateRefused` (kind `needs`) where a consumer is harmed that is not among those `accepted`."""
        refused = [name for name in self.harmed if name not in accepted]
        if not refused:
            return
        broken = [name for name in refused if name in self._met_by(Effect.BREAKS)]
        unknown = [name for name in refused if name not in broken]
        why = [
            *([f"it would break {', '.join(broken)}"] if broken else []),
            *([f"whether it breaks {', '.join(unknown)} is not known"] if unknown else []),
        ]
        options = " ".join(f"--break {name}" for name in refused)
        raise GateRefused(
            "needs",
            f"{self.model}@{self.version} may not be promoted to {self.channel}: {'; '.join(why)}. The release stays "
            "published, and the channel where it is.",
            remedy="agree with whoever runs it, who changes it and states its needs anew (edustream-registry needs "
            f"add), or withdraws them (needs end); to break it on purpose, promote with {options}.",
            problems=[problem for one in self.effects if one.consumer in refused for problem in _problems(one)],
        )

    def _met_by(self, *effects: Effect) -> tuple[str, ...]:
        return tuple(sorted({one.consumer for one in self.effects if one.effect in effects}))


class NeedsGate:
    """Compares releases with what consumers of one registry state."""

    def __init__(self, reader: ReleaseReader) -> None:
        self._reader = reader
        self._contracts = ReleasedContracts(reader)

    def assess(self, release: Manifest, channel: str, now: datetime) -> Assessment:
        """What making `channel` point at `release` at the time `now` does to each consumer.

        Statements about a range or an exact version are passed over: a promotion does not move them. Raises `Rejected`
        where the release's own contract is damaged, `NothingToServe` (kind `file_missing`) where it is missing,
        `Unreachable`.
        """
        living = read_living(self._reader.store, self._reader.trust, now)
        return Assessment(
            release.content.model, release.version, channel, tuple(self._effects(living, release, channel))
        )

    def _effects(self, living: LivingNeeds, release: Manifest, channel: str) -> Iterator[ConsumerEffect]:
        for found in living.unverified:
            yield _unverified(found)
        seen: set[tuple[str, Needs]] = set()
        for signed in sorted(living.stated, key=lambda one: (one.statement.consumer, one.statement.expires_at)):
            said = signed.statement
            # Replicas and renewals say the same more than once.
            if said.model == release.content.model and said.follows in (channel, None):
                if (said.consumer, said.needs) not in seen:
                    yield self._effect(said, release)
                seen.add((said.consumer, said.needs))

    def _effect(self, said: ConsumerStatement, release: Manifest) -> ConsumerEffect:
        effect, sentence, reasons = self._by_contract(said, release)
        if parse_version(release.version).major != said.major:
            effect, sentence = Effect.BREAKS, f"pins the major version {said.major}; {sentence}"
        return ConsumerEffect(said.consumer, effect, sentence, said.needs, said.expires_at, reasons)

    def _by_contract(self, said: ConsumerStatement, release: Manifest) -> tuple[Effect, str, tuple[Reason, ...]]:
        if said.running is None:
            return Effect.UNKNOWN, "does not say which release it runs", ()
        running = f"{said.model}@{said.running}"
        try:
            manifest = self._reader.manifest(said.model, said.running).statement
            if manifest.content.contract_digest == release.content.contract_digest:
                return Effect.NONE, f"runs {running}, which keeps the same contract", ()
            old = self._contracts.of(manifest)
        except (NothingToServe, Rejected) as error:
            return Effect.UNKNOWN, f"runs {running}, whose contract cannot be read: {error.fact}", ()
        new = self._contracts.of(release)
        try:
            done = compare_for(old, new, said.sends, said.reads)
        except InvalidInput as error:
            listed = "; ".join(str(problem) for problem in error.problems)
            return Effect.UNKNOWN, f"runs {running} and states what does not fit its contract: {listed}", ()
        if done.verdict is Verdict.BREAKING:
            return Effect.BREAKS, f"runs {running}, whose contract this one breaks", done.breaking
        return Effect.NONE, f"runs {running}: for what it sends and reads this one is {done.verdict}", ()


def _unverified(found: Unverified) -> ConsumerEffect:
    return ConsumerEffect(found.consumer, Effect.UNKNOWN, f"{found.error.fact} {found.error.remedy}")


def _problems(one: ConsumerEffect) -> Iterator[Problem]:
    if one.effect is not Effect.NONE:
        yield Problem(one.consumer, one.sentence)
    for reason in one.reasons:
        shown = "" if reason.counterexample is None else f" For example: {json.dumps(reason.counterexample)}"
        yield Problem(f"{one.consumer} {reason.pointer}", f"{reason.sentence}{shown}")
