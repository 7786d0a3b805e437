from __future__ import annotations

import hmac
import json
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest
from edustream_contracts.errors import InvalidInput

from edustream_api.access import keys as api_keys
from edustream_api.access.keys import KeyRing, new_key, new_secret, ring_from_json
from edustream_api.access.quota import Quota

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


def entry(**changes: Any) -> dict[str, Any]:
    return {"id": "0a", "name": "shop", "sha256": "0" * 64, "created_at": "2026-01-31T12:00:00+00:00", **changes}


def file_of(*entries: Any) -> bytes:
    return json.dumps({"format": 1, "keys": entries}).encode()


def test_survives_the_file() -> None:
    full = new_key(
        "a", "shop", NOW, expires_at=NOW + timedelta(days=1), quota=Quota(5, 60), models=["churn", "housing"]
    )
    ring = KeyRing((full, new_key("b", "lab", NOW)))
    assert ring_from_json(ring.to_json()) == ring


def test_the_file_holds_no_key() -> None:
    secret = new_secret()
    data = KeyRing((new_key(secret, "shop", NOW),)).to_json().decode()
    assert secret not in data
    assert sha256(secret.encode()).hexdigest() in data


def test_secrets_are_long_and_differ() -> None:
    secrets = {new_secret() for _ in range(50)}
    assert len(secrets) == 50
    # 32 bytes are 43 characters of base64.
    assert {len(secret) for secret in secrets} == {len("edk_") + 43}


def test_finds_the_key_and_no_other() -> None:
    secrets = [new_secret() for _ in range(3)]
    ring = KeyRing(tuple(new_key(secret, f"key-{index}", NOW) for index, secret in enumerate(secrets)))
    for index, secret in enumerate(secrets):
        found = ring.find(secret.encode())
        assert found is not None
        assert found.name == f"key-{index}"
    for other in (b"", secrets[0][:-1].encode(), secrets[0].encode() + b"x", ring.keys[0].digest, b"\xff"):
        assert ring.find(other) is None
    assert KeyRing().find(secrets[0].encode()) is None


def test_compares_every_digest_whichever_key_is_presented(monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = [new_secret() for _ in range(4)]
    ring = KeyRing(tuple(new_key(secret, "shop", NOW) for secret in secrets))
    compared: list[bytes] = []

    def watched(held: bytes, presented: bytes) -> bool:
        compared.append(held)
        return hmac.compare_digest(held, presented)

    class Watched:
        compare_digest = staticmethod(watched)

    monkeypatch.setattr(api_keys, "hmac", Watched)
    for presented in (*secrets, "unknown"):
        compared.clear()
        ring.find(presented.encode())
        assert compared == [key.digest for key in ring.keys]


def test_expires() -> None:
    assert not new_key("a", "shop", NOW).expired(NOW + timedelta(days=36525))
    key = new_key("a", "shop", NOW, expires_at=NOW)
    assert key.expired(NOW)
    assert not key.expired(NOW - timedelta(microseconds=1))


@pytest.mark.parametrize(
    ("models", "model", "may"),
    [
        ((), "churn", True),
        ((), None, True),
        (("churn",), "churn", True),
        (("churn",), "housing", False),
        (("churn",), None, True),
    ],
)
def test_is_good_for_its_models(models: tuple[str, ...], model: str | None, may: bool) -> None:
    assert new_key("a", "shop", NOW, models=models).may_ask(model) is may


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{}", b'{"format": 2, "keys": []}', b'{"format": 1, "keys": {}}', b'{"format": 1,', b"\xff"]
)
def test_refuses_what_is_no_key_file(data: bytes) -> None:
    with pytest.raises(InvalidInput):
        ring_from_json(data)


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"id": ""}, "/keys/1/id"),
        ({"name": "Web Shop"}, "/keys/1/name"),
        ({"sha256": "0" * 63}, "/keys/1/sha256"),
        ({"sha256": "A" * 64}, "/keys/1/sha256"),
        ({"created_at": "2026-01-31T12:00:00"}, "/keys/1/created_at"),
        ({"created_at": 7}, "/keys/1/created_at"),
        ({"expires_at": "soon"}, "/keys/1/expires_at"),
        ({"limit": "many"}, "/keys/1/limit"),
        ({"limit": 100}, "/keys/1/limit"),
        ({"models": "churn"}, "/keys/1/models"),
        ({"models": ["No Name"]}, "/keys/1/models"),
        ({"key": "edk_secret"}, "/keys/1"),
        ({}, "/keys"),
    ],
)
def test_names_what_is_wrong_in_the_file_and_repeats_no_value(changes: dict[str, Any], pointer: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        ring_from_json(file_of(entry(), entry(**{"id": "0b", "sha256": "1" * 64, **changes} if changes else {})))
    assert pointer in [problem.pointer for problem in caught.value.problems]
    assert "edk_secret" not in str(caught.value)
