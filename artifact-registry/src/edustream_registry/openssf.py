"""The OpenSSF Model Signing bundle of a release: lets people verify a pulled release with `model_signing verify`.

Needs the extra `publishing`. Only `edustream_registry.bundle` imports this module, once a bundle is to be made.
"""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Final

from google.protobuf import json_format
from model_signing import manifest as model_manifest
from model_signing._hashing.hashing import Digest
from model_signing._signing import sign_sigstore_pb, signing
from sigstore_models import intoto
from sigstore_models.bundle import v1 as bundle_v1
from sigstore_models.common import v1 as common_v1
from typing_extensions import override

from edustream_registry.manifest import BUNDLE_FILE, FILE_NAME, ReleaseContent
from edustream_registry.signing import Signer

# PAYLOAD_TYPE and MEDIA_TYPE are fixed by DSSE for in-toto and by the Sigstore bundle format, version 0.3.
PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
MEDIA_TYPE: Final = "application/vnd.dev.sigstore.bundle.v0.3+json"


class DeterministicSigner(sign_sigstore_pb.Signer):
    """Signs OpenSSF payloads as the library's own elliptic-curve signer does, but always with the same bytes.

    The nonce is RFC 6979's, and the payload has its keys in order: what was lost can be made again.
    """

    def __init__(self, signer: Signer) -> None:
        self._signer = signer

    @override
    def sign(self, payload: signing.Payload) -> sign_sigstore_pb.Signature:
        """The DSSE envelope of an in-toto statement, in a Sigstore bundle that names the public key."""
        statement = json_format.MessageToJson(payload.statement.pb, sort_keys=True, indent=None).encode()
        signature = self._signer.sign_der(sign_sigstore_pb.pae(statement))
        return sign_sigstore_pb.Signature(
            bundle_v1.Bundle(
                media_type=MEDIA_TYPE,
                verification_material=bundle_v1.VerificationMaterial(
                    # model_signing looks for the SHA-256 of the PEM text, not for that of the DER form.
                    public_key=common_v1.PublicKeyIdentifier(
                        hint=hashlib.sha256(self._signer.public.pem.encode()).hexdigest()
                    ),
                    tlog_entries=[],
                ),
                dsse_envelope=intoto.Envelope(
                    payload=base64.b64encode(statement),
                    payload_type=PAYLOAD_TYPE,
                    signatures=[intoto.Signature(sig=base64.b64encode(signature), keyid="")],
                ),
            )
        )


def sign_bundle(content: ReleaseContent, signer: Signer) -> bytes:
    """The bundle of a release's files, which were checked against `content` before: no file is read here.

    The manifest and the bundle itself are named as not covered, so that a pulled folder verifies as it is.
    """
    serialization = model_manifest.SerializationType.from_args(
        {
            "method": "files",
            "hash_type": "sha256",
            "allow_symlinks": False,
            "ignore_paths": sorted([FILE_NAME, BUNDLE_FILE]),
        }
    )
    items = [serialization.new_item(file.name, Digest("sha256", bytes.fromhex(file.sha256))) for file in content.files]
    payload = signing.Payload(model_manifest.Manifest(content.model, items, serialization))
    bundle = DeterministicSigner(signer).sign(payload).bundle
    return json.dumps(json.loads(bundle.to_json()), sort_keys=True, separators=(",", ":")).encode()
