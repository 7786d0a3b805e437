"""Whom a reader trusts: its own file, never anything that comes with a release."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from edustream_contracts.errors import InvalidInput, Rejected
from edustream_contracts.schemas import object_validator
from edustream_registry.signing import ALGORITHM, PublicKey, verify_statement
from edustream_registry.verified_statement import VerifiedStatement

TRUST_FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class TrustPolicy:
    """The trusted keys, how many of them must sign, and how old a channel's last entry may be (None: any age).

    `consumers` holds, by consumer, the keys that may sign statements of this consumer's needs, and nothing else.
    """

    keys: tuple[PublicKey, ...]
    threshold: int = 1
    max_entry_age_s: float | None = None
    consumers: Mapping[str, tuple[PublicKey, ...]] = field(default_factory=dict)

    def verify(self, data: bytes, what: str) -> VerifiedStatement:
        """The statement in `data`; raises `Rejected` where it is not signed as this policy demands."""
        return verify_statement(data, self.keys, self.threshold, what)

    def verify_needs(self, consumer: str, data: bytes, what: str) -> VerifiedStatement:
        """The statement in `data`; raises `Rejected` where no key that speaks for `consumer` signed it."""
        try:
            return verify_statement(data, self.consumers.get(consumer, ()), 1, what)
        except Rejected as error:
            if error.kind != "signature":
                raise
            raise Rejected(
                "signature",
                error.fact,
                remedy=f"if you know that the key is {consumer}'s: edustream-registry keys trust FILE.public.pem "
                f"--consumer {consumer}. Else ask the administrator to delete the object.",
            ) from error

    def to_json(self) -> bytes:
        """The trust file that `read_trust` reads back as an equal policy."""
        document: dict[str, Any] = {
            "trust_format": TRUST_FORMAT,
            "threshold": self.threshold,
            "keys": _documents(self.keys),
        }
        if self.max_entry_age_s is not None:
            document["max_entry_age_s"] = self.max_entry_age_s
        if self.consumers:
            document["consumers"] = {name: _documents(keys) for name, keys in sorted(self.consumers.items())}
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
    keys = _keys(document["keys"], where)
    consumers = {name: _keys(rows, where) for name, rows in document.get("consumers", {}).items()}
    if len({key.key_id for key in keys}) < document["threshold"]:
        raise _contradiction(where, "its threshold is above its number of keys")
    policy = TrustPolicy(keys, document["threshold"], document.get("max_entry_age_s"), consumers)
    check_apart(policy, where)
    return policy


def check_apart(policy: TrustPolicy, where: str) -> None:
    """Raise `InvalidInput` (kind `configuration`) where a key that speaks for a consumer could also sign releases."""
    releasing = {key.key_id for key in policy.keys}
    for name, keys in policy.consumers.items():
        for key in keys:
            if key.key_id in releasing:
                raise _contradiction(where, f"the key {key.key_id[:12]} of the consumer {name} may also sign releases")


def _documents(keys: Sequence[PublicKey]) -> list[dict[str, str]]:
    ordered = sorted(keys, key=lambda key: key.key_id)
    return [{"algorithm": ALGORITHM, "key_id": key.key_id, "public_key": key.pem} for key in ordered]


def _keys(rows: Sequence[Mapping[str, str]], where: str) -> tuple[PublicKey, ...]:
    keys = tuple(PublicKey.from_pem(row["public_key"]) for row in rows)
    for row, key in zip(rows, keys, strict=True):
        if row["key_id"] != key.key_id:
            raise _contradiction(where, f"the key id {row['key_id']} is not its key's")
    return keys


def _contradiction(where: str, how: str) -> InvalidInput:
    return InvalidInput(
        "configuration",
        f"The trust file {where} contradicts itself: {how}.",
        remedy="correct the file: a key's id is the SHA-256 of its DER SubjectPublicKeyInfo, and each party has keys "
        "of its own.",
    )


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
