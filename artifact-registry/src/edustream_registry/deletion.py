"""Deletes from an S3-compatible store, for the administrator alone; the protocol itself deletes nothing needed."""

from __future__ import annotations

from collections.abc import Iterator
from email.utils import parsedate_to_datetime

from edustream_registry.s3_client import ONCE, make_client, translated
from edustream_registry.s3_store import S3Store
from edustream_registry.settings import RegistrySettings
from edustream_registry.unfinished_uploads import UnfinishedUpload


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

    def unfinished_uploads(self, prefix: str) -> Iterator[UnfinishedUpload]:
        """The uploads in parts below `prefix` that were begun and not ended; see `UploadStore`."""
        pages = self._deleter.get_paginator("list_multipart_uploads")
        with translated(self._settings, "list unfinished uploads"):
            for page in pages.paginate(Bucket=self._bucket, Prefix=self._prefix + prefix):
                now = parsedate_to_datetime(page["ResponseMetadata"]["HTTPHeaders"]["date"])
                for row in page.get("Uploads", ()):
                    key, begun = row["Key"].removeprefix(self._prefix), row["Initiated"]
                    age_s = max(0.0, (now - begun).total_seconds())
                    yield UnfinishedUpload(key, row["UploadId"], self._size_of_parts(key, row["UploadId"]), age_s)

    def abort(self, upload: UnfinishedUpload) -> None:
        """Give up an upload and its parts; see `UploadStore`."""
        with translated(self._settings, f"abort the upload of {upload.key}", writes=True):
            self._deleter.abort_multipart_upload(**self._object(upload.key), UploadId=upload.upload_id)

    def _size_of_parts(self, key: str, upload_id: str) -> int:
        pages = self._deleter.get_paginator("list_parts").paginate(**self._object(key), UploadId=upload_id)
        return sum(part["Size"] for page in pages for part in page.get("Parts", ()))
