"""Every release carries an OpenSSF Model Signing bundle that the stock command line accepts."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from edustream_contracts.contract import ModelContract
from edustream_contracts.errors import Conflict, InvalidInput
from edustream_registry import layout
from edustream_registry.bundle import openssf_bundle
from edustream_registry.manifest import BUNDLE_FILE, ReleaseContent
from edustream_registry.names import Reference
from edustream_registry.publishing import Publication, PublicationStatus, Publisher
from edustream_registry.pulling import pull
from edustream_registry.reading import ReleaseReader
from edustream_registry.signing import Signer
from edustream_registry.testing.simulator import RegistrySimulator, write_release
from edustream_registry.trust import TrustPolicy
from edustream_registry.writing import Author

COMMAND = Path(sys.executable).parent / "model_signing"


def published(registry: RegistrySimulator, content: ReleaseContent, directory: Path) -> Publication:
    return Publisher(registry.author).publish(content, directory)


def pulled(registry: RegistrySimulator, to: Path) -> Path:
    pull(registry.reader, registry.reader.resolve(Reference.parse("churn@1.0.0")), to)
    return to


def stock_verification(folder: Path, key: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, "verify", "key", "--signature", folder / BUNDLE_FILE, "--public_key", key, folder],
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_stock_command_line_verifies_a_pulled_release(
    registry: RegistrySimulator, content: ReleaseContent, release_dir: Path, tmp_path: Path
) -> None:
    published(registry, content, release_dir)
    folder, key = pulled(registry, tmp_path / "pulled"), tmp_path / "key.pem"
    key.write_text(registry.signer.public.pem)

    accepted = stock_verification(folder, key)
    (folder / "model.onnx").write_bytes(b"Model")
    refused = stock_verification(folder, key)

    assert (accepted.returncode, accepted.stdout) == (0, "Verification succeeded\n")
    assert refused.returncode == 1
    assert "Hash mismatch for" in refused.stderr
    assert "model.onnx" in refused.stderr


def test_the_stock_command_line_refuses_another_key_and_an_extraneous_file(
    registry: RegistrySimulator, content: ReleaseContent, release_dir: Path, tmp_path: Path
) -> None:
    published(registry, content, release_dir)
    folder, key = pulled(registry, tmp_path / "pulled"), tmp_path / "key.pem"

    key.write_text(Signer.generate().public.pem)
    assert "Key mismatch" in stock_verification(folder, key).stderr
    key.write_text(registry.signer.public.pem)
    (folder / "extra.bin").write_bytes(b"")
    assert "Extra files found" in stock_verification(folder, key).stderr


def test_the_bundle_is_a_file_of_the_release_and_leaves_the_producers_folder_alone(
    registry: RegistrySimulator, content: ReleaseContent, release_dir: Path
) -> None:
    before = sorted(path.name for path in release_dir.iterdir())

    manifest = published(registry, content, release_dir).manifest

    bundle = manifest.content.file(BUNDLE_FILE)
    data = registry.reader.read_file("churn", bundle)
    statement = json.loads(data)
    assert sorted(path.name for path in release_dir.iterdir()) == before
    assert data == openssf_bundle(content, registry.signer)
    assert statement["mediaType"] == "application/vnd.dev.sigstore.bundle.v0.3+json"
    assert manifest.content.without_bundle() == content


def test_two_trainings_with_the_same_inputs_stay_identical(
    registry: RegistrySimulator, content: ReleaseContent, release_dir: Path
) -> None:
    first = published(registry, content, release_dir)
    again = published(registry, content, release_dir)
    pulled_again = published(registry, first.manifest.content, release_dir)

    assert again.status is pulled_again.status is PublicationStatus.IDENTICAL
    assert again.release.digest == first.release.digest


def test_a_release_without_bundle_is_identical_to_the_same_one_with_it(
    registry: RegistrySimulator, content: ReleaseContent, release_dir: Path
) -> None:
    registry.publish(content, release_dir)

    assert published(registry, content, release_dir).status is PublicationStatus.IDENTICAL


def test_a_lost_bundle_is_put_back_by_its_own_key_only(
    registry: RegistrySimulator, content: ReleaseContent, release_dir: Path
) -> None:
    bundle = published(registry, content, release_dir).manifest.content.file(BUNDLE_FILE)
    key = layout.file_key("churn", bundle.sha256, bundle.name)
    other = another_author(registry)
    data = registry.memory.objects[key]

    assert Publisher(other).publish(content, release_dir).status is PublicationStatus.IDENTICAL
    del registry.memory.objects[key]
    with pytest.raises(Conflict, match="only its own key can make again"):
        Publisher(other).publish(content, release_dir)
    assert published(registry, content, release_dir).status is PublicationStatus.RESTORED
    assert registry.memory.objects[key] == data


def another_author(registry: RegistrySimulator) -> Author:
    signer = Signer.generate()
    trust = TrustPolicy((registry.signer.public, signer.public))
    return registry.author_with(signer, ReleaseReader(registry.store, trust, registry.clock))


def test_without_the_library_nothing_is_sent(
    registry: RegistrySimulator, content: ReleaseContent, release_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "edustream_registry.openssf", raising=False)
    monkeypatch.setitem(sys.modules, "model_signing", None)
    before = dict(registry.memory.objects)

    with pytest.raises(InvalidInput, match=r"model_signing is not installed.\n.*registry\[publishing\]"):
        published(registry, content, release_dir)

    assert registry.memory.objects == before


def test_a_name_that_leaves_the_folder_is_refused_before_anything_is_written(
    registry: RegistrySimulator, contract: ModelContract, tmp_path: Path
) -> None:
    content = write_release(tmp_path / "release", contract)
    strange = content.files[0].model_copy(update={"name": "../release/contract.json"})

    with pytest.raises(InvalidInput, match=r"\.\./release/contract\.json"):
        published(registry, content.model_copy(update={"files": (*content.files, strange)}), tmp_path / "release")


def test_reading_does_not_import_the_library() -> None:
    modules = "edustream_registry.connection, edustream_registry.local_copy, edustream_registry.publishing"

    done = subprocess.run(
        [sys.executable, "-c", f"import sys, {modules}; print('model_signing' in sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout == "False\n"
