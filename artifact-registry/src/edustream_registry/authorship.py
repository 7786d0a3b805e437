"""Opens the writing side: an author with signing keys. A consumer has no business here."""

from __future__ import annotations

import getpass
import os
from collections.abc import Mapping

from edustream_contracts.errors import InvalidInput
from edustream_registry.connection import open_store, open_trust
from edustream_registry.key_files import read_signer
from edustream_registry.reading import Clock, ReleaseReader, utc_now
from edustream_registry.settings import RegistrySettings
from edustream_registry.signing import Signer
from edustream_registry.trust import TrustPolicy
from edustream_registry.writing import Author


def author_name(environ: Mapping[str, str]) -> str:
    """Who writes: EDUSTREAM_WHO, else the system's name for the user, else the user's number."""
    named = environ.get("EDUSTREAM_WHO")
    if named:
        return named
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def open_author(settings: RegistrySettings, who: str, clock: Clock = utc_now) -> Author:
    """An author who signs with the keys that the settings name, as `who`; the first one also signs bundles.

    Raises `InvalidInput` (kind `configuration`) when there is no key, no trust file, a key that the own trust file
    does not hold, or fewer keys than it asks for.
    """
    if not settings.signing_key_files:
        raise InvalidInput(
            "configuration",
            "EDUSTREAM_SIGNING_KEY_FILE is not set, so nothing could be signed.",
            remedy="use the producer's .env file that edustream-registry init wrote.",
        )
    signer, *cosigners = map(read_signer, settings.signing_key_files)
    trust = open_trust(settings)
    _check_trusted([signer, *cosigners], trust, settings)
    reader = ReleaseReader(open_store(settings), trust, clock)
    return Author(reader.store, reader, signer, who, clock, cosigners=tuple(cosigners))


def _check_trusted(signers: list[Signer], trust: TrustPolicy, settings: RegistrySettings) -> None:
    trusted = {key.key_id for key in trust.keys}
    held = {signer.public.key_id for signer in signers}
    if held - trusted:
        raise InvalidInput(
            "configuration",
            f"The signing key {min(held - trusted)[:12]} is not in the trust file {settings.trust_file}.",
            remedy="sign with the producer's key, whose .env file names it, or add this one: edustream-registry keys "
            "trust. A key that states a consumer's needs signs nothing else.",
        )
    if len(held) < trust.threshold:
        raise InvalidInput(
            "configuration",
            f"The trust file {settings.trust_file} asks for signatures of {trust.threshold} keys; "
            f"EDUSTREAM_SIGNING_KEY_FILE names {len(held)}.",
            remedy=f"name {trust.threshold} key files, separated by {os.pathsep!r}: what is written once has to be "
            "signed by all of them at once.",
        )
