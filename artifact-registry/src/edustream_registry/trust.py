"""Whom a reader trusts: its own file, never anything that comes with a release."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from edustream_contracts.errors import InvalidInput
from edustream_contracts.schemas import object_validator
from edustream_registry.signing import ALGORITHM, PublicKey, VerifiedStatement, verify_statement

TRUST_FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class TrustPolicy:
    """The trusted keys, how many of them must sign, and how old a channel's last entry may be (None: any age)."""

    keys: tuple[PublicKey, ...]
    threshold: int = 1
    max_entry_age_s: float | None = None

    def verify(self, data: bytes, what: str) -> VerifiedStatement:
        """The statement in `data`; raises `Rejected` where it is not signed as this policy demands."""
        return verify_statement(data, self.keys, self.threshold, what)

    def to_json(self) -> bytes:
        """The trust file that `read_trust` reads back as an equal policy."""
        keys = [
            {"algorithm": ALGORITHM, "key_id": key.key_id, "public_key": key.pem}
            for key in sorted(self.keys, key=lambda key: key.key_id)
        ]
        document: dict[str, Any] = {"trust_format": TRUST_FORMAT, "threshold": self.threshold, "keys": keys}
        if self.max_entry_age_s is not None:
            document["max_entry_age_s"] = self.max_entry_age_s
        return json.dumps(document, indent=2).encode() + b"\n"


def parse_trust(data: bytes, where: str) -> TrustPolicy:
    """Read a trust file's bytes. Raises `InvalidInput` (kind `configuration`) with every problem in it."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(
            "configuration", f"The trust file {where} is no JSON: {error}.", remedy="restore it, or run init again."
        ) from error
    problems = object_validator("trust").problems(document)
    if problems:
        raise InvalidInput(
            "configuration",
            f"The trust file {where} is not valid.",
            remedy="correct it; contracts/schemas/trust.schema.json says what it holds.",
            problems=problems,
        )
    keys = tuple(PublicKey.from_pem(key["public_key"]) for key in document["keys"])
    wrong = [key["key_id"] for key, read in zip(document["keys"], keys, strict=True) if key["key_id"] != read.key_id]
    if wrong or len({key.key_id for key in keys}) < document["threshold"]:
        raise InvalidInput(
            "configuration",
            f"The trust file {where} contradicts itself: "
            + (f"the key id {wrong[0]} is not its key's." if wrong else "its threshold is above its number of keys."),
            remedy="correct the file; a key's id is the SHA-256 of its DER SubjectPublicKeyInfo.",
        )
    return TrustPolicy(keys, document["threshold"], document.get("max_entry_age_s"))


def read_trust(path: Path) -> TrustPolicy:
    """Read the trust file at `path`. Raises `InvalidInput` (kind `configuration`)."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InvalidInput(
            "configuration",
            f"The trust file {path} cannot be read: {error.strerror}.",
            remedy="run edustream-registry init, or set EDUSTREAM_TRUST_FILE to the file that names the trusted keys.",
        ) from error
    return parse_trust(data, str(path))
