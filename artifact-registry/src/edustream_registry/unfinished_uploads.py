"""Parts of large files whose publisher never finished: no listing of objects shows them, and they take up space."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from edustream_contracts.errors import OutcomeUnknown
from edustream_registry.collecting import Collection, Orphan
from edustream_registry.store import ObjectMissing

TITLE: Final = "unfinished uploads"


@dataclass(frozen=True, slots=True)
class UnfinishedUpload:
    """An upload in parts that was begun `age_s` seconds ago by the store's clock; its parts have `size` bytes."""

    key: str
    upload_id: str
    size: int
    age_s: float

    @property
    def name(self) -> str:
        """The key with as much of the id as tells uploads of one key apart."""
        return f"{self.key} (upload {self.upload_id[:12]})"


class UploadStore(Protocol):
    """A store that knows of unfinished uploads, and a key that may abort them."""

    def unfinished_uploads(self, prefix: str) -> Iterator[UnfinishedUpload]:
        """The uploads below `prefix` that were begun and neither completed nor aborted."""

    def abort(self, upload: UnfinishedUpload) -> None:
        """Give up an upload and its parts. Raises `ObjectMissing` where it ended before, `OutcomeUnknown`."""


def survey_uploads(store: UploadStore, prefix: str, grace_s: float) -> Collection:
    """The unfinished uploads below `prefix`; nothing is aborted."""
    return _collection(list(store.unfinished_uploads(prefix)), grace_s)


def abort_uploads(store: UploadStore, prefix: str, grace_s: float) -> Collection:
    """Abort the unfinished uploads below `prefix` that were begun longer than `grace_s` seconds ago.

    A publisher that takes longer than this over one file is told that its upload is gone, and nothing is released.
    """
    uploads = list(store.unfinished_uploads(prefix))
    deleted, spared, unfinished = [], [], []
    for upload in uploads:
        if upload.age_s <= grace_s:
            continue
        try:
            store.abort(upload)
            deleted.append(upload.name)
        except ObjectMissing:
            spared.append(upload.name)
        except OutcomeUnknown:
            unfinished.append(upload.name)
    return _collection(uploads, grace_s, tuple(deleted), tuple(spared), tuple(unfinished))


def _collection(
    uploads: list[UnfinishedUpload],
    grace_s: float,
    deleted: tuple[str, ...] = (),
    spared: tuple[str, ...] = (),
    unfinished: tuple[str, ...] = (),
) -> Collection:
    orphans = [Orphan(upload.name, upload.size, upload.age_s) for upload in uploads]
    return Collection(
        TITLE,
        old=tuple(orphan for orphan in orphans if orphan.age_s > grace_s),
        young=tuple(orphan for orphan in orphans if orphan.age_s <= grace_s),
        deleted=deleted,
        spared=spared,
        unfinished=unfinished,
    )
