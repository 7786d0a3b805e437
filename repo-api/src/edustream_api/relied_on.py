"""Which statements of its needs a consumer relies on, remembered on its own disk, so that a restart forgets none."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from pathlib import Path
from typing import Final

from edustream_contracts.errors import InvalidInput
from edustream_registry.durable_files import read_bounded, write_whole
from edustream_registry.local_copy import state_name
from edustream_registry.names import Reference

MAX_BYTES: Final = 64 * 1024
ID: Final = re.compile(r"[0-9a-f]{32}")


class ReliedOn:
    """The ids of the statements that one consumer relies on for one reference, in one file below `directory`."""

    def __init__(self, directory: Path, consumer: str, reference: Reference) -> None:
        self._path = directory / "needs" / consumer / state_name(reference)

    def read(self) -> frozenset[str]:
        """What was kept last; nothing where there is no such file, or one that is damaged."""
        try:
            data = read_bounded(self._path, MAX_BYTES)
            ids = json.loads(data) if len(data) <= MAX_BYTES else None
        except (OSError, ValueError, RecursionError):
            return frozenset()
        if not isinstance(ids, list) or not all(isinstance(one, str) and ID.fullmatch(one) for one in ids):
            return frozenset()
        return frozenset(ids)

    def keep(self, ids: Collection[str]) -> None:
        """Remember `ids` in place of what was kept. Raises `InvalidInput` (kind `configuration`) where no disk can."""
        try:
            write_whole(self._path, json.dumps(sorted(ids)).encode())
        except OSError as error:
            raise InvalidInput(
                "configuration",
                f"What is stated of needs cannot be remembered: {error}.",
                remedy="give --cache-dir (EDUSTREAM_CACHE_DIR) a directory that this process may write and that has "
                "room.",
            ) from error
