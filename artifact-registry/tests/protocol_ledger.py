"""Everything that ever landed in a bucket, held against the promises of the protocol, write by write.

It reads the bucket with nothing of the product's but its keys, so that a fault there cannot hide itself.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from bucket_double import Bucket, Write

MODEL, CHANNEL = "churn", "production"
FILES, RELEASES = f"models/{MODEL}/files/", f"models/{MODEL}/releases/"
YANKED = f"models/{MODEL}/yanked/"
LOG, HEAD = f"models/{MODEL}/channels/{CHANNEL}/log/", f"models/{MODEL}/channels/{CHANNEL}/HEAD"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def version_of(key: str, prefix: str) -> str:
    return key.removeprefix(prefix).removesuffix(".json")


@dataclass
class Ledger:
    """The registry as an observer sees it who misses nothing.

    `dead` holds the write ids of which a client was told that they did not land; none of them may ever be seen.
    """

    bucket: Bucket
    entries: list[dict[str, Any]] = field(default_factory=list)
    entry_digests: list[str] = field(default_factory=list)
    manifests: dict[str, dict[str, Any]] = field(default_factory=dict)
    tombstones: dict[str, dict[str, Any]] = field(default_factory=dict)
    write_ids: set[str] = field(default_factory=set)
    dead: set[str] = field(default_factory=set)
    broken: bool = False
    """Whether a promise was found broken; what comes after that means nothing."""
    _held: dict[str, bytes] = field(default_factory=dict)
    _read: int = 0

    def catch_up(self) -> None:
        """Hold every write that landed since the last call against the promises; raise `AssertionError`."""
        try:
            self._catch_up()
        except AssertionError:
            self.broken = True
            raise

    def _catch_up(self) -> None:
        for write in self.bucket.journal[self._read :]:
            self._check(write)
            self._held[write.key] = write.data
        self._read = len(self.bucket.journal)
        assert self._held == self.bucket.objects
        assert not self.dead & self.write_ids, "what was acknowledged as failed is visible"

    def last_between(self, first: int, digest: str) -> bool:
        """Whether the entry with this digest was the last one at some moment since the log had `first` entries."""
        return digest in self.entry_digests[max(first - 1, 0) :]

    def _check(self, write: Write) -> None:
        key, data = write.key, write.data
        if key.startswith(FILES):
            assert key.removeprefix(FILES).partition("/")[0] == sha256(data), f"{key} holds other bytes"
            return
        if key == HEAD:
            assert 1 <= json.loads(data)["sequence"] <= len(self.entries), "HEAD leads beyond the log"
            return
        assert key not in self._held, f"{key} was written twice"
        said = json.loads(data)["signed"]
        assert said["write_id"] not in self.write_ids, "a write id was used twice"
        self.write_ids.add(said["write_id"])
        if key.startswith(RELEASES):
            self.manifests[version_of(key, RELEASES)] = said
            self._check_files(said)
        elif key.startswith(LOG):
            self._check_entry(key, data, said)
        else:
            assert key.startswith(YANKED), f"{key} is no key of the protocol"
            assert version_of(key, YANKED) in self.manifests, "what was never released is yanked"
            self.tombstones[version_of(key, YANKED)] = said

    def _check_files(self, manifest: dict[str, Any]) -> None:
        for file in manifest["content"]["files"]:
            held = self._held.get(f"{FILES}{file['sha256']}/{file['name']}")
            assert held is not None, f"{manifest['version']} is visible without its file {file['name']}"
            assert len(held) == file["size"]

    def _check_entry(self, key: str, data: bytes, said: dict[str, Any]) -> None:
        sequence = len(self.entries) + 1
        assert key == f"{LOG}{sequence:012d}.json", f"{key} leaves a gap after {len(self.entries)}"
        assert said["sequence"] == sequence
        before = self.entry_digests[-1] if self.entry_digests else None
        assert said.get("previous") == before, f"entry {sequence} is not linked to the one before"
        promoted = self._held.get(f"{RELEASES}{said['version']}.json")
        assert promoted is not None, f"entry {sequence} names a release that is not there"
        assert said["manifest_digest"] == sha256(promoted)
        self.entries.append(said)
        self.entry_digests.append(sha256(data))


@dataclass(frozen=True)
class Moment:
    """How far the registry had come at one moment."""

    entries: int
    manifests: frozenset[str]
    tombstones: frozenset[str]
    contracts: frozenset[str]

    @staticmethod
    def of(ledger: Ledger) -> Moment:
        contracts = frozenset(manifest["content"]["contract_digest"] for manifest in ledger.manifests.values())
        return Moment(len(ledger.entries), frozenset(ledger.manifests), frozenset(ledger.tombstones), contracts)
