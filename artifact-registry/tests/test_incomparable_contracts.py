"""A release that stands beside one whose contract cannot be read is refused, or becomes a next major."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from changed_contracts import months
from conftest import refusal
from versioned_releases import Publish, contract_of, exchange_contract, lose_contract, number, refused

from edustream_contracts.canonical import canonical_json, sha256_hex
from edustream_contracts.contract import ModelContract
from edustream_contracts.errors import InvalidInput
from edustream_registry import layout
from edustream_registry.manifest import ReleaseFile
from edustream_registry.testing.simulator import RegistrySimulator, write_release


@pytest.mark.parametrize(
    ("data", "fact"),
    [
        (None, "The file contract.json of churn is not in the registry"),
        (b"{}", "contract.json of churn@1.0.0 is no valid contract"),
        (b"x" * (1024 * 1024 + 1), "contract.json of churn@1.0.0 has 1048577 bytes; at most 1048576 are allowed"),
    ],
    ids=["missing", "no contract", "oversized"],
)
@pytest.mark.parametrize("version", ["auto", "1.0.1", "1.1.0"])
def test_a_contract_that_cannot_be_read_is_never_taken_for_the_same(
    registry: RegistrySimulator, publish: Publish, data: bytes | None, fact: str, version: str
) -> None:
    released = publish(120, channels=("production",))
    lose_contract(registry, released) if data is None else exchange_contract(registry, released, data)

    said = refused(lambda: publish(60, version))

    assert said.startswith("What a new release would do to the consumers of churn@1.0.0")
    assert fact in said
    assert "put its contract right by publishing churn@1.0.0 again, or yank it" in said
    assert registry.reader.versions("churn") == ["1.0.0"]
    assert number(publish(60, "2.0.0")) == "2.0.0"


def test_a_contract_with_a_changed_byte_is_never_taken_for_the_same(
    registry: RegistrySimulator, publish: Publish
) -> None:
    file = publish(120).manifest.content.file("contract.json")
    key = layout.file_key("churn", file.sha256, file.name)
    registry.memory.objects[key] = registry.memory.objects[key].replace(b"120", b"060")

    assert "has 5419 bytes with SHA-256" in refused(lambda: publish(60))


def test_the_contract_of_another_model_is_none(registry: RegistrySimulator, publish: Publish) -> None:
    released = publish(120, model="churn")
    foreign = months(contract_of(registry, released), 120, model="fraud")
    exchange_contract(registry, released, json.dumps(foreign.document).encode(), foreign.digest)

    assert "contract.json of churn@1.0.0 is the contract of 'fraud'" in refused(lambda: publish(60))


def test_a_served_release_that_was_deleted_admits_no_verdict(registry: RegistrySimulator, publish: Publish) -> None:
    publish(120, channels=("production",))
    publish(240)
    del registry.memory.objects[layout.manifest_key("churn", "1.0.0")]

    said = refused(lambda: publish(240))

    assert said.startswith("churn@1.0.0 (production) is not in the registry any more, so nothing says which contract")


def test_a_served_release_that_was_exchanged_admits_no_verdict(registry: RegistrySimulator, publish: Publish) -> None:
    first = publish(120, channels=("production",))
    payload = first.manifest.payload() | {"published_by": "somebody else"}
    registry.memory.objects[layout.manifest_key("churn", "1.0.0")] = registry.signer.sign(payload)

    assert "is not the one that was promoted" in refused(lambda: publish(120))


@pytest.mark.parametrize(
    ("change", "fact"),
    [
        ({"contract_digest": "0" * 64}, "holds the contract"),
        ({"model": "fraud"}, "holds a contract.json that is about the model churn"),
        ({"files": ()}, "has no contract.json"),
    ],
)
@pytest.mark.parametrize("version", ["auto", "1.0.0"])
def test_a_release_whose_own_contract_is_another_one_is_refused(
    registry: RegistrySimulator,
    contract: ModelContract,
    tmp_path: Path,
    change: dict[str, Any],
    fact: str,
    version: str,
) -> None:
    """The first one too, which is compared with nothing."""
    content = write_release(tmp_path, contract)
    kept = tuple(file for file in content.files if "files" not in change or file.name != "contract.json")

    category, kind, said = refusal(
        lambda: registry.publish(content.model_copy(update=change | {"files": kept}), tmp_path, version)
    )

    assert (category, kind) == (InvalidInput, "contract")
    assert fact in said
    assert not any(key.startswith("models/") for key in registry.memory.objects)


@pytest.mark.parametrize("change", [{"contract_format": 2}, {"input": {}}], ids=["format", "profile"])
def test_a_first_release_whose_contract_is_outside_the_profile_is_refused(
    registry: RegistrySimulator, contract: ModelContract, tmp_path: Path, change: dict[str, Any]
) -> None:
    content = write_release(tmp_path, contract)
    data = json.dumps({**contract.document, **change}).encode()
    (tmp_path / "contract.json").write_bytes(data)
    files = (
        *(file for file in content.files if file.name != "contract.json"),
        ReleaseFile.of(tmp_path / "contract.json"),
    )
    content = content.model_copy(
        update={"files": files, "contract_digest": sha256_hex(canonical_json(json.loads(data)))}
    )

    assert refusal(lambda: registry.publish(content, tmp_path))[:2] == (InvalidInput, "contract")
    assert not any(key.startswith("models/") for key in registry.memory.objects)
