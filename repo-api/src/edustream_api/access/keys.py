"""API keys as a consumer knows them: a digest of each, whose it is, what it may do and until when."""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

import orjson
from edustream_contracts.errors import InvalidInput, Problem
from edustream_registry.names import is_name

from edustream_api.access.quota import EXPECTED, Quota

FORMAT: Final = 1
PREFIX: Final = "edk_"
"""What every key begins with, so that scanners find one that was committed or posted."""
SECRET_BYTES: Final = 32
ID_BYTES: Final = 4
DIGEST_FORM: Final = re.compile(r"[0-9a-f]{64}")
MEMBERS: Final = frozenset({"id", "name", "sha256", "created_at", "expires_at", "limit", "models"})
REQUIRED: Final = frozenset({"id", "name", "sha256", "created_at"})


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One key; `digest` is the SHA-256 of it, 32 bytes.

    A key holds 256 random bits, so nobody can go through all of them: a slow hash such as bcrypt, which makes guessing
    a person's password dear, would protect nothing here and cost every request milliseconds.
    Without a `quota` the consumer's own counts; without `models` it may ask all of them.
    """

    id: str
    name: str
    digest: bytes
    created_at: datetime
    expires_at: datetime | None = None
    quota: Quota | None = None
    models: tuple[str, ...] = ()

    def expired(self, now: datetime) -> bool:
        """Whether it counts no longer."""
        return self.expires_at is not None and now >= self.expires_at

    def may_ask(self, model: str | None) -> bool:
        """Whether it is good for what is about `model`; None is what is about none."""
        return model is None or not self.models or model in self.models


@dataclass(frozen=True, slots=True)
class KeyRing:
    """All keys that are admitted; with none of them, nobody is."""

    keys: tuple[ApiKey, ...] = ()

    def find(self, presented: bytes) -> ApiKey | None:
        """The key that was presented, if it is one of these.

        Every digest is compared, each in constant time: how long it takes tells neither whether a key exists nor which.
        """
        digest = sha256(presented).digest()
        found = None
        for key in self.keys:
            if hmac.compare_digest(key.digest, digest):
                found = key
        return found

    def to_json(self) -> bytes:
        """The key file's bytes; `ring_from_json` reads them back."""
        document = {"format": FORMAT, "keys": [_document(key) for key in self.keys]}
        return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def new_secret() -> str:
    """A new key, as its holder sends it: 256 random bits."""
    return PREFIX + secrets.token_urlsafe(SECRET_BYTES)


def new_key(
    secret: str,
    name: str,
    now: datetime,
    *,
    expires_at: datetime | None = None,
    quota: Quota | None = None,
    models: Sequence[str] = (),
) -> ApiKey:
    """What is kept of `secret`."""
    digest = sha256(secret.encode()).digest()
    return ApiKey(secrets.token_hex(ID_BYTES), name, digest, now, expires_at, quota, tuple(models))


def ring_from_json(data: bytes) -> KeyRing:
    """Read a key file. Raises `InvalidInput` (kind `configuration`) that names everything that is wrong in it."""
    problems: list[Problem] = []
    keys: list[ApiKey] = []
    try:
        document = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise _broken([Problem("", f"is not JSON: {error.msg} in line {error.lineno}")]) from error
    if not isinstance(document, dict) or document.get("format") != FORMAT or not isinstance(document.get("keys"), list):
        raise _broken([Problem("", f'expected: an object of "format": {FORMAT} and a list "keys"')])
    for index, entry in enumerate(document["keys"]):
        found = _key(entry, f"/keys/{index}", problems)
        if found is not None:
            keys.append(found)
    for attribute in ("id", "digest"):
        if len({getattr(key, attribute) for key in keys}) < len(keys):
            problems.append(Problem("/keys", f"two of them have one {'id' if attribute == 'id' else 'sha256'}"))
    if problems:
        raise _broken(problems)
    return KeyRing(tuple(keys))


def _key(entry: object, pointer: str, problems: list[Problem]) -> ApiKey | None:
    if not isinstance(entry, dict) or not entry.keys() >= REQUIRED or not entry.keys() <= MEMBERS:
        # Values are not repeated: somebody could have written a key where its digest belongs.
        problems.append(Problem(pointer, f"expected: an object of {', '.join(sorted(REQUIRED))} and, where needed, "
                                         f"{', '.join(sorted(MEMBERS - REQUIRED))}"))  # fmt: skip
        return None
    read: dict[str, Any] = {}
    rules = (
        ("id", "a text", _text),
        ("name", "a name of lower-case letters, digits and hyphens", _name),
        ("sha256", "64 hexadecimal digits, the SHA-256 of the key", _digest),
        ("created_at", "a time with its offset, e.g. 2026-01-31T12:00:00+00:00", _time),
        ("expires_at", "a time with its offset, e.g. 2026-01-31T12:00:00+00:00, or null", _optional(_time)),
        ("limit", f"{EXPECTED}, or null", _optional(Quota.parse)),
        ("models", "a list of names of models", _models),
    )
    for member, expected, rule in rules:
        try:
            read[member] = rule(entry.get(member))
        except (TypeError, ValueError):
            problems.append(Problem(f"{pointer}/{member}", f"expected: {expected}"))
    if len(read) < len(rules):
        return None
    return ApiKey(
        read["id"],
        read["name"],
        read["sha256"],
        read["created_at"],
        read["expires_at"],
        read["limit"],
        read["models"],
    )


def _document(key: ApiKey) -> dict[str, Any]:
    document: dict[str, Any] = {
        "id": key.id,
        "name": key.name,
        "sha256": key.digest.hex(),
        "created_at": key.created_at.isoformat(),
    }
    if key.expires_at is not None:
        document["expires_at"] = key.expires_at.isoformat()
    if key.quota is not None:
        document["limit"] = str(key.quota)
    if key.models:
        document["models"] = list(key.models)
    return document


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError
    return value


def _name(value: Any) -> str:
    if not isinstance(value, str) or not is_name(value):
        raise ValueError
    return value


def _digest(value: Any) -> bytes:
    if not isinstance(value, str) or not DIGEST_FORM.fullmatch(value):
        raise ValueError
    return bytes.fromhex(value)


def _time(value: Any) -> datetime:
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise ValueError
    return moment


def _models(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(name, str) and is_name(name) for name in value):
        raise ValueError
    return tuple(value)


def _optional(rule: Any) -> Any:
    return lambda value: None if value is None else rule(value)


def _broken(problems: Sequence[Problem]) -> InvalidInput:
    return InvalidInput(
        "configuration",
        "The file of API keys cannot be used.",
        remedy="correct it, or move it away and write it anew with `serve_consume.py keys add NAME`.",
        problems=problems,
    )
