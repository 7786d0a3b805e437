"""Collect orphans: delete files that no manifest names, never one that a publisher is about to name.

Consumer statements that expired long ago go with them.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from edustream_contracts.errors import InvalidInput, NothingToServe, OutcomeUnknown, Rejected
from edustream_registry import layout
from edustream_registry.collection import DELETING_S, MIN_GRACE_S, NOTICE_S, notices
from edustream_registry.names import model_name
from edustream_registry.needs import matters_until
from edustream_registry.object_keys import parse_key
from edustream_registry.reading import ReleaseReader
from edustream_registry.store import DeletingStore, ObjectMissing, WriteCondition

DEFAULT_GRACE_S: Final = 7 * 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Orphan:
    """A file that no manifest names: its key, its length in bytes, and its age in seconds by the store's clock."""

    key: str
    size: int
    age_s: float


@dataclass(frozen=True, slots=True)
class Collection:
    """What was found and done in one model, or in the folder `consumers/`, which is no model's name.

    `old` and `young` are the orphans above and below the grace period. Of the old ones `deleted` are gone, `spared`
    turned out to be needed, refreshed or gone already, `unfinished` were left because time ran out or no reply came.
    `refusal` says why nothing may be deleted; then the other fields are empty.
    """

    model: str
    old: tuple[Orphan, ...] = ()
    young: tuple[Orphan, ...] = ()
    deleted: tuple[str, ...] = ()
    spared: tuple[str, ...] = ()
    unfinished: tuple[str, ...] = ()
    refusal: Rejected | NothingToServe | None = None


class Collector:
    """Finds orphans, and deletes those older than a grace period, with a key that may delete."""

    def __init__(
        self,
        store: DeletingStore,
        reader: ReleaseReader,
        grace_s: float = DEFAULT_GRACE_S,
        notice_id: Callable[[], str] = lambda: uuid.uuid4().hex,
    ) -> None:
        """Prepare to collect. Raises `InvalidInput` for a grace period below `MIN_GRACE_S` seconds.

        Args:
            store: where to delete.
            reader: reads the manifests in the same store.
            grace_s: orphans younger than this stay.
            notice_id: makes 32 hexadecimal digits that no other notice has.
        """
        if grace_s < MIN_GRACE_S:
            raise InvalidInput(
                "argument",
                f"A grace period of {grace_s:g} s is shorter than the {MIN_GRACE_S:g} s that publishers rely on.",
                remedy="give at least --grace 1h; a publisher may be about to name the file.",
            )
        self._store = store
        self._reader = reader
        self._grace_s = grace_s
        self._notice_id = notice_id

    def survey(self, model: str) -> Collection:
        """The orphans of a model; nothing is written or deleted."""
        return self._survey(model, {})

    def collect(self, model: str) -> Collection:
        """Delete the orphans of a model that are older than the grace period.

        Raises `Unreachable` when the registry cannot be used, or (kind `access_denied`) when the key may not delete.
        """
        named: dict[str, frozenset[str]] = {}
        found = self._survey(model, named)
        if found.refusal:
            return found
        if found.old:
            found = self._announced(found, named)
        self._remove_dead_notices(model)
        return found

    def survey_statements(self) -> Collection:
        """The consumer statements that say nothing any more, by their ids; nothing is written or deleted.

        Their age counts from when they were written, so that both it and the expiry lie a grace period back, and no
        clock that is off by less does harm.
        """
        expired_before = self._reader.clock().timestamp() - self._grace_s
        keys = {
            info.key: info.size
            for info in self._store.list(layout.CONSUMERS)
            if (key := parse_key(info.key)) and matters_until(key.name) < expired_before
        }
        old = [orphan for orphan in self._aged(keys) if orphan.age_s > self._grace_s]
        return Collection(layout.CONSUMERS, old=tuple(old))

    def collect_statements(self) -> Collection:
        """Delete what `survey_statements` finds. Nobody reads it any more, so nobody needs to be told first."""
        found = self.survey_statements()
        deleted, unfinished = [], []
        for orphan in found.old:
            try:
                self._store.delete(orphan.key)
                deleted.append(orphan.key)
            except OutcomeUnknown:
                unfinished.append(orphan.key)
        return replace(found, deleted=tuple(deleted), unfinished=tuple(unfinished))

    def _announced(self, found: Collection, named: dict[str, frozenset[str]]) -> Collection:
        notice = layout.notice_key(found.model, self._notice_id())
        # A key that may not delete could not take its notice back, and would hold publishers up for nothing.
        self._store.delete(notice)
        document = {"grace_s": self._grace_s, "orphans": len(found.old)}
        self._store.put(notice, json.dumps(document).encode(), WriteCondition.CREATE)
        done = self._delete(found, notice, named)
        if not done.unfinished:
            self._store.delete(notice)
        return done

    def _survey(self, model: str, named: dict[str, frozenset[str]]) -> Collection:
        # Files before manifests: a file listed here that a later manifest names is found in that manifest.
        prefix = layout.files_prefix(model_name(model))
        sizes = {info.key: info.size for info in self._store.list(prefix) if layout.is_file_key(info.key, model)}
        try:
            needed = self._needed(model, named)
        except (Rejected, NothingToServe) as error:
            return Collection(model, refusal=error)
        orphans = list(self._aged({key: size for key, size in sizes.items() if key not in needed}))
        return Collection(
            model,
            old=tuple(orphan for orphan in orphans if orphan.age_s > self._grace_s),
            young=tuple(orphan for orphan in orphans if orphan.age_s <= self._grace_s),
        )

    def _needed(self, model: str, named: dict[str, frozenset[str]]) -> set[str]:
        """Keys of the files that any manifest names, yanked ones included; `named` keeps them by version."""
        for version in self._reader.versions(model):
            if version not in named:
                content = self._reader.manifest(model, version).statement.content
                named[version] = frozenset(layout.file_key(model, file.sha256, file.name) for file in content.files)
        return {key for keys in named.values() for key in keys}

    def _aged(self, sizes: dict[str, int]) -> Iterator[Orphan]:
        for key, size in sizes.items():
            try:
                yield Orphan(key, size, self._store.age_s(key))
            except ObjectMissing:
                continue

    def _delete(self, found: Collection, notice: str, named: dict[str, frozenset[str]]) -> Collection:
        try:
            needed = self._needed(found.model, named)
        except (Rejected, NothingToServe) as error:
            return Collection(found.model, refusal=error)
        deleted, spared, unfinished = [], [], []
        for orphan in found.old:
            try:
                if orphan.key in needed or self._store.age_s(orphan.key) <= self._grace_s:
                    spared.append(orphan.key)
                elif not self._may_still_delete(notice):
                    unfinished.append(orphan.key)
                else:
                    self._store.delete(orphan.key)
                    deleted.append(orphan.key)
            except ObjectMissing:
                spared.append(orphan.key)
            except OutcomeUnknown:
                unfinished.append(orphan.key)
        return Collection(
            found.model,
            found.old,
            found.young,
            deleted=tuple(deleted),
            spared=tuple(spared),
            unfinished=tuple(unfinished),
        )

    def _may_still_delete(self, notice: str) -> bool:
        # Whoever takes the notice away lets publishers in, so nothing more may be deleted.
        try:
            return self._store.age_s(notice) <= DELETING_S
        except ObjectMissing:
            return False

    def _remove_dead_notices(self, model: str) -> None:
        for key, age_s in notices(self._store, model):
            if age_s > NOTICE_S:
                self._store.delete(key)
