"""Opens the reading and the writing side of the registry that the settings name."""

from __future__ import annotations

from edustream_contracts.errors import InvalidInput
from edustream_registry.reading import Clock, ReleaseReader, utc_now
from edustream_registry.s3_store import S3Store
from edustream_registry.settings import RegistrySettings
from edustream_registry.store import Store
from edustream_registry.trust import TrustPolicy, read_trust


def open_store(settings: RegistrySettings) -> Store:
    """The store that the settings name. Nothing is sent yet."""
    return S3Store(settings)


def open_trust(settings: RegistrySettings) -> TrustPolicy:
    """The trust policy that the settings name. Raises `InvalidInput` (kind `configuration`)."""
    if settings.trust_file is None:
        raise InvalidInput(
            "configuration",
            "EDUSTREAM_TRUST_FILE is not set, so no release could be trusted.",
            remedy="set it to the trust file that edustream-registry init wrote.",
        )
    return read_trust(settings.trust_file)


def open_reader(settings: RegistrySettings, clock: Clock = utc_now) -> ReleaseReader:
    """A reader of the registry. Raises `InvalidInput` (kind `configuration`); nothing is sent yet."""
    return ReleaseReader(open_store(settings), open_trust(settings), clock)
