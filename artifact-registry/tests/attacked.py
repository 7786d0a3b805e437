"""The statements that an attacker on the bucket goes for."""

from __future__ import annotations

import json
from typing import Any

from edustream_registry import layout
from edustream_registry.names import Reference
from edustream_registry.signing import Signer
from edustream_registry.testing.simulator import RegistrySimulator

PRODUCTION = Reference.parse("churn@production")
HEAD = layout.head_key("churn", "production")


def entry_key(sequence: int) -> str:
    return layout.entry_key("churn", "production", sequence)


def resigned(registry: RegistrySimulator, key: str, signer: Signer, **changes: Any) -> bytes:
    """The statement under `key` with changes, signed with `signer`."""
    return signer.sign(json.loads(registry.memory.objects[key])["signed"] | changes)
