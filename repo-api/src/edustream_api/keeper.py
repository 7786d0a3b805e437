"""Keeps the served model right: start-up, polling, swap, survival of outages, obedience to yanks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from time import perf_counter

from edustream_contracts.contract import ModelContract
from edustream_contracts.errors import (
    EduStreamError,
    Incompatible,
    InvalidInput,
    NothingToServe,
    Rejected,
    Unreachable,
)
from edustream_registry.local_copy import LocalCopy, LocalRelease, Recalled
from edustream_registry.names import Reference
from edustream_registry.reading import ReleaseReader
from edustream_registry.resolved import Resolved

from edustream_api.events import (
    Event,
    Listener,
    Polled,
    PollResult,
    Refusal,
    Refused,
    Snapshot,
    StateChanged,
    Swapped,
)
from edustream_api.kept_copy import KeptCopy
from edustream_api.loading import ModelLoader, ServedModel
from edustream_api.states import State, state_of


class Keeper:
    """Decides what is served. `snapshot` may be read from any thread; `start` and `poll` belong to one at a time.

    The staleness budget counts from two moments: behind a frozen channel from when the registry last confirmed what is
    loaded, in an outage from when it last answered. It answers where it confirms what is loaded, and where it names
    another release that is refused while nothing takes the loaded one away. For that, signatures, sequence and age of
    what names the other release were verified. What fails these checks is no answer, nor is it one that a version is
    missing, which nobody signs: whoever forges, replays or withholds gains no time.
    """

    def __init__(
        self,
        reference: Reference,
        reader: ReleaseReader,
        copy: LocalCopy,
        loader: ModelLoader,
        staleness_budget_s: float,
        clock: Callable[[], datetime],
        listeners: Sequence[Listener] = (),
    ) -> None:
        self.reference = reference
        self.staleness_budget_s = staleness_budget_s
        self._reader = reader
        self._copy = KeptCopy(reader, copy)
        self._loader = loader
        self._clock = clock
        self._listeners = tuple(listeners)
        self._loaded: ServedModel | None = None
        self._known: Resolved | None = None
        self._unfit: tuple[str, EduStreamError] | None = None
        self._unproven: EduStreamError | None = None
        not_asked = Unreachable("connection", "The registry was not asked yet.", remedy="wait for the first poll.")
        self.snapshot = Snapshot(State.UNREACHABLE, clock(), None, not_asked)

    @property
    def where(self) -> str:
        """Where releases are looked for, for people."""
        return self._reader.store.location

    @property
    def pinned(self) -> ModelContract | None:
        """The contract that this consumer pins; None when it accepts any."""
        return self._loader.pin.contract

    def staleness_s(self, snapshot: Snapshot | None = None) -> float | None:
        """Seconds since the registry last confirmed what is loaded, now or in `snapshot`; None when it never did."""
        contacted_at = (snapshot or self.snapshot).contacted_at
        return None if contacted_at is None else self._seconds_since(contacted_at)

    @property
    def must_ask(self) -> bool:
        """Whether nothing may answer before the registry did: nothing is loaded, or its last answer is too old."""
        snapshot = self.snapshot
        return snapshot.serving is None or not self._within_budget(snapshot.answered_at)

    def start(self) -> Snapshot:
        """The first look at the registry; what it found, which may be nothing that can be served.

        An outage is survived from the verified local copy within the staleness budget; a release that is refused,
        however long it was promoted. A deletion is obeyed even then.

        Raises `InvalidInput` (kind `configuration`) where the local copy's directory cannot be used.
        """
        recalled = self._recall()
        asked = None
        try:
            asked = self._ask()
            self._adopt(asked)
        except NothingToServe as error:
            self._refuse(error)
            if recalled:
                self._copy.note_withdrawal(recalled.release.resolved)
        except (Unreachable, Rejected, Incompatible) as error:
            self._fall_back(recalled, error, answers=asked is not None or not isinstance(error, Unreachable))
        return self.snapshot

    def poll(self) -> PollResult:
        """One look at the registry: swap, heal, degrade or refuse as it asks for. A bad find never stops serving.

        What nobody foresaw is raised, and counts as an outage: what has no answer must not be served for ever.
        """
        try:
            result = self._look()
        except Exception as error:
            self._survive(
                Unreachable(
                    "connection",
                    f"The look at {self.where} broke off in a way that nobody foresaw ({type(error).__qualname__}).",
                    remedy="look for poll_failed in the log; start the consumer again if it goes on.",
                )
            )
            self._tell(Polled(PollResult.UNREACHABLE))
            raise
        self._tell(Polled(result))
        return result

    def _look(self) -> PollResult:
        try:
            return self._advance()
        except Unreachable as error:
            self._survive(error)
            return PollResult.UNREACHABLE
        except (NothingToServe, Rejected, Incompatible, InvalidInput) as error:
            self._refuse(error)
            return PollResult.REFUSED

    def _advance(self) -> PollResult:
        loaded, resolved = self._loaded, self._ask()
        if loaded and resolved is loaded.release:
            self._confirm(loaded)
            return PollResult.UNCHANGED
        try:
            swapped = self._adopt(resolved)
        except Unreachable:
            # The registry answered, and what is loaded may be the reason for the new release.
            if loaded and (yank := self._yank_of(loaded)):
                raise yank from None
            raise
        return PollResult.SWAPPED if swapped else PollResult.UNCHANGED

    def _ask(self) -> Resolved:
        loaded = self._loaded
        try:
            return self._reader.poll(loaded.release) if loaded else self._reader.resolve(self.reference, self._known)
        except (NothingToServe, Rejected) as error:
            # Of a channel, something is missing only behind an entry that was verified.
            if isinstance(error, Rejected) or not self.reference.channel:
                self._unproven = error
            raise

    def _adopt(self, resolved: Resolved) -> bool:
        """Serve what was resolved; whether that is another release than the one that is loaded."""
        if self._unfit and self._unfit[0] == resolved.manifest_digest:
            raise self._unfit[1]
        started = perf_counter()
        before = self._loaded
        same = before is not None and before.release.manifest_digest == resolved.manifest_digest
        if not same:
            self._copy.require_files(resolved)
        release = self._copy.fetch(resolved)
        after = replace(before, release=resolved) if before and same else self._load(release)
        self._copy.commit(release, self._known)
        self._loaded, self._known, self._unfit = after, resolved, None
        self._enter(State.READY, after, None, confirmed=True)
        if not same:
            self._tell(Swapped(before, after, self._clock(), perf_counter() - started))
        self._copy.tidy()
        return not same

    def _recall(self) -> Recalled | None:
        try:
            recalled = self._copy.recall(self.reference)
        except (Rejected, Unreachable) as error:
            # A damaged copy, one signed by a key that is trusted no more, or one whose signatures nobody checks now: as
            # good as none, but worth a word.
            self._note(error)
            return None
        if recalled:
            self._known = recalled.release.resolved
            # A clock that was put back since prolongs nothing.
            contacted_at, answered_at = (
                min(moment, self._clock()) for moment in (recalled.contacted_at, recalled.answered_at)
            )
            self.snapshot = replace(self.snapshot, contacted_at=contacted_at, answered_at=answered_at)
        return recalled

    def _load(self, release: LocalRelease) -> ServedModel:
        try:
            return self._loader.load(release)
        except (Rejected, Incompatible) as error:
            # Verified bytes cannot change, so the same release would fail again at every poll; what this disk spoilt
            # is fetched anew.
            if error.kind != "digest":
                self._unfit = (release.resolved.manifest_digest, error)
            raise

    def _confirm(self, loaded: ServedModel) -> None:
        self._copy.contacted(loaded.release)
        self._enter(State.READY, loaded, None, confirmed=True)

    def _answered(self, loaded: ServedModel) -> None:
        self._copy.answered(loaded.release)
        self.snapshot = replace(self.snapshot, answered_at=self._clock())

    def _fall_back(self, recalled: Recalled | None, error: EduStreamError, *, answers: bool) -> None:
        """Serve the copy where `error` lets it stand in; `answers` says whether the registry does, if only in part."""
        if recalled and recalled.withdrawn:
            # Only what confirms the release itself brings it back, and that is adopted.
            self._note(recalled.withdrawn)
        elif recalled and self._may_stand_in(error):
            started = perf_counter()
            resolved = recalled.release.resolved
            try:
                if answers:
                    self._copy.require_release(resolved)
                self._loaded = self._loader.load(recalled.release)
            except Incompatible as unfit:
                self._refuse(unfit)
                return
            except NothingToServe as gone:
                self._note(gone)
                self._copy.withdrawn(resolved, gone)
            except Rejected as unfit:
                # What is damaged is no copy that could be served.
                self._note(unfit)
            else:
                self._tell(Swapped(None, self._loaded, self._clock(), perf_counter() - started))
        if isinstance(error, Unreachable):
            self._survive(error)
        else:
            self._refuse(error)

    def _survive(self, error: Unreachable) -> None:
        answered_at = self.snapshot.answered_at
        if answered_at is None or (self._loaded is None and self._within_budget(answered_at)):
            self._enter(State.UNREACHABLE, None, error)
        elif self._within_budget(answered_at):
            self._enter(State.DEGRADED, self._loaded, error)
        else:
            self._enter(State.UNREACHABLE, None, self._stale(error, answered_at))

    def _note(self, error: EduStreamError) -> None:
        refusal = self.snapshot.refusal
        if refusal is None or str(refusal.error) != str(error):
            refusal = Refusal(self._clock(), error)
            self.snapshot = replace(self.snapshot, refusal=refusal)
            self._tell(Refused(refusal))

    def _refuse(self, error: EduStreamError) -> None:
        self._note(error)
        yank = self._yank_of(self._loaded) if self._loaded else None
        # Whoever withholds newer entries gains no more than one staleness budget beyond the age that is allowed.
        frozen = self._is_frozen(error) and not self._within_budget(self.snapshot.contacted_at)
        if self._loaded and yank is None and not frozen:
            if self._is_answer(error):
                self._answered(self._loaded)
            elif self.snapshot.serving is None and not self._within_budget(self.snapshot.answered_at):
                # An outage that was past its budget is not ended by what nobody vouches for.
                self._enter(state_of(error), None, error)
                return
            self._enter(State.READY, self._loaded, None)
        else:
            if self._loaded and yank:
                self._copy.withdrawn(self._loaded.release, yank)
            self._loaded = None
            reason = yank or error
            # A disk that takes nothing says nothing about the registry.
            held = isinstance(reason, InvalidInput) and not self.snapshot.state.serves
            self._enter(self.snapshot.state if held else state_of(reason), None, reason)

    def _yank_of(self, model: ServedModel) -> NothingToServe | None:
        try:
            self._reader.resolve(Reference.parse(f"{model.name}@{model.version}"))
        except NothingToServe as error:
            # A manifest that was deleted is a matter of the next start; only a tombstone stops what runs.
            return error if error.kind == "yanked" else None
        except (Unreachable, Rejected):
            return None
        return None

    def _is_frozen(self, error: EduStreamError) -> bool:
        """Whether nothing proves that there is a newer entry than one that is too old.

        An unsigned object in the place of the next entry hides that age as well as its absence does.
        """
        entry = self._loaded.release.entry if self._loaded else None
        too_old = entry is not None and self._reader.is_too_old(entry)
        return error.kind == "freeze" or (too_old and not self._is_answer(error))

    def _may_stand_in(self, error: EduStreamError) -> bool:
        """Whether the verified copy may be served, at a start, in place of what `error` keeps away."""
        if error.kind == "freeze":
            return self._within_budget(self.snapshot.contacted_at)
        return self._is_answer(error) or self._within_budget(self.snapshot.answered_at)

    def _is_answer(self, error: EduStreamError) -> bool:
        return error is not self._unproven and not isinstance(error, Unreachable)

    def _within_budget(self, moment: datetime | None) -> bool:
        return moment is not None and self._seconds_since(moment) <= self.staleness_budget_s

    def _seconds_since(self, moment: datetime) -> float:
        # A clock that was put back since makes nothing younger than new.
        return max((self._clock() - moment).total_seconds(), 0.0)

    def _stale(self, error: Unreachable, answered_at: datetime) -> Unreachable:
        return Unreachable(
            "stale",
            f"{error.fact} It last answered {self._seconds_since(answered_at):.0f} s ago; the verified copy may be "
            f"served for {self.staleness_budget_s:.0f} s after that.",
            remedy=error.remedy,
        )

    def _enter(
        self,
        state: State,
        serving: ServedModel | None,
        error: EduStreamError | None,
        *,
        confirmed: bool = False,
    ) -> None:
        before, now = self.snapshot, self._clock()
        after = replace(
            before,
            state=state,
            since=before.since if before.state is state else now,
            serving=serving,
            error=error,
            contacted_at=now if confirmed else before.contacted_at,
            answered_at=now if confirmed else before.answered_at,
        )
        self.snapshot = after
        if before.state is not state:
            self._tell(StateChanged(before.state, after))

    def _tell(self, event: Event) -> None:
        for listener in self._listeners:
            listener(event)
