"""Opens the writing side: an author with a signing key. A consumer has no business here."""

from __future__ import annotations

import getpass
import os
from collections.abc import Mapping

from edustream_contracts.errors import InvalidInput
from edustream_registry.connection import open_reader
from edustream_registry.reading import Clock, utc_now
from edustream_registry.settings import RegistrySettings
from edustream_registry.signing import Signer
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
    """An author who signs with the key that the settings name, as `who`.

    Raises `InvalidInput` (kind `configuration`) when there is no key, no trust file, or the own key is not trusted.
    """
    if settings.signing_key_file is None:
        raise InvalidInput(
            "configuration",
            "EDUSTREAM_SIGNING_KEY_FILE is not set, so nothing could be signed.",
            remedy="use the producer's .env file that edustream-registry init wrote.",
        )
    try:
        pem = settings.signing_key_file.read_bytes()
    except OSError as error:
        raise InvalidInput(
            "configuration",
            f"The signing key {settings.signing_key_file} cannot be read: {error.strerror}.",
            remedy="correct EDUSTREAM_SIGNING_KEY_FILE, or run edustream-registry init.",
        ) from error
    signer = Signer.from_pem(pem)
    reader = open_reader(settings, clock)
    if signer.public.key_id not in {key.key_id for key in reader.trust.keys}:
        raise InvalidInput(
            "configuration",
            f"The signing key {signer.public.key_id[:12]} is not in the trust file {settings.trust_file}.",
            remedy="sign with a key that is trusted, or add this one to the trust file.",
        )
    return Author(reader.store, reader, signer, who, clock)
