"""The local copy as a keeper uses it: brought up to date, and held against the registry."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from edustream_contracts.errors import InvalidInput, NothingToServe, Rejected, Unreachable
from edustream_registry import layout
from edustream_registry.inference.loading import used_files
from edustream_registry.local_copy import LocalCopy, LocalRelease, Recalled
from edustream_registry.names import Reference
from edustream_registry.reading import ReleaseReader
from edustream_registry.resolved import Resolved
from edustream_registry.store import ObjectMissing


class KeptCopy:
    """One consumer's copy of what it serves.

    What must be on the disk raises `InvalidInput` (kind `configuration`) where it is not taken. A moment that is not
    taken costs a restart that moment, and no request until then.
    """

    def __init__(self, reader: ReleaseReader, copy: LocalCopy) -> None:
        self._reader = reader
        self._copy = copy

    def recall(self, reference: Reference) -> Recalled | None:
        """The last known good release. Raises `Rejected` for a copy that is damaged, or signed by nobody trusted."""
        with _disk():
            return self._copy.recall(reference)

    def fetch(self, resolved: Resolved) -> LocalRelease:
        """Bring the files that a consumer uses onto this disk. Raises as `LocalCopy.fetch` does."""
        with _disk():
            return self._copy.fetch(self._reader, resolved, used_files(resolved.manifest.content))

    def commit(self, release: LocalRelease, since: Resolved | None) -> None:
        """Remember a release that passed every check; `since` is what was known before."""
        with _disk():
            self._copy.commit(release, since=since)

    def tidy(self) -> None:
        """Remove the files of releases that nobody remembers."""
        with suppress(OSError):
            self._copy.tidy()

    def contacted(self, resolved: Resolved) -> None:
        """Note that the registry confirmed a release."""
        with suppress(OSError):
            self._copy.contacted(resolved)

    def answered(self, resolved: Resolved) -> None:
        """Note that the registry answered, and neither confirmed a release nor took it away."""
        with suppress(OSError):
            self._copy.answered(resolved)

    def withdrawn(self, resolved: Resolved, why: NothingToServe) -> None:
        """Note that the registry took a release away, so that a start during an outage does not bring it back."""
        with suppress(OSError):
            self._copy.withdrawn(resolved, why)

    def note_withdrawal(self, resolved: Resolved) -> None:
        """Note it where it is the copy itself that the registry has no more."""
        try:
            self.require_release(resolved)
        except NothingToServe as gone:
            self.withdrawn(resolved, gone)

    def require_release(self, resolved: Resolved) -> None:
        """Raises `NothingToServe` where the registry answers that a release was yanked, or that a part was deleted."""
        # An outage, or a manifest that was tampered with, takes a verified copy away from nobody.
        with suppress(Unreachable, Rejected):
            self._reader.resolve(Reference.parse(f"{resolved.model}@{resolved.version}"))
            self.require_files(resolved)

    def require_files(self, resolved: Resolved) -> None:
        """Raises `NothingToServe` (kind `file_missing`) where a file that lies on this disk is not in the registry."""
        # Files on this disk are not fetched again, and so would hide that they were deleted from the registry.
        content = resolved.manifest.content
        names = used_files(content)
        used = (file for file in content.files if file.name in names)
        for file in filter(self._copy.holds, used):
            try:
                self._reader.store.size(layout.file_key(resolved.model, file.sha256, file.name))
            except ObjectMissing:
                self._reader.read_file(resolved.model, file)


@contextmanager
def _disk() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InvalidInput(
            "configuration",
            f"The local copy cannot be kept: {error}.",
            remedy="give --cache-dir (EDUSTREAM_CACHE_DIR) a directory that this process may write and that has room.",
        ) from error
