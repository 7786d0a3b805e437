"""Generates signing keys, and changes whom a trust file trusts. No command changes the trust of anybody else."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Final

from edustream_contracts.errors import InvalidInput
from edustream_registry.env_file import write_private
from edustream_registry.names import model_name
from edustream_registry.signing import PublicKey, Signer
from edustream_registry.trust import TrustPolicy, check_apart, read_trust

MIN_ID_DIGITS: Final = 8
NAME_PUBLIC: Final = "name the .public.pem file that its owner gave you."


def generate_key(path: Path) -> Signer:
    """Write a new private key to `path`, for its owner's eyes only, and its public half beside it.

    Raises `InvalidInput` (kind `argument`) if one of the files is there: a key that signed something is not replaced.
    """
    for taken in (path, public_path(path)):
        if taken.exists():
            raise InvalidInput("argument", f"{taken} exists already.", remedy="name another file, and keep both keys.")
    signer = Signer.generate()
    write_private(path, signer.pem)
    public_path(path).write_text(signer.public.pem)
    return signer


def public_path(path: Path) -> Path:
    """Where the public half of the key at `path` is written: `key.pem` has `key.public.pem`."""
    return path.with_name(f"{path.stem}.public.pem")


def read_public_key(path: Path) -> PublicKey:
    """The public key in a PEM file. Raises `InvalidInput` (kind `configuration`)."""
    try:
        pem = path.read_text()
    except (OSError, UnicodeError) as error:
        raise InvalidInput(
            "configuration", f"The public key {path} cannot be read: {error}.", remedy=NAME_PUBLIC
        ) from error
    if "PRIVATE KEY-----" in pem:
        remedy = f"name its public half; keys generate writes that beside it, here as {public_path(path)}."
        raise InvalidInput(
            "configuration", f"{path} holds a private key, which nobody but its owner needs.", remedy=remedy
        )
    try:
        return PublicKey.from_pem(pem)
    except InvalidInput as error:
        raise InvalidInput(
            "configuration", f"{path} cannot be trusted: {error.fact}", remedy=f"{NAME_PUBLIC} {error.remedy}"
        ) from error


def trust_key(path: Path, key: PublicKey, consumer: str | None = None) -> TrustPolicy:
    """Add a key to a trust file; a file that is not there is made.

    Without `consumer` the key may sign releases; with it, statements of this consumer's needs, and nothing else.

    Raises `InvalidInput`: kind `configuration` for a key that would do both, `argument` where there is no trust file
    that a consumer's key could be added to.
    """
    if consumer is not None:
        policy = read_trust(path)
        held = policy.consumers.get(model_name(consumer), ())
        known = key.key_id in {one.key_id for one in held}
        changed = dataclasses.replace(policy, consumers={**policy.consumers, consumer: held if known else (*held, key)})
    else:
        policy = read_trust(path) if path.exists() else TrustPolicy(())
        known = key.key_id in {one.key_id for one in policy.keys}
        changed = policy if known else dataclasses.replace(policy, keys=(*policy.keys, key))
    check_apart(changed, str(path))
    return policy if known else _write(path, changed)


def distrust_key(path: Path, key_id: str) -> TrustPolicy:
    """Take a key, named by its id or the first digits of it, out of a trust file.

    Raises `InvalidInput` (kind `argument`) when no key, or more than one, is meant, or too few keys would be left.
    """
    policy = read_trust(path)
    meant = trusted_key(policy, path, key_id).key_id
    kept = tuple(key for key in policy.keys if key.key_id != meant)
    # A consumer without a key stays named: it may state nothing, and init gives it no key anew.
    consumers = {name: tuple(key for key in keys if key.key_id != meant) for name, keys in policy.consumers.items()}
    if len(kept) < policy.threshold:
        raise InvalidInput(
            "argument",
            f"Without {meant[:12]}, {path} would hold {len(kept)} keys where {policy.threshold} must sign.",
            remedy="trust the new key first, or lower the threshold.",
        )
    return _write(path, dataclasses.replace(policy, keys=kept, consumers=consumers))


def demand(
    path: Path, threshold: int | None = None, max_entry_age_s: float | None = None, *, any_age: bool = False
) -> TrustPolicy:
    """Set how many keys must sign, and how old the last entry of a channel may be, in seconds.

    Raises `InvalidInput` (kind `argument`) for a threshold that the trusted keys cannot reach, for no age, and for an
    age and `any_age` at once.
    """
    if max_entry_age_s is not None and any_age:
        raise InvalidInput(
            "argument",
            f"Entries cannot be at most {max_entry_age_s:g} s old and of any age.",
            remedy="give either --max-entry-age-s or --any-age.",
        )
    policy = read_trust(path)
    if threshold is not None:
        if not 1 <= threshold <= len(policy.keys):
            raise InvalidInput(
                "argument",
                f"{threshold} of {len(policy.keys)} trusted keys cannot sign.",
                remedy="trust more keys first; the threshold is at least 1.",
            )
        policy = dataclasses.replace(policy, threshold=threshold)
    if max_entry_age_s is not None or any_age:
        if max_entry_age_s is not None and not 0 < max_entry_age_s < math.inf:
            raise InvalidInput(
                "argument",
                f"No entry is at most {max_entry_age_s:g} s old.",
                remedy="give a number above 0.",
            )
        policy = dataclasses.replace(policy, max_entry_age_s=max_entry_age_s)
    return _write(path, policy)


def trusted_key(policy: TrustPolicy, path: Path, key_id: str) -> PublicKey:
    """The key in a trust file whose id begins with `key_id`. Raises `InvalidInput` (kind `argument`)."""
    held = {key.key_id: key for keys in (policy.keys, *policy.consumers.values()) for key in keys}
    found = [key for one, key in held.items() if one.startswith(key_id)]
    if len(key_id) < MIN_ID_DIGITS:
        raise InvalidInput(
            "argument",
            f"{key_id!r} is too short to name a key of {path}; trusted: {', '.join(held)}.",
            remedy=f"give at least {MIN_ID_DIGITS} digits of the id of one of them.",
        )
    if len(found) != 1:
        raise InvalidInput(
            "argument",
            f"{len(found)} keys of {path} have an id that begins with {key_id!r}; trusted: {', '.join(held)}.",
            remedy=f"give at least {MIN_ID_DIGITS} digits of the id of one of them.",
        )
    return found[0]


def _write(path: Path, policy: TrustPolicy) -> TrustPolicy:
    write_private(path, policy.to_json())
    return policy
