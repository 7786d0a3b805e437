"""Puts a consumer together from its settings: registry, local copy, loader, keeper, metrics, application."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from edustream_registry.connection import open_reader
from edustream_registry.local_copy import LocalCopy
from edustream_registry.names import Reference
from edustream_registry.reading import Clock, ReleaseReader, utc_now
from edustream_registry.settings import RegistrySettings
from edustream_registry.stating import ConsumerAuthor, open_consumer_author

from edustream_api import log
from edustream_api.app import build_app
from edustream_api.front import Front
from edustream_api.keeper import Keeper
from edustream_api.loading import ContractPin, ModelLoader
from edustream_api.metrics import Metrics
from edustream_api.polling import Poller
from edustream_api.relied_on import ReliedOn
from edustream_api.settings import ConsumerSettings
from edustream_api.stated_needs import StatedNeeds


@dataclass(frozen=True, slots=True)
class Consumer:
    """A keeper, the application that shows what it keeps, and their settings; `needs` is None where none are stated."""

    settings: ConsumerSettings
    keeper: Keeper
    app: Front
    needs: StatedNeeds | None


def assemble(
    settings: ConsumerSettings,
    reader: ReleaseReader,
    environ: Mapping[str, str],
    clock: Clock = utc_now,
    open_author: Callable[[], ConsumerAuthor] | None = None,
) -> Consumer:
    """Put a consumer together; nothing is asked of the registry yet. Without `open_author` it states no needs.

    Raises `InvalidInput` for a reference or a contract that there is not.
    """
    reference = Reference.parse(settings.model)
    metrics = Metrics(environ)
    keeper = Keeper(
        reference,
        reader,
        LocalCopy(settings.cache_dir, reader.trust, clock),
        ModelLoader(ContractPin.of(settings.contract, reference.model)),
        settings.staleness_budget_s,
        clock,
        listeners=(metrics.listen, log.listen),
    )
    pollers = [Poller(keeper.poll, settings.poll_interval_s)]
    needs = None
    if open_author and settings.consumer:
        needs = StatedNeeds(
            lambda: keeper.snapshot,
            open_author,
            settings.sends,
            settings.reads,
            settings.needs_lifetime_s,
            clock,
            ReliedOn(settings.cache_dir, settings.consumer, reference),
        )
        # In a thread of its own: a store that takes long over a write keeps no poll waiting.
        pollers.append(Poller(needs.look, settings.poll_interval_s, "needs"))
    return Consumer(settings, keeper, build_app(keeper, metrics, settings, pollers, needs), needs)


def consumer_from(environ: Mapping[str, str]) -> Consumer:
    """Put the consumer together that the environment describes. Raises `InvalidInput`."""
    settings = ConsumerSettings.from_environ(environ)
    registry = RegistrySettings.from_environ(environ)
    states = bool(settings.consumer and registry.signing_key_files)
    open_author = partial(open_consumer_author, registry, settings.consumer) if states else None
    return assemble(settings, open_reader(registry), environ, open_author=open_author)


def worker_app() -> Front:
    """The application of one worker process, made from the environment that the parent process left it.

    A worker serves what it can: whether the consumer may start at all was decided by the parent.
    """
    log.configure()
    consumer = consumer_from(os.environ)
    consumer.keeper.start()
    return consumer.app
