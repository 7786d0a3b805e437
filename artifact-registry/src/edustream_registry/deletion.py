"""Deletes from an S3-compatible store, for the administrator alone; the protocol itself never deletes."""

from __future__ import annotations

from edustream_registry.s3_client import translated
from edustream_registry.s3_store import S3Store


class DeletingS3Store(S3Store):
    """One prefix of one bucket, as `edustream_registry.store.DeletingStore`."""

    def delete(self, key: str) -> None:
        """Delete an object; see `DeletingStore.delete`."""
        with translated(self._settings, f"delete {key}", writes=True):
            self._writer.delete_object(**self._object(key))
