"""Deletes from an S3-compatible store, for the administrator alone; the protocol itself deletes nothing needed."""

from __future__ import annotations

from edustream_registry.s3_client import ONCE, make_client, translated
from edustream_registry.s3_store import S3Store
from edustream_registry.settings import RegistrySettings


class DeletingS3Store(S3Store):
    """One prefix of one bucket, as `edustream_registry.store.DeletingStore`."""

    def __init__(self, settings: RegistrySettings) -> None:
        super().__init__(settings)
        # Sent once: a first attempt that was only late must not delete what was written after the second.
        self._deleter = make_client("s3", settings, ONCE)

    def delete(self, key: str) -> None:
        """Delete an object; see `DeletingStore.delete`."""
        with translated(self._settings, f"delete {key}", writes=True):
            self._deleter.delete_object(**self._object(key))
