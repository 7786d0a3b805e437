"""Where the files of a release are put, and kept from a collector of orphans until a manifest names them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tenacity import RetryError, Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from edustream_contracts.errors import Conflict
from edustream_registry import layout
from edustream_registry.bundle import refuse_other_bundle
from edustream_registry.collection import NOTICE_S, REFRESH_AFTER_S, live_notices
from edustream_registry.downloading import Progress, no_progress
from edustream_registry.manifest import ReleaseContent, ReleaseFile
from edustream_registry.sending import SourceFile
from edustream_registry.store import ObjectMissing, Store

POLL_S: Final = 1.0


class _CollectionUnderWay(Exception):
    """Somebody deletes orphans of the model; its files may vanish until that is over."""


class FilePlacement:
    """Puts the files of releases into a store, those that are not there as they should be."""

    def __init__(self, store: Store, patience_s: float) -> None:
        """Prepare; a collection of orphans is waited for as long as `patience_s` seconds."""
        self._store = store
        self._patience_s = patience_s

    def restore(self, content: ReleaseContent, directory: Path, progress: Progress) -> bool:
        """Upload what is missing or damaged of a release; whether anything was."""
        return self._upload_unless(self._holds, content, directory, progress)

    def place(self, content: ReleaseContent, directory: Path, progress: Progress) -> None:
        """Make sure that every file is there, and that no collector of orphans deletes it before the manifest names it.

        The order is what protects: make the files young, see that nobody is deleting, see that they are still there.
        A collector that begins after the second step finds them young; one that began before it is waited for. Raises
        `Conflict` (kind `collection`) where that takes too long.
        """
        self._upload_unless(self._holds_young, content, directory, progress)
        self._await_collectors(content.model)
        while self._upload_unless(self._is_young, content, directory):
            self._await_collectors(content.model)

    def _upload_unless(
        self,
        is_right: Callable[[str, ReleaseFile], bool],
        content: ReleaseContent,
        directory: Path,
        progress: Progress = no_progress,
    ) -> bool:
        uploaded = False
        for file in content.files:
            key = layout.file_key(content.model, file.sha256, file.name)
            if is_right(key, file):
                progress(file.size)
                continue
            refuse_other_bundle(content, file, directory)
            self._store.upload(key, SourceFile(directory / file.name, file.sha256, progress))
            uploaded = True
        return uploaded

    def _holds_young(self, key: str, file: ReleaseFile) -> bool:
        return self._holds(key, file) and self._is_young(key, file)

    def _is_young(self, key: str, file: ReleaseFile) -> bool:
        """Whether the file is there, and no collector will take it for an orphan soon."""
        try:
            return self._store.age_s(key) <= REFRESH_AFTER_S
        except ObjectMissing:
            return False

    def _await_collectors(self, model: str) -> None:
        retrying = Retrying(
            retry=retry_if_exception_type(_CollectionUnderWay),
            stop=stop_after_delay(self._patience_s),
            wait=wait_fixed(POLL_S),
        )
        try:
            retrying(self._refuse_collectors, model)
        except RetryError as error:
            raise Conflict(
                "collection",
                f"An administrator is deleting orphans of {model} (edustream-registry gc --delete), so nothing was "
                "released.",
                remedy=f"publish again; a notice counts for at most {NOTICE_S / 60:g} minutes, even if its gc crashed.",
            ) from error

    def _refuse_collectors(self, model: str) -> None:
        if live_notices(self._store, model):
            raise _CollectionUnderWay(model)

    def _holds(self, key: str, file: ReleaseFile) -> bool:
        # The digest, not the size alone: a file that was damaged in the store is put right by publishing again.
        digest, size = hashlib.sha256(), 0
        try:
            for chunk in self._store.stream(key):
                digest.update(chunk)
                size += len(chunk)
                if size > file.size:
                    return False
        except ObjectMissing:
            return False
        return digest.hexdigest() == file.sha256
