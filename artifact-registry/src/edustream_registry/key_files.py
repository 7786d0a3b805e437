"""Reads the private keys that a user signs with."""

from __future__ import annotations

from pathlib import Path

from edustream_contracts.errors import InvalidInput
from edustream_registry.signing import Signer


def read_signer(path: Path) -> Signer:
    """The signing key in a file. Raises `InvalidInput` (kind `configuration`)."""
    try:
        pem = path.read_bytes()
    except OSError as error:
        raise InvalidInput(
            "configuration",
            f"The signing key {path} cannot be read: {error.strerror}.",
            remedy="correct EDUSTREAM_SIGNING_KEY_FILE, or run edustream-registry init.",
        ) from error
    return Signer.from_pem(pem)
