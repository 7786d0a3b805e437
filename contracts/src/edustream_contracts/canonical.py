"""Canonical JSON (RFC 8785) and digests, so that equal documents have equal bytes everywhere."""

from __future__ import annotations

import hashlib
from typing import Any, cast

import rfc8785

from edustream_contracts.errors import Rejected


def canonical_json(document: Any) -> bytes:
    """The RFC 8785 bytes of a JSON document.

    Raises `Rejected` (kind `malformed`) for what JSON Canonicalization cannot express: NaN, infinities,
    integers beyond 2**53 - 1, keys that are no strings, text with lone surrogates.
    """
    try:
        return rfc8785.dumps(cast(Any, document))
    except (rfc8785.CanonicalizationError, UnicodeError) as error:
        raise Rejected(
            "malformed",
            f"The document has no canonical form: {error}.",
            remedy="keep numbers finite, integers within 2**53 - 1, keys strings, and text Unicode.",
        ) from error


def sha256_hex(data: bytes) -> str:
    """The SHA-256 of `data` as 64 lower-case hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def document_digest(document: Any) -> str:
    """The SHA-256 of a JSON document's canonical bytes: independent of spacing and key order."""
    return sha256_hex(canonical_json(document))
