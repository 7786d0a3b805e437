"""A consumer that asks the registry itself: the only process, or the parent of those that answer."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from edustream_registry.connection import open_reader
from edustream_registry.settings import RegistrySettings
from edustream_registry.stating import open_consumer_author

from edustream_api.consumer import Consumer, assemble
from edustream_api.settings import ConsumerSettings


def consumer_from(environ: Mapping[str, str]) -> Consumer:
    """Put the consumer together that the environment describes, as `assemble` does. Raises `InvalidInput`."""
    settings = ConsumerSettings.from_environ(environ)
    registry = RegistrySettings.from_environ(environ)
    states = bool(settings.consumer and registry.signing_key_files)
    open_author = partial(open_consumer_author, registry, settings.consumer) if states else None
    return assemble(settings, open_reader(registry), environ, open_author=open_author)
