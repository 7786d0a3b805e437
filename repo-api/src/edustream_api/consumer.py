"""Puts a consumer together from its settings: local copy, loader, keeper, metrics, application."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edustream_contracts.errors import InvalidInput
from edustream_registry.local_copy import LocalCopy
from edustream_registry.names import Reference
from edustream_registry.reading import Clock, ReleaseReader, utc_now

from edustream_api import log
from edustream_api.access.gate import open_access
from edustream_api.access.key_file import LOOK_INTERVAL_S
from edustream_api.challenger import settings as challengers
from edustream_api.challenger.shadow import Shadow
from edustream_api.challenger.split import Split
from edustream_api.drift.monitor import DriftMonitor, Thresholds
from edustream_api.events import Listener
from edustream_api.hosting import HostedModel, Hosting, Observer
from edustream_api.keeper import Keeper
from edustream_api.loading import ContractPin, ModelLoader
from edustream_api.metrics import Metrics
from edustream_api.polling import Poller
from edustream_api.relied_on import ReliedOn
from edustream_api.settings import ConsumerSettings
from edustream_api.stated_needs import OpenAuthor, StatedNeeds
from edustream_api.web.app import build_app
from edustream_api.web.front import Front
from edustream_api.worker_files import WorkerFiles


@dataclass(frozen=True, slots=True)
class Consumer:
    """The models of one process, the application that shows them and runs the pollers, and what they work with."""

    settings: ConsumerSettings
    hosting: Hosting
    app: Front
    pollers: tuple[Poller, ...]
    reader: ReleaseReader
    open_author: OpenAuthor | None

    def start(self) -> None:
        """The first look at the registry for every model, then for every challenger; see `Keeper.start`."""
        for hosted in self.hosting.models:
            hosted.keeper.start()
        for hosted in self.hosting.models:
            for challenger in hosted.challengers:
                challenger.start()


def assemble(
    settings: ConsumerSettings,
    reader: ReleaseReader,
    environ: Mapping[str, str],
    clock: Clock = utc_now,
    open_author: OpenAuthor | None = None,
    *,
    keys_required: bool = True,
) -> Consumer:
    """Put a consumer together; nothing is asked of the registry yet. Without `open_author` it states no needs.

    Raises `InvalidInput` for a reference or a contract that there is not, for two references to one model, and for API
    keys that cannot be read, unless they are not `keys_required`: then nobody is admitted until they can be.
    """
    references = _references(settings.model)
    compared = challengers.shadows(settings.shadow, references)
    divided = challengers.splits(settings.split, references)
    metrics = Metrics(environ)
    copy = LocalCopy(settings.cache_dir, reader.trust, clock)
    models, pollers = [], []

    def keeper_of(reference: Reference, name: str, *listeners: Listener) -> Keeper:
        keeper = Keeper(
            reference,
            reader,
            copy,
            ModelLoader(ContractPin.of(settings.contract, reference.model)),
            settings.staleness_budget_s,
            clock,
            listeners=(metrics.listener(name), log.listener(name), *listeners),
        )
        # Each model has threads of its own: one that takes long to load, or to write its needs, delays no other.
        pollers.append(Poller(keeper.poll, settings.poll_interval_s))
        return keeper

    def needs_of(keeper: Keeper) -> StatedNeeds | None:
        if not (open_author and settings.consumer):
            return None
        needs = _needs(keeper, settings, open_author, clock, [one.model for one in references])
        pollers.append(Poller(needs.look, settings.poll_interval_s, "needs"))
        return needs

    for reference in references:
        model = reference.model
        metrics.answers_batches_of(model)
        drift = _drift(settings, environ, model) if settings.drift else None
        keeper = keeper_of(reference, model, *([drift.listen] if drift else []))
        if drift:
            pollers += drift.pollers()
        observers: tuple[Observer, ...] = (drift.observe,) if drift else ()
        needs = needs_of(keeper)
        shadow = split = None
        if model in compared:
            challenger = keeper_of(compared[model], str(compared[model]))
            shadow = Shadow(keeper, challenger, settings.shadow_sample, WorkerFiles.of(environ, f"shadow.{model}"))
            observers = (*observers, shadow.note)
            pollers += shadow.pollers()
        if model in divided:
            wanted, percent = divided[model]
            challenger = shadow.challenger if shadow and compared[model] == wanted else keeper_of(wanted, str(wanted))
            files = WorkerFiles.of(environ, f"split.{model}")
            split = Split(keeper, challenger, percent, settings.split_key, files, needs_of(challenger))
            pollers += split.pollers()
        models.append(HostedModel(keeper, needs, observers, drift, shadow, split))
    hosting = Hosting(tuple(models))
    access = open_access(settings, environ, hosting, metrics, clock, keys_required=keys_required)
    if access is not None and access.keys is not None:
        pollers.append(Poller(access.keys.look, LOOK_INTERVAL_S, "api-keys"))
    app = build_app(hosting, metrics, settings, pollers, access)
    return Consumer(settings, hosting, app, tuple(pollers), reader, open_author)


def _references(texts: Sequence[str]) -> list[Reference]:
    found: dict[str, Reference] = {}
    for text in texts:
        reference = Reference.parse(text)
        if reference.model in found:
            raise InvalidInput(
                "reference",
                f"{found[reference.model]} and {reference} are two references to the model {reference.model}.",
                remedy="give --model once for each model; start a second consumer for a second release of one.",
            )
        found[reference.model] = reference
    return list(found.values())


def _drift(settings: ConsumerSettings, environ: Mapping[str, str], model: str) -> DriftMonitor:
    thresholds = Thresholds(settings.drift_psi_minor, settings.drift_psi_major, settings.drift_min_rows)
    files = WorkerFiles.of(environ, f"drift.{model}")
    return DriftMonitor(thresholds, settings.drift_window, settings.drift_rows_per_second, settings.workers, files)


def _needs(
    keeper: Keeper,
    settings: ConsumerSettings,
    open_author: OpenAuthor,
    clock: Clock,
    models: Sequence[str],
) -> StatedNeeds:
    model = keeper.reference.model
    return StatedNeeds(
        lambda: keeper.snapshot,
        open_author,
        _fields("EDUSTREAM_SENDS", settings.sends, model, models),
        _fields("EDUSTREAM_READS", settings.reads, model, models),
        settings.needs_lifetime_s,
        clock,
        ReliedOn(settings.cache_dir, settings.consumer, keeper.reference),
    )


def _fields(variable: str, names: Sequence[str], model: str, models: Sequence[str]) -> tuple[str, ...]:
    """The names that are about the fields of one of the models that are served."""
    if len(models) == 1:
        return tuple(names)
    if bare := [name for name in names if "/" not in name]:
        raise InvalidInput(
            "configuration",
            f"{variable} has {bare[0]!r}, which does not say whose field it is.",
            remedy=f"write {model}/{bare[0]}, or the name of the other model before the slash.",
        )
    # A model without a name here states that all its fields are used; a typo must not say that.
    if strange := [name for name in names if name.partition("/")[0] not in models]:
        named = ", ".join(map(repr, strange))
        raise InvalidInput(
            "configuration",
            f"{variable} has {named}, of no model that is served; there are: {', '.join(models)}.",
            remedy="write the name of one of these models before the slash, or leave the field out.",
        )
    return tuple(name.removeprefix(f"{model}/") for name in names if name.startswith(f"{model}/"))
