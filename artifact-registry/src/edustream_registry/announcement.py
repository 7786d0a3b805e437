"""The object by which a bucket announces itself as a registry, and the limit of what is read without a signature."""

from __future__ import annotations

import json
from typing import Final

from edustream_contracts.errors import Rejected, Unreachable
from edustream_contracts.schemas import object_validator
from edustream_registry import layout
from edustream_registry.statement import PROTOCOL
from edustream_registry.store import ObjectMissing, Store

MAX_HINT_BYTES: Final = 1024


def require_registry(store: Store) -> None:
    """Raise unless `registry.json` is there and speaks this version of the protocol.

    Raises `Unreachable` (kind `not_a_registry`), `Rejected` (kind `protocol_version`).
    """
    try:
        document = json.loads(store.get(layout.REGISTRY, MAX_HINT_BYTES))
    except ObjectMissing as error:
        raise Unreachable(
            "not_a_registry",
            f"{store.location} answers, but holds no {layout.REGISTRY}.",
            remedy="check REGISTRY_URL, or prepare the bucket with edustream-registry init.",
        ) from error
    except (ValueError, RecursionError):
        document = None
    if not object_validator("registry").is_valid(document) or document["protocol"] != PROTOCOL:
        raise Rejected(
            "protocol_version",
            f"{layout.REGISTRY} in {store.location} does not announce version {PROTOCOL} of the protocol.",
            remedy="use a client of the registry's version.",
        )
