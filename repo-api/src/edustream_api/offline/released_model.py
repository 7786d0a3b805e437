"""The model that scores a file: resolved, fetched, verified and replayed exactly as the server does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from edustream_contracts.errors import InvalidInput
from edustream_registry.connection import open_reader
from edustream_registry.local_copy import LocalCopy
from edustream_registry.names import Reference
from edustream_registry.reading import Clock, ReleaseReader, utc_now
from edustream_registry.settings import RegistrySettings

from edustream_api.events import Event, Refused
from edustream_api.keeper import Keeper
from edustream_api.loading import ContractPin, ModelLoader, ServedModel
from edustream_api.settings import ConsumerSettings
from edustream_api.states import State

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class ModelSource:
    """Where the model comes from, and which contract it keeps."""

    settings: ConsumerSettings

    @property
    def reference(self) -> Reference:
        """What is asked for. Raises `InvalidInput` (kinds `argument`, `reference`) unless it is one."""
        if len(self.settings.model) != 1:
            raise InvalidInput(
                "argument",
                f"{len(self.settings.model)} models are named: {', '.join(self.settings.model)}.",
                remedy="give --model once; a file is scored by one model.",
            )
        return Reference.parse(self.settings.model[0])

    def load(self, reader: ReleaseReader, tell: Tell, clock: Clock = utc_now) -> ServedModel:
        """The model that would be served now. What keeps it from being the newest one is told in words.

        Raises what keeps anything from being served, as an `EduStreamError`.
        """
        reference = self.reference

        def listen(event: Event) -> None:
            if isinstance(event, Refused):
                tell(f"Refused: {event.refusal.error}")

        keeper = Keeper(
            reference,
            reader,
            LocalCopy(self.settings.cache_dir, reader.trust, clock),
            ModelLoader(ContractPin.of(self.settings.contract, reference.model)),
            self.settings.staleness_budget_s,
            clock,
            (listen,),
        )
        snapshot = keeper.start()
        if snapshot.serving is None:
            raise snapshot.error or AssertionError(f"{snapshot.state} without a reason")
        if snapshot.state is State.DEGRADED:
            tell(
                f"{snapshot.state.meaning} {reference} was confirmed {keeper.staleness_s() or 0:.0f} s ago.\n"
                f"{snapshot.error}"
            )
        return snapshot.serving


def reader_from(environ: Mapping[str, str]) -> ReleaseReader:
    """A reader of the registry that the environment names. Raises `InvalidInput` (kind `configuration`)."""
    return open_reader(RegistrySettings.from_environ(environ))
