"""Examines the store that is to hold a registry, below scratch keys that readers ignore, and cleans up after itself."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from edustream_contracts.errors import EduStreamError, Unreachable
from edustream_registry import layout, store_checks
from edustream_registry.examination import Examination, Finding, Verdict
from edustream_registry.reading import Clock, utc_now
from edustream_registry.settings import RegistrySettings
from edustream_registry.store_checks import Bench, Effort
from edustream_registry.store_probe import Reply, StoreProbe
from edustream_registry.store_rights import User, rights_of

SCRATCH: Final = "_doctor/"
ROUNDS: Final = 5
SHORT: Final = Effort(racers=2, rounds=6, samples=5)


@dataclass(frozen=True, slots=True)
class Scratch:
    """The only keys that an examination writes: `_doctor/<id>/` below `models/`, below `consumers/`, and at the top.

    `_doctor` is no model's and no consumer's name, so readers ignore all of them.
    """

    id: str

    @property
    def models(self) -> str:
        """Where everything is tried that a producer may write."""
        return f"{layout.MODELS}{SCRATCH}{self.id}/"

    @property
    def consumers(self) -> str:
        """Where a consumer's rights are tried."""
        return f"{layout.CONSUMERS}{SCRATCH}{self.id}/"

    @property
    def top(self) -> str:
        """Where only an administrator may write."""
        return f"{SCRATCH}{self.id}/"

    @property
    def all(self) -> tuple[str, ...]:
        """The three folders."""
        return self.models, self.consumers, self.top


class StoreDoctor:
    """Examines one store with one user's key; with further users' keys, their rights too."""

    def __init__(
        self,
        settings: RegistrySettings,
        users: Mapping[str, RegistrySettings] | None = None,
        *,
        rounds: int = ROUNDS,
        clock: Clock = utc_now,
    ) -> None:
        """Prepare an examination; nothing is sent yet.

        Args:
            settings: address, and the key of somebody who may write below `models/`.
            users: settings with the keys of `administrator`, `producer` and `consumer`, as far as they are at hand.
            rounds: how often 16 writers race.
            clock: this machine's clock.
        """
        self._settings = settings
        self._users = users or {}
        self._rounds = rounds
        self._clock = clock
        self._scratch = Scratch(secrets.token_hex(8))

    def examine(self) -> Examination:
        """Run every check.

        Raises:
            Unreachable: the store cannot be used at all, or ended while it was examined.
        """
        return self._examine(Effort(16, self._rounds, 20), store_checks.ALL, rights=True)

    def examine_core(self) -> Examination:
        """Run the checks without which no registry can be, in short races. Raises `Unreachable`."""
        return self._examine(SHORT, store_checks.CORE, rights=False)

    def _examine(self, effort: Effort, checks: tuple[store_checks.Check, ...], *, rights: bool) -> Examination:
        probe = StoreProbe(self._settings)
        probe.server_time()
        bench = Bench(probe, probe.fresh(), self._scratch.models, effort, self._clock)
        if rights:
            self._require_known_keys(probe)
        self._require_writer(bench)
        findings = []
        try:
            findings += [store_checks.run(check, bench) for check in checks]
            if rights:
                findings += self._rights(probe)
        finally:
            cleaned = self._clean_up(probe)
        probe.server_time()
        return Examination(self._settings.location, (*findings, cleaned))

    def _require_writer(self, bench: Bench) -> None:
        """A key that may not write at all says nothing about the store."""
        if bench.probe.put(bench.releases("first"), b"{}") is Reply.DENIED:
            raise Unreachable(
                "access_denied",
                f"The key {self._settings.access_key_id} may not write below {layout.MODELS} in "
                f"{self._settings.location}, so it cannot try the store out.",
                remedy="use the env file of the administrator or of the producer.",
            )

    def _require_known_keys(self, probe: StoreProbe) -> None:
        """A key that the store does not know, or whose secret is mistyped, says nothing about the store either."""
        for role, settings in self._users.items():
            try:
                probe.fresh(settings).server_time()
            except Unreachable as error:
                # What else goes wrong is found, or told, where this user's rights are tried.
                if error.kind == "credentials_refused":
                    remedy = f"correct the env file of the {role} (--{role}-env)."
                    raise Unreachable(error.kind, error.fact, remedy=remedy) from error

    def _rights(self, probe: StoreProbe) -> Iterator[Finding]:
        models, consumers, top = self._scratch.all
        for user in (
            User("administrator", self._scratch.all, deletes=True),
            User("producer", (models,), refused=(consumers, top)),
            User("consumer", (consumers,), refused=(models, top)),
        ):
            settings = self._users.get(user.role)
            yield rights_of(user, probe, probe.fresh(settings) if settings else None)

    def _clean_up(self, probe: StoreProbe) -> Finding:
        """Delete what was written, if this key may."""
        check = "clean up"
        try:
            keys = [key for folder in self._scratch.all for key in probe.keys(folder)]
            denied = [key for key in keys if probe.delete(key) is Reply.DENIED]
        except EduStreamError as error:
            return Finding(check, Verdict.WARNING, f"objects may be left below {self._scratch.models}: {error.fact}")
        if denied:
            return Finding(
                check,
                Verdict.INFO,
                f"this key may not delete, as it should be for all but the administrator: {len(denied)} objects stay "
                f"below {self._scratch.models}; readers ignore them",
            )
        return Finding(check, Verdict.INFO, f"this key may delete: {len(keys)} objects removed")
