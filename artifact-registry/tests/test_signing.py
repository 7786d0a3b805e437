from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from hypothesis import given
from hypothesis import strategies as st

from edustream_contracts.canonical import canonical_json, sha256_hex
from edustream_contracts.errors import InvalidInput, Rejected
from edustream_registry.signing import ALGORITHM, ORDER, PublicKey, Signer, verify_statement

SIGNER = Signer.generate()
OTHER = Signer.generate()
STATEMENT = {"type": "note", "text": "ñ", "number": 1}
SIGNED = SIGNER.sign(STATEMENT)


def refusal(data: bytes, *keys: PublicKey, threshold: int = 1) -> Rejected:
    with pytest.raises(Rejected) as caught:
        verify_statement(data, keys or (SIGNER.public,), threshold, "the note")
    return caught.value


def envelope() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(SIGNED)
    return document


def test_what_was_signed_is_read_back() -> None:
    verified = verify_statement(SIGNED, [OTHER.public, SIGNER.public], 1, "the note")

    assert verified.payload == STATEMENT
    assert verified.data == SIGNED
    assert verified.digest == sha256_hex(SIGNED)
    assert verified.key_ids == (SIGNER.public.key_id,)


def test_signing_twice_gives_the_same_bytes() -> None:
    assert SIGNER.sign(dict(reversed(STATEMENT.items()))) == SIGNED


@given(st.dictionaries(st.text("abc", max_size=3), st.integers(-9, 9), max_size=3))
def test_every_signature_has_its_s_in_the_lower_half(statement: dict[str, int]) -> None:
    signature = bytes.fromhex(json.loads(SIGNER.sign(statement))["signatures"][0]["signature"])

    assert int.from_bytes(signature[32:]) <= ORDER // 2


@pytest.mark.parametrize("change", [0x01, 0x20, 0x80, 0xFF], ids=hex)
def test_no_byte_can_be_changed(change: int) -> None:
    for position in range(len(SIGNED)):
        damaged = bytearray(SIGNED)
        damaged[position] ^= change
        assert refusal(bytes(damaged)).kind in {"malformed", "signature"}


def test_no_byte_can_be_left_out_or_added() -> None:
    for position in range(len(SIGNED)):
        assert refusal(SIGNED[:position]).kind == "malformed"
    assert refusal(SIGNED + b"\n").kind == "malformed"
    assert refusal(b" " + SIGNED).kind == "malformed"


def test_a_strangers_key_is_refused_and_named() -> None:
    error = refusal(SIGNED, OTHER.public)

    assert error.kind == "signature"
    assert SIGNER.public.key_id[:12] in str(error)
    assert OTHER.public.key_id[:12] in str(error)
    assert "trust file" in error.remedy


def test_a_strangers_signature_under_a_trusted_keys_name_is_refused() -> None:
    forged = json.loads(OTHER.sign(STATEMENT))
    forged["signatures"][0]["key_id"] = SIGNER.public.key_id

    assert refusal(canonical_json(forged)).kind == "signature"


def test_the_high_s_twin_of_a_signature_is_refused() -> None:
    document = envelope()
    raw = bytes.fromhex(document["signatures"][0]["signature"])
    twin = raw[:32] + (ORDER - int.from_bytes(raw[32:])).to_bytes(32)
    document["signatures"][0]["signature"] = twin.hex()

    assert refusal(canonical_json(document)).kind == "signature"


@pytest.mark.parametrize(
    "signature", ["", "00" * 64, "ff" * 64, "zz" * 64, "00" * 63, "AB" * 64, " 0" * 64, "\u0660" * 128], ids=range(8)
)
def test_strange_signatures_are_refused(signature: str) -> None:
    document = envelope()
    document["signatures"][0]["signature"] = signature

    assert refusal(canonical_json(document)).kind == "signature"


def test_a_threshold_counts_different_keys() -> None:
    both = envelope()
    both["signatures"] += json.loads(OTHER.sign(STATEMENT))["signatures"]
    twice = envelope()
    twice["signatures"] *= 2
    keys = [SIGNER.public, OTHER.public]

    assert verify_statement(canonical_json(both), keys, 2, "the note").key_ids == tuple(
        sorted(key.key_id for key in keys)
    )
    assert refusal(canonical_json(twice), *keys, threshold=2).kind == "signature"
    assert refusal(SIGNED, *keys, threshold=2).kind == "signature"


def test_no_signature_is_not_enough() -> None:
    unsigned = canonical_json({"signed": STATEMENT, "signatures": []})

    assert "signed by: nobody" in str(refusal(unsigned))


@pytest.mark.parametrize(
    ("data", "how"),
    [
        (b"", "is no JSON document"),
        (b"\xff\xfe", "is no JSON document"),
        (b"[" * 50_000, "is no JSON document"),
        (b'{"a":NaN}', "is no JSON document"),
        (b'{"a":"\\ud800"}', "is no JSON document"),
        (b'{"a": 1}', "is not in canonical form"),
        (b'{"a":1,"a":1}', "is not in canonical form"),
        (b"[]", "is no signed statement"),
        (b"{}", "is no signed statement"),
        (b'{"signatures":[],"signed":[]}', "is no signed statement"),
        (b'{"signatures":{},"signed":{}}', "is no signed statement"),
        (b'{"signatures":[],"signed":{},"x":1}', "is no signed statement"),
        (b'{"signatures":[1],"signed":{}}', "has a signature of unknown form"),
        (b'{"signatures":[{"key_id":"a","signature":"b"}],"signed":{}}', "has a signature of unknown form"),
        (b'{"signatures":[{"algorithm":"none","key_id":"a","signature":"b"}],"signed":{}}', "of unknown form"),
        (
            f'{{"signatures":[{{"algorithm":"{ALGORITHM}","key_id":1,"signature":"b"}}],"signed":{{}}}}'.encode(),
            "of unknown form",
        ),
    ],
)
def test_malformed_envelopes(data: bytes, how: str) -> None:
    error = refusal(data)

    assert error.kind == "malformed"
    assert how in error.fact
    assert error.fact.startswith("the note")


def test_keys_round_trip() -> None:
    assert Signer.from_pem(SIGNER.pem).public.key_id == SIGNER.public.key_id
    assert PublicKey.from_pem(SIGNER.public.pem).key_id == SIGNER.public.key_id
    assert Signer.from_pem(SIGNER.pem).sign(STATEMENT) == SIGNED


def private_pem(key: Any) -> bytes:
    pem: bytes = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return pem


@pytest.mark.parametrize(
    ("pem", "fact"),
    [
        (b"", "no unencrypted PEM"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "no unencrypted PEM"),
        (private_pem(ed25519.Ed25519PrivateKey.generate()), "not on an elliptic curve"),
        (private_pem(ec.generate_private_key(ec.SECP384R1())), "not on the curve P-256"),
        (
            ec.generate_private_key(ec.SECP256R1()).private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.BestAvailableEncryption(b"password"),
            ),
            "no unencrypted PEM",
        ),
    ],
    ids=["empty", "garbage", "Ed25519", "P-384", "encrypted"],
)
def test_unusable_private_keys(pem: bytes, fact: str) -> None:
    with pytest.raises(InvalidInput, match=fact) as caught:
        Signer.from_pem(pem)

    assert caught.value.kind == "configuration"


@pytest.mark.parametrize("pem", ["", "no key"])
def test_unusable_public_keys(pem: str) -> None:
    with pytest.raises(InvalidInput, match="no PEM public key"):
        PublicKey.from_pem(pem)
