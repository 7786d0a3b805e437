"""Keys change without a break: the old one counts until it leaves the reader's own trust file."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import stat
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from conftest import refusal, resolve, settings_in
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from edustream_contracts.errors import InvalidInput, Rejected
from edustream_registry import key_rotation
from edustream_registry.env_file import read_env_file, write_env_file
from edustream_registry.local_server import RunningServer
from edustream_registry.promotion import Promoter
from edustream_registry.provisioning import Folders, Provisioner
from edustream_registry.reading import ReleaseReader
from edustream_registry.signing import PublicKey, Signer
from edustream_registry.testing.simulator import RegistrySimulator
from edustream_registry.trust import TrustPolicy, read_trust


@pytest.fixture
def trust_file(registry: RegistrySimulator, tmp_path: Path) -> Path:
    path = tmp_path / "trust.json"
    path.write_bytes(registry.trust.to_json())
    return path


def ids(policy: TrustPolicy) -> set[str]:
    return {key.key_id for key in policy.keys}


def sees_with(registry: RegistrySimulator, trust: TrustPolicy) -> RegistrySimulator:
    """From now on the registry's reader and author use this trust policy."""
    registry.reader = ReleaseReader(registry.store, trust, registry.clock)
    registry.author = dataclasses.replace(registry.author, reader=registry.reader)
    return registry


def signs_with(registry: RegistrySimulator, signer: Signer, *cosigners: Signer) -> None:
    registry.author = dataclasses.replace(registry.author, signer=signer, cosigners=cosigners)


def test_a_key_is_generated_for_its_owner_alone_and_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "release.pem"

    signer = key_rotation.generate_key(path)

    assert Signer.from_pem(path.read_bytes()).public.key_id == signer.public.key_id
    assert key_rotation.read_public_key(tmp_path / "keys" / "release.public.pem").key_id == signer.public.key_id
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for taken in (path, tmp_path / "keys" / "release.public.pem"):
        with pytest.raises(InvalidInput, match="exists already"):
            key_rotation.generate_key(path)
        taken.unlink()


def test_an_old_release_stays_valid_until_its_key_is_removed(
    registry: RegistrySimulator, release: Callable[..., str], trust_file: Path
) -> None:
    old, new = registry.signer, Signer.generate()
    release("old")

    key_rotation.trust_key(trust_file, new.public)
    signs_with(sees_with(registry, read_trust(trust_file)), new)
    release("new")
    found = resolve(registry)
    assert found.release.key_ids == (new.public.key_id,)
    assert resolve(registry, "churn@1.0.0").release.key_ids == (old.public.key_id,)
    assert len(registry.reader.history("churn", "production")) == 2

    key_rotation.distrust_key(trust_file, old.public.key_id)
    sees_with(registry, read_trust(trust_file))
    assert resolve(registry, known=found).version == "1.0.1"
    assert refusal(lambda: resolve(registry, "churn@1.0.0"))[:2] == (Rejected, "signature")


def test_a_threshold_holds_where_the_reader_asks_for_it(
    registry: RegistrySimulator, release: Callable[..., str], trust_file: Path
) -> None:
    first, second = registry.signer, Signer.generate()
    key_rotation.trust_key(trust_file, second.public)
    lax = read_trust(trust_file)
    strict = key_rotation.demand(trust_file, threshold=2)
    sees_with(registry, lax)
    release("one signature")
    assert refusal(lambda: resolve(sees_with(registry, strict)))[:2] == (Rejected, "signature")

    signs_with(registry, second, first)
    release("two signatures", "2.0.0", promote=False)
    Promoter(registry.author).promote("churn", "staging", "2.0.0", "a test")

    for trust in (strict, lax, dataclasses.replace(lax, keys=(first.public,))):
        found = resolve(sees_with(registry, trust), "churn@staging")
        assert found.version == "2.0.0"
    assert [entry["key_id"] for entry in signatures(found.release.data)] == sorted(ids(strict))


def signatures(data: bytes) -> list[dict[str, str]]:
    found: list[dict[str, str]] = json.loads(data)["signatures"]
    return found


def test_a_trust_file_is_made_kept_and_changed(tmp_path: Path) -> None:
    path, one, two = tmp_path / "trust.json", Signer.generate().public, Signer.generate().public

    assert ids(key_rotation.trust_key(path, one)) == {one.key_id}
    assert ids(key_rotation.trust_key(path, two)) == ids(key_rotation.trust_key(path, two)) == {one.key_id, two.key_id}
    key_rotation.demand(path, threshold=2, max_entry_age_s=60.0)
    with pytest.raises(InvalidInput, match=r"would hold 1 keys where 2 must sign"):
        key_rotation.distrust_key(path, one.key_id)
    policy = key_rotation.demand(path, threshold=1)
    assert (policy.threshold, policy.max_entry_age_s) == (1, 60.0)
    assert key_rotation.demand(path, any_age=True).max_entry_age_s is None
    assert ids(key_rotation.distrust_key(path, two.key_id[:8])) == {one.key_id} == ids(read_trust(path))
    assert read_trust(path).to_json() == path.read_bytes()


@pytest.mark.parametrize("age", [0, -1, math.nan, math.inf])
def test_impossible_demands_change_nothing(trust_file: Path, age: float) -> None:
    before = trust_file.read_bytes()

    with pytest.raises(InvalidInput, match="No entry is at most"):
        key_rotation.demand(trust_file, max_entry_age_s=age)
    for threshold in (0, 2):
        with pytest.raises(InvalidInput, match="of 1 trusted keys cannot sign"):
            key_rotation.demand(trust_file, threshold=threshold)

    assert trust_file.read_bytes() == before


@pytest.mark.parametrize("text", ["0" * 8, "0" * 64, "zz" * 8])
def test_an_id_names_exactly_one_key(trust_file: Path, text: str) -> None:
    with pytest.raises(InvalidInput, match="0 keys of"):
        key_rotation.distrust_key(trust_file, text)


@pytest.mark.parametrize("data", [None, b"\xff\xfe", b"no key"], ids=["missing", "no text", "no key"])
def test_unusable_public_key_files(tmp_path: Path, data: bytes | None) -> None:
    path = tmp_path / "key.public.pem"
    if data is not None:
        path.write_bytes(data)

    with pytest.raises(InvalidInput) as caught:
        key_rotation.read_public_key(path)

    assert caught.value.kind == "configuration"


def test_a_key_on_a_strange_curve_is_no_key() -> None:
    # secp256k1's object identifier in the place of P-256's, and garbage for a point.
    pem = "-----BEGIN PUBLIC KEY-----\nMBkwEwYHKoZIzj0CAQYIKoZIzj0DAQgDAgAA\n-----END PUBLIC KEY-----\n"

    with pytest.raises(InvalidInput, match="no PEM public key"):
        PublicKey.from_pem(pem)


def test_init_keeps_the_keys_that_were_rotated(moto_server: RunningServer, tmp_path: Path) -> None:
    folders = Folders.below(tmp_path / "repos")
    provisioner = Provisioner(dataclasses.replace(settings_in(moto_server.admin_env), prefix="rotated"))
    provisioner.init(folders)
    key_rotation.generate_key(folders.producer / "new.pem")
    named = f"new.pem{os.pathsep}signing-key.pem"
    env_file = folders.producer / ".env"
    write_env_file(env_file, read_env_file(env_file) | {"EDUSTREAM_SIGNING_KEY_FILE": named})

    done = provisioner.init(folders)

    assert read_env_file(env_file)["EDUSTREAM_SIGNING_KEY_FILE"] == named
    assert not done.key_created
    assert done.key_id == Signer.from_pem((folders.producer / "new.pem").read_bytes()).public.key_id


def test_a_consumers_key_is_trusted_with_its_needs_alone(registry: RegistrySimulator, trust_file: Path) -> None:
    new = Signer.generate().public
    before = read_trust(trust_file)

    policy = key_rotation.trust_key(trust_file, new, "billing")

    assert read_trust(trust_file).to_json() == policy.to_json()
    assert policy.keys == before.keys
    assert dict(policy.consumers) == {**before.consumers, "billing": (new,)}
    assert key_rotation.trust_key(trust_file, new, "billing").to_json() == policy.to_json()
    second = Signer.generate().public
    assert key_rotation.trust_key(trust_file, second, "billing").consumers["billing"] == (new, second)


def test_a_distrusted_consumer_stays_named(registry: RegistrySimulator, trust_file: Path) -> None:
    key_id = registry.consumer_signer.public.key_id

    assert key_rotation.distrust_key(trust_file, key_id[:8]).consumers == {"api": ()}
    assert read_trust(trust_file).consumers == {"api": ()}
    assert ids(read_trust(trust_file)) == ids(registry.trust)


def test_no_key_signs_releases_and_needs(registry: RegistrySimulator, trust_file: Path) -> None:
    before = trust_file.read_bytes()

    for key, consumer in ((registry.signer.public, "api"), (registry.consumer_signer.public, None)):
        kind, name, text = refusal(partial(key_rotation.trust_key, trust_file, key, consumer))
        assert (kind, name) == (InvalidInput, "configuration")
        assert "may also sign releases" in text

    assert trust_file.read_bytes() == before


def test_a_consumers_name_and_trust_file_have_to_be_there(trust_file: Path, tmp_path: Path) -> None:
    new = Signer.generate().public

    assert refusal(lambda: key_rotation.trust_key(trust_file, new, "No Name"))[:2] == (InvalidInput, "argument")
    assert refusal(lambda: key_rotation.trust_key(tmp_path / "none", new, "api"))[:2] == (InvalidInput, "configuration")


def test_a_key_is_not_named_by_a_digit(trust_file: Path) -> None:
    (held,) = ids(read_trust(trust_file))

    for short in ("", held[0], held[:7]):
        with pytest.raises(InvalidInput, match=f"'{short}' is too short to name a key of .*{held}"):
            key_rotation.distrust_key(trust_file, short)


def test_an_age_and_any_age_at_once(trust_file: Path) -> None:
    before = trust_file.read_bytes()

    with pytest.raises(InvalidInput, match="at most 60 s old and of any age") as caught:
        key_rotation.demand(trust_file, max_entry_age_s=60.0, any_age=True)

    assert caught.value.kind == "argument"
    assert trust_file.read_bytes() == before


def test_a_private_key_is_not_trusted_and_its_public_half_is_named(tmp_path: Path) -> None:
    key_rotation.generate_key(tmp_path / "new.pem")

    error, kind, said = refusal(lambda: key_rotation.read_public_key(tmp_path / "new.pem"))

    assert (error, kind) == (InvalidInput, "configuration")
    assert f"{tmp_path / 'new.pem'} holds a private key" in said
    assert (
        f"Next: name its public half; keys generate writes that beside it, here as {tmp_path / 'new.public.pem'}."
        in said
    )


def test_a_key_on_another_curve_is_told_with_its_file(tmp_path: Path) -> None:
    path = tmp_path / "p384.public.pem"
    spki = ec.generate_private_key(ec.SECP384R1()).public_key()
    path.write_bytes(spki.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo))

    with pytest.raises(InvalidInput, match=r"p384\.public\.pem cannot be trusted: The key is not on the curve P-256\."):
        key_rotation.read_public_key(path)
