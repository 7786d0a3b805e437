"""A consumer that asks the registry itself: the only process, or the parent of those that answer."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from edustream_contracts.errors import InvalidInput
from edustream_registry.connection import open_reader
from edustream_registry.settings import RegistrySettings
from edustream_registry.stating import open_consumer_author

from edustream_api.consumer import Consumer, assemble
from edustream_api.settings import ConsumerSettings
from edustream_api.worker_files import MULTIPROCESS_DIR


def consumer_from(environ: Mapping[str, str]) -> Consumer:
    """Put the consumer together that the environment describes, as `assemble` does. Raises `InvalidInput`."""
    for name in (MULTIPROCESS_DIR, MULTIPROCESS_DIR.lower()):
        if name in environ:
            raise InvalidInput(
                "configuration",
                f"{name} is set, to {environ[name]!r}; the workers of a consumer share a folder that it makes itself.",
                remedy="start the consumer without this variable.",
            )
    settings = ConsumerSettings.from_environ(environ)
    registry = RegistrySettings.from_environ(environ)
    states = bool(settings.consumer and registry.signing_key_files)
    open_author = partial(open_consumer_author, registry, settings.consumer) if states else None
    return assemble(settings, open_reader(registry), environ, open_author=open_author)
