from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from edustream_contracts.errors import InvalidInput
from edustream_contracts.schemas import object_validator
from edustream_registry.signing import PublicKey, Signer
from edustream_registry.trust import TrustPolicy, parse_trust, read_trust

ONE, TWO = Signer.generate().public, Signer.generate().public
THREE, FOUR = Signer.generate().public, Signer.generate().public
POLICY = TrustPolicy((ONE, TWO), threshold=2, max_entry_age_s=60.0, consumers={"api": (THREE, FOUR), "billing": ()})


def ids(keys: Iterable[PublicKey]) -> set[str]:
    return {key.key_id for key in keys}


def damaged(**changes: Any) -> bytes:
    return json.dumps({**json.loads(POLICY.to_json()), **changes}).encode()


@pytest.mark.parametrize("policy", [POLICY, TrustPolicy((ONE,))], ids=["full", "plain"])
def test_a_trust_file_round_trips_and_obeys_its_schema(policy: TrustPolicy, tmp_path: Path) -> None:
    path = tmp_path / "trust.json"
    path.write_bytes(policy.to_json())

    read = read_trust(path)

    assert ids(read.keys) == ids(policy.keys)
    assert (read.threshold, read.max_entry_age_s) == (policy.threshold, policy.max_entry_age_s)
    assert {name: ids(keys) for name, keys in read.consumers.items()} == {
        name: ids(keys) for name, keys in policy.consumers.items()
    }
    assert read.to_json() == policy.to_json()
    assert object_validator("trust").problems(json.loads(policy.to_json())) == []


def test_a_missing_trust_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        InvalidInput, match=r"nowhere\.json cannot be read: No such file.*\nNext: run edustream-registry"
    ):
        read_trust(tmp_path / "nowhere.json")


@pytest.mark.parametrize(
    ("data", "fact"),
    [
        (b"{", "is no JSON"),
        (b"[" * 50_000, "is no JSON"),
        (b"{}", "/keys: is missing"),
        (damaged(threshold=0, trust_format=2), "/trust_format"),
        (damaged(threshold=3), "threshold is above its number of keys"),
        (damaged(keys=[]), "/keys"),
        (damaged(surprise=1), "/surprise"),
        (damaged(max_entry_age_s=0), "/max_entry_age_s"),
        (damaged(consumers=[]), "/consumers"),
        (damaged(consumers={"No Name": []}), "No Name"),
        (damaged(consumers={"api": [{"key_id": "0" * 64}]}), "/consumers/api/0"),
        (damaged(consumers={"api": json.loads(POLICY.to_json())["keys"]}), "of the consumer api may also sign"),
    ],
)
def test_bad_trust_files(data: bytes, fact: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_trust(data, "trust.json")

    assert caught.value.kind == "configuration"
    assert fact in str(caught.value)


def test_the_same_key_twice_counts_once() -> None:
    keys = json.loads(TrustPolicy((ONE,)).to_json())["keys"]

    with pytest.raises(InvalidInput, match="threshold is above"):
        parse_trust(damaged(keys=keys * 2), "trust.json")


def test_a_key_under_anothers_id_is_refused() -> None:
    keys = json.loads(POLICY.to_json())["keys"]
    keys[0]["key_id"] = keys[1]["key_id"]

    with pytest.raises(InvalidInput, match="is not its key's"):
        parse_trust(damaged(keys=keys), "trust.json")


def test_a_key_that_is_none() -> None:
    keys = json.loads(POLICY.to_json())["keys"]
    keys[0]["public_key"] = "no key"

    with pytest.raises(InvalidInput, match="no PEM public key"):
        parse_trust(damaged(keys=keys), "trust.json")
