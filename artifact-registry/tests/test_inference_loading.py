from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from conftest import refusal

from edustream_contracts.contract import ModelContract, contract_from
from edustream_contracts.errors import Incompatible, InvalidInput, Rejected
from edustream_registry.inference.loading import prove_directory
from edustream_registry.manifest import ModelOutputs, ReleaseContent
from edustream_registry.testing.onnx_models import tenure_golden, tenure_model
from edustream_registry.testing.simulator import write_release


@pytest.fixture
def proved(release_dir: Path, contract: ModelContract) -> ReleaseContent:
    return write_release(release_dir, contract, tenure_model(contract), tenure_golden(contract))


def test_a_release_that_answers_as_recorded_is_proved(proved: ReleaseContent, release_dir: Path) -> None:
    assert prove_directory(proved, release_dir) == 3


@pytest.mark.parametrize("name", ["model.onnx", "contract.json", "golden.json"])
def test_other_bytes_than_those_described_are_refused(proved: ReleaseContent, release_dir: Path, name: str) -> None:
    path = release_dir / name
    path.write_bytes(path.read_bytes() + b" ")
    error, kind, text = refusal(lambda: prove_directory(proved, release_dir))
    assert (error, kind) == (Rejected, "digest")
    assert str(path) in text


@pytest.mark.parametrize("name", ["model.onnx", "contract.json", "golden.json"])
def test_a_file_that_is_not_there_is_named(proved: ReleaseContent, release_dir: Path, name: str) -> None:
    (release_dir / name).unlink()
    error, kind, text = refusal(lambda: prove_directory(proved, release_dir))
    assert (error, kind) == (InvalidInput, "argument")
    assert str(release_dir / name) in text
    files = tuple(file for file in proved.files if file.name != name)
    error, kind, text = refusal(lambda: prove_directory(proved.model_copy(update={"files": files}), release_dir))
    assert (error, kind) == (Rejected, "malformed")
    assert f"has no {name}" in text


@pytest.mark.parametrize(("name", "most"), [("contract.json", 1024 * 1024), ("golden.json", 8 * 1024 * 1024)])
def test_a_document_that_is_too_large_is_refused_before_it_is_read(
    proved: ReleaseContent, release_dir: Path, name: str, most: int
) -> None:
    (release_dir / name).unlink()
    files = tuple(file.model_copy(update={"size": most + 1}) if file.name == name else file for file in proved.files)
    error, kind, text = refusal(lambda: prove_directory(proved.model_copy(update={"files": files}), release_dir))
    assert (error, kind) == (Rejected, "malformed")
    assert f"{name} of the release of churn has {most + 1} bytes; at most {most} are allowed" in text


def test_a_contract_that_is_not_the_release_s_is_refused(proved: ReleaseContent, release_dir: Path) -> None:
    error, kind, _ = refusal(lambda: prove_directory(proved.model_copy(update={"model": "weather"}), release_dir))
    assert (error, kind) == (Rejected, "mix_and_match")
    other = proved.model_copy(update={"contract_digest": "0" * 64})
    error, kind, _ = refusal(lambda: prove_directory(other, release_dir))
    assert (error, kind) == (Rejected, "digest")


def test_a_contract_outside_the_profile_is_refused_with_its_places(release_dir: Path, contract: ModelContract) -> None:
    document = {**contract.document, "golden_tolerance": 2}
    content = write_release(release_dir, ModelContract(document))
    error, kind, text = refusal(lambda: prove_directory(content, release_dir))
    assert (error, kind) == (Rejected, "malformed")
    assert "/golden_tolerance" in text


def test_tensors_that_disagree_are_incompatible(proved: ReleaseContent, release_dir: Path) -> None:
    strange = proved.model_copy(update={"outputs": ModelOutputs(label="lable")})
    error, kind, _ = refusal(lambda: prove_directory(strange, release_dir))
    assert (error, kind) == (Incompatible, "tensors")


def test_the_tolerance_is_the_contract_s(release_dir: Path, contract: ModelContract) -> None:
    shifted: list[Mapping[str, Any]] = [
        {**row, "output": {**row["output"], "probability": row["output"]["probability"] + 1e-3}}
        for row in tenure_golden(contract)
    ]
    content = write_release(release_dir, contract, tenure_model(contract), shifted)
    error, kind, text = refusal(lambda: prove_directory(content, release_dir))
    assert (error, kind) == (Rejected, "golden")
    assert "0.001 apart, 1e-05 allowed" in text
    wide = contract_from({**contract.document, "golden_tolerance": 0.01})
    assert prove_directory(write_release(release_dir, wide, tenure_model(wide), shifted), release_dir) == 3
