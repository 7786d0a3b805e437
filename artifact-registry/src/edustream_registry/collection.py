"""The rules by which publishers and the collector of orphans keep out of each other's way (PROTOCOL.md, 6.13).

All ages are the store's own. The collector deletes no file younger than its grace period, and announces itself by a
notice first. A publisher makes its files young, then looks for notices, then looks whether the files are still there.
"""

from __future__ import annotations

from typing import Final

from edustream_registry import layout
from edustream_registry.store import ObjectMissing, Store

MIN_GRACE_S: Final = 3600.0
"""No collector may be told to spare orphans for less than this."""
REFRESH_AFTER_S: Final = MIN_GRACE_S / 2
"""A publisher writes a file anew when it is older than this."""
DELETING_S: Final = 600.0
"""A collector sends no delete later than this after its notice."""
NOTICE_S: Final = 900.0
"""A notice older than this is dead: whatever its collector sent has been carried out, or never will be."""


def live_notices(store: Store, model: str) -> list[str]:
    """Keys of the notices of collectors that may still be deleting files of `model`."""
    return [key for key, age_s in notices(store, model) if age_s <= NOTICE_S]


def notices(store: Store, model: str) -> list[tuple[str, float]]:
    """Keys and ages in seconds of all notices of a model."""
    found = []
    for info in store.list(layout.notices_prefix(model)):
        try:
            found.append((info.key, store.age_s(info.key)))
        except ObjectMissing:
            continue
    return found
