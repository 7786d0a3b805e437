"""The models of one process: which there are, and which of them can answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from edustream_contracts.contract import ModelContract

from edustream_api import request_context
from edustream_api.challenger.shadow import Shadow
from edustream_api.challenger.split import Split
from edustream_api.drift.monitor import DriftMonitor
from edustream_api.events import Snapshot
from edustream_api.keeper import Keeper
from edustream_api.loading import ServedModel
from edustream_api.problems import NOT_SERVING, RequestRefused
from edustream_api.stated_needs import StatedNeeds

Observer: TypeAlias = Callable[[ServedModel, Sequence[Mapping[str, Any]], Sequence[Mapping[str, Any]]], None]
"""Told of rows that were answered, and of their answers; runs within the request, so it only takes note of them."""

CountRows: TypeAlias = Callable[[str, int], None]
"""Told of a batch that was answered: the model, and the number of rows."""


def counting(count: CountRows) -> Observer:
    """Tells `count` of each batch."""

    def counted(model: ServedModel, rows: Sequence[Any], answers: Sequence[Any]) -> None:
        count(model.name, len(rows))

    return counted


@dataclass(frozen=True, slots=True)
class HostedModel:
    """One model: the keeper that decides which release answers, what is stated of needs, who is told of answers.

    `drift` is None where it is not recorded; where it is, its monitor is among the observers.
    A `shadow` is among the observers and compares a challenger with this model; `split` has a challenger answer some of
    its callers.
    """

    keeper: Keeper
    needs: StatedNeeds | None = None
    observers: tuple[Observer, ...] = ()
    drift: DriftMonitor | None = None
    shadow: Shadow | None = None
    split: Split | None = None

    @property
    def challengers(self) -> list[Keeper]:
        """The keepers of the challengers; one where the shadow and the split have the same."""
        found = [one.challenger for one in (self.shadow, self.split) if one]
        return list(dict.fromkeys(found))

    @property
    def name(self) -> str:
        """The model's name."""
        return self.keeper.reference.model

    def contract(self, snapshot: Snapshot) -> ModelContract | None:
        """The contract of the release that answers in `snapshot`; the pinned one where none does."""
        return snapshot.serving.contract if snapshot.serving else self.keeper.pinned

    def serving(self) -> ServedModel:
        """The release that answers. Raises `RequestRefused` (`not-serving`) with the state as its reason."""
        return self.serving_in(self.keeper.snapshot)

    def serving_in(self, snapshot: Snapshot) -> ServedModel:
        """The release that answers in `snapshot`, one of this model's keeper. Raises as `serving` does."""
        if snapshot.serving is not None:
            request_context.answered_by(snapshot.serving.version)
            return snapshot.serving
        error = snapshot.error
        fact = f" {error.fact} Next: {error.remedy}" if error else ""
        raise RequestRefused(
            NOT_SERVING,
            f"{self.keeper.reference} is not served: {snapshot.state.meaning}{fact}",
            error.problems if error else (),
            reason=snapshot.state,
        )


@dataclass(frozen=True, slots=True)
class Hosting:
    """All models of this process, at least one, in the order in which they were asked for; their names differ."""

    models: tuple[HostedModel, ...]

    @property
    def only(self) -> HostedModel | None:
        """The model, where there is just one: paths that name none mean it."""
        return self.models[0] if len(self.models) == 1 else None

    def serving(self) -> list[ServedModel]:
        """The release of each model. Raises `RequestRefused` (`not-serving`) unless all answer, and where none is."""
        if not self.models:
            raise RequestRefused(NOT_SERVING, "No model is asked for; start the consumer with --model.")
        return [hosted.serving() for hosted in self.models]

    def prefixes(self) -> list[tuple[str, HostedModel]]:
        """Below which paths each model answers: its own, and the root for the only one."""
        prefixes = [(f"/models/{model.name}", model) for model in self.models]
        return [("", self.only), *prefixes] if self.only else prefixes
