"""Signed statements: `{"signed": {...}, "signatures": [...]}`, ECDSA P-256 with SHA-256 over RFC 8785 bytes.

Signatures are the 64 bytes r || s in hexadecimal, with s in the lower half of the group order, so that one
statement has one encoding. Nonces are deterministic (RFC 6979): signing twice gives the same bytes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from edustream_contracts.canonical import canonical_json, sha256_hex
from edustream_contracts.errors import InvalidInput, Rejected
from edustream_registry.verified_statement import VerifiedStatement, malformed

ALGORITHM: Final = "ecdsa-p256-sha256"
# Order of the P-256 group (FIPS 186-4, D.1.2.3).
ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
MAX_EXPLAINED_BYTES: Final = 64 * 1024
MAX_CLAIMS: Final = 8
_SCALAR_BYTES: Final = 32
_STRING: Final = rb'"[^"\\\x00-\x1f]*"'
_ENTRY: Final = rb'\{"algorithm":%s,"key_id":%s,"signature":%s\}' % (_STRING, _STRING, _STRING)
_ENVELOPE: Final = re.compile(
    rb'\{"signatures":\[(?P<signatures>%s(,%s)*)?\],"signed":(?P<signed>\{.*\})\}' % (_ENTRY, _ENTRY), re.DOTALL
)
_SCHEME: Final = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
_VERIFY_SCHEME: Final = ec.ECDSA(hashes.SHA256())


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A P-256 public key; `key_id` is the SHA-256 of its DER SubjectPublicKeyInfo, in hexadecimal."""

    key_id: str
    _key: ec.EllipticCurvePublicKey

    @staticmethod
    def from_pem(pem: str) -> PublicKey:
        """Read a PEM SubjectPublicKeyInfo. Raises `InvalidInput` (kind `configuration`) for anything else."""
        try:
            key = serialization.load_pem_public_key(pem.encode())
        except (ValueError, UnsupportedAlgorithm) as error:
            raise _not_a_key("The text is no PEM public key.") from error
        return PublicKey._checked(key)

    @staticmethod
    def _checked(key: Any) -> PublicKey:
        if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
            raise _not_a_key("The key is not on the curve P-256.")
        return PublicKey(sha256_hex(_spki(key, serialization.Encoding.DER)), key)

    @property
    def pem(self) -> str:
        """The key as a PEM SubjectPublicKeyInfo."""
        return _spki(self._key, serialization.Encoding.PEM).decode()

    def verifies(self, signature: str, message: bytes) -> bool:
        """Whether `signature` (128 hexadecimal digits) over `message` was made with this key."""
        try:
            raw = bytes.fromhex(signature)
        except ValueError:
            return False
        if len(raw) != 2 * _SCALAR_BYTES or raw.hex() != signature:
            return False
        r, s = int.from_bytes(raw[:_SCALAR_BYTES]), int.from_bytes(raw[_SCALAR_BYTES:])
        if s > ORDER // 2:
            return False
        try:
            self._key.verify(encode_dss_signature(r, s), message, _VERIFY_SCHEME)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class Signer:
    """A P-256 private key that signs statements."""

    public: PublicKey
    _key: ec.EllipticCurvePrivateKey

    @staticmethod
    def generate() -> Signer:
        """A new key from the operating system's randomness."""
        return Signer._of(ec.generate_private_key(ec.SECP256R1()))

    @staticmethod
    def from_pem(pem: bytes) -> Signer:
        """Read an unencrypted PEM private key. Raises `InvalidInput` (kind `configuration`) for anything else."""
        try:
            key = serialization.load_pem_private_key(pem, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise _not_a_key("The file is no unencrypted PEM private key.") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise _not_a_key("The private key is not on an elliptic curve.")
        return Signer._of(key)

    @staticmethod
    def _of(key: ec.EllipticCurvePrivateKey) -> Signer:
        return Signer(PublicKey._checked(key.public_key()), key)

    @property
    def pem(self) -> bytes:
        """The private key as unencrypted PKCS #8 PEM."""
        return self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def sign_der(self, message: bytes) -> bytes:
        """The DER form of this key's signature of `message`; the same bytes every time."""
        r, s = decode_dss_signature(self._key.sign(message, _SCHEME))
        return encode_dss_signature(r, min(s, ORDER - s))

    def sign(self, statement: Mapping[str, Any]) -> bytes:
        """The stored bytes of a statement signed with this key: the canonical JSON of the envelope."""
        return sign_statement(statement, (self,))

    def _entry(self, message: bytes) -> dict[str, str]:
        raw = b"".join(number.to_bytes(_SCALAR_BYTES) for number in decode_dss_signature(self.sign_der(message)))
        return {"algorithm": ALGORITHM, "key_id": self.public.key_id, "signature": raw.hex()}


def sign_statement(statement: Mapping[str, Any], signers: Sequence[Signer]) -> bytes:
    """The stored bytes of a statement signed by every one of `signers`, in the order of their key ids."""
    message = canonical_json(statement)
    by_id = {signer.public.key_id: signer for signer in signers}
    signatures = [by_id[key_id]._entry(message) for key_id in sorted(by_id)]
    return canonical_json({"signed": dict(statement), "signatures": signatures})


def verify_statement(data: bytes, keys: Sequence[PublicKey], threshold: int, what: str) -> VerifiedStatement:
    """Check stored bytes and return the statement in them.

    Args:
        data: the stored bytes, which must be the canonical JSON of an envelope.
        keys: the keys that the reader trusts.
        threshold: how many different ones of them must have signed.
        what: the statement's name in messages, e.g. its key in the bucket.

    Raises:
        Rejected: kind `malformed` when the bytes are no canonical envelope, `signature` when fewer than
            `threshold` trusted keys signed it.
    """
    signatures, message = _opened(data, what)
    by_id = {key.key_id: key for key in keys}
    signers = {
        entry["key_id"]
        for entry in signatures
        if entry["key_id"] in by_id and by_id[entry["key_id"]].verifies(entry["signature"], message)
    }
    if len(signers) < threshold:
        claimed = ", ".join(entry["key_id"][:12] for entry in signatures[:MAX_CLAIMS]) or "nobody"
        raise Rejected(
            "signature",
            f"{what} carries {len(signers)} valid signatures of trusted keys where {threshold} are needed "
            f"(signed by: {claimed}; trusted: {', '.join(key_id[:12] for key_id in by_id) or 'no key'}).",
            remedy="ask the publisher which key signs; add it to your trust file only if you know whose it is.",
        )
    payload = _canonical(message, what)
    if not isinstance(payload, dict):
        raise malformed(what, "is no signed statement")
    return VerifiedStatement(payload, data, sha256_hex(data), tuple(sorted(signers)))


def _opened(data: bytes, what: str) -> tuple[list[dict[str, str]], bytes]:
    """The signatures of an envelope and the bytes that they are over, which nobody has vouched for yet.

    These are not parsed: a megabyte of JSON takes tens of megabytes of memory, and anybody may have written it.
    """
    match = _ENVELOPE.fullmatch(data)
    if match is None:
        raise malformed(what, _flaw(data, what))
    signatures = _canonical(b"[" + (match["signatures"] or b"") + b"]", what)
    for entry in signatures:
        if entry["algorithm"] != ALGORITHM:
            raise malformed(what, "has a signature of unknown form")
    return signatures, match["signed"]


def _canonical(data: bytes, what: str) -> Any:
    try:
        document = json.loads(data)
        canonical = canonical_json(document)
    except (ValueError, RecursionError, Rejected) as error:
        raise malformed(what, "is no JSON document") from error
    if canonical != data:
        raise malformed(what, "is not in canonical form")
    return document


def _flaw(data: bytes, what: str) -> str:
    """What is wrong with bytes that are no envelope; large ones are not looked into."""
    if len(data) > MAX_EXPLAINED_BYTES:
        return "is no signed statement in canonical form"
    envelope = _canonical(data, what)
    if not isinstance(envelope, dict) or set(envelope) != {"signed", "signatures"}:
        return "is no signed statement"
    if not isinstance(envelope["signed"], dict) or not isinstance(envelope["signatures"], list):
        return "is no signed statement"
    return "has a signature of unknown form"


def _spki(key: ec.EllipticCurvePublicKey, encoding: serialization.Encoding) -> bytes:
    return key.public_bytes(encoding, serialization.PublicFormat.SubjectPublicKeyInfo)


def _not_a_key(fact: str) -> InvalidInput:
    return InvalidInput("configuration", fact, remedy="give a P-256 key such as edustream-registry init writes.")
