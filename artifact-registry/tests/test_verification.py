from __future__ import annotations

from pathlib import Path

import pytest

from edustream_contracts.contract import ModelContract
from edustream_contracts.errors import Rejected
from edustream_registry import layout
from edustream_registry.manifest import ReleaseContent
from edustream_registry.names import Reference
from edustream_registry.release_documents import MAX_BYTES
from edustream_registry.testing.simulator import RegistrySimulator, write_release
from edustream_registry.verification import verify

BROKEN_ROWS = b'{"golden_format": 1, "rows": [{"input": {"nonsense": 1}, "output": {"nonsense": 2}}]}'


def verified(registry: RegistrySimulator, text: str) -> tuple[str, ...]:
    return verify(registry.reader, registry.reader.resolve(Reference.parse(text)))


def test_a_sound_release_passes_every_check(promoted: RegistrySimulator) -> None:
    passed = verified(promoted, "churn@production")

    assert len(passed) == 4
    assert "1 log entries of churn@production, gapless and linked" in passed
    assert len(verified(promoted, "churn@1.0.0")) == 3


def test_a_changed_file_fails(promoted: RegistrySimulator, content: ReleaseContent) -> None:
    file = content.file("golden.json")
    promoted.memory.objects[layout.file_key("churn", file.sha256, file.name)] = b"{}"

    with pytest.raises(Rejected, match="publish the release again, which puts the right file back"):
        verified(promoted, "churn@production")


@pytest.mark.parametrize(
    ("name", "data", "how"),
    [
        ("profile.json", b"{}", "is no valid profile document"),
        ("profile.json", b"{", "is no JSON"),
        ("profile.json", b"\xff", "is no JSON"),
        ("profile.json", b"[" * 100_000, "is no JSON"),
        ("profile.json", b" " * (MAX_BYTES["profile.json"] + 1), "has 8388609 bytes; at most 8388608 are allowed"),
        ("golden.json", b'{"golden_format": 2, "rows": []}', "is no valid golden document"),
        ("golden.json", BROKEN_ROWS, "is no valid golden document"),
        ("golden.json", b"[" * 100_000, "is no valid golden document"),
        ("golden.json", BROKEN_ROWS.ljust(MAX_BYTES["golden.json"] + 1), "has 8388609 bytes; at most 8388608"),
        ("contract.json", b" " * (MAX_BYTES["contract.json"] + 1), "has 1048577 bytes; at most 1048576 are allowed"),
    ],
    ids=[
        "schema",
        "cut off",
        "no UTF-8",
        "too deep",
        "too large",
        "golden",
        "rows",
        "golden too deep",
        "golden too large",
        "contract too large",
    ],
)
def test_documents_that_are_not_what_they_should_be(
    registry: RegistrySimulator, contract: ModelContract, release_dir: Path, name: str, data: bytes, how: str
) -> None:
    registry.publish_unchecked(write_release(release_dir, contract, extra_files={name: data}), release_dir, "1.0.0")

    with pytest.raises(Rejected, match=f"{name} of churn@1.0.0 {how}") as caught:
        verified(registry, "churn@1.0.0")
    assert caught.value.kind == "malformed"


def test_the_contract_must_be_there_and_be_the_stated_one(
    registry: RegistrySimulator, content: ReleaseContent, release_dir: Path
) -> None:
    others = tuple(file for file in content.files if file.name != "contract.json")
    registry.publish_unchecked(content.model_copy(update={"files": others}), release_dir, "1.0.0")
    registry.publish_unchecked(content.model_copy(update={"contract_digest": "0" * 64}), release_dir, "2.0.0")

    with pytest.raises(Rejected, match=r"contract\.json of churn@1\.0\.0 is missing from the manifest"):
        verified(registry, "churn@1.0.0")
    with pytest.raises(Rejected, match=r"contract\.json of churn@2\.0\.0 has the digest .*; the manifest states 0{64}"):
        verified(registry, "churn@2.0.0")


@pytest.mark.parametrize(
    ("damage", "how"),
    [
        ({"model": "other"}, "is the contract of 'other'"),
        ({"contract_format": 2}, "is no valid contract"),
    ],
    ids=["other model", "other format"],
)
def test_a_contract_that_is_genuine_but_wrong_is_rejected(
    registry: RegistrySimulator, contract: ModelContract, release_dir: Path, damage: dict[str, object], how: str
) -> None:
    wrong = ModelContract({**contract.document, **damage})
    content = write_release(release_dir, wrong).model_copy(update={"model": "churn"})
    registry.publish_unchecked(content, release_dir, "1.0.0")

    with pytest.raises(Rejected, match=how):
        verified(registry, "churn@1.0.0")


def test_what_is_wrong_with_a_large_profile_is_not_listed(
    registry: RegistrySimulator, contract: ModelContract, release_dir: Path
) -> None:
    """The validator keeps a copy of what it names, for every error."""
    wrong = ",".join(f'"{number}": {{}}' for number in range(20_000))
    profile = f'{{"profile_format": 1, "rows": 1, "features": {{{wrong}}}}}'.encode()
    registry.publish(write_release(release_dir, contract, extra_files={"profile.json": profile}), release_dir)

    with pytest.raises(Rejected, match="is no valid profile document") as caught:
        verified(registry, "churn@1.0.0")
    assert caught.value.problems == ()
