from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from edustream_contracts import resources
from edustream_contracts.contract import contract_names
from edustream_contracts.resources import CHECKOUT, documents, read_json

READ_FROM_WHEEL = """
import json, sys
sys.path.insert(0, sys.argv[1])
import edustream_contracts.resources as resources
from edustream_contracts.contract import contract_names, load_contract
assert sys.argv[1] in resources.__file__, resources.__file__
print(json.dumps([str(resources.documents()), contract_names(), load_contract("churn").digest]))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(target)]
    subprocess.run(command, cwd=CHECKOUT, check=True, capture_output=True)
    (built,) = target.glob("*.whl")
    return built


def test_in_a_checkout_the_documents_are_those_of_the_repository() -> None:
    assert documents() == CHECKOUT
    assert read_json("models", "churn", "contract.json")["model"] == "churn"


def test_documents_beside_the_code_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / "one.json").write_text('{"from": "the wheel"}')
    monkeypatch.setattr(resources, "PACKAGED", tmp_path)

    assert read_json("schemas", "one.json") == {"from": "the wheel"}


def test_a_document_that_is_not_there() -> None:
    with pytest.raises(FileNotFoundError):
        read_json("schemas", "nothing.schema.json")


def test_the_wheel_holds_every_document(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = {name: archive.read(name) for name in archive.namelist()}

    for folder in ("schemas", "models", "compatibility"):
        for path in (CHECKOUT / folder).rglob("*.json"):
            name = f"edustream_contracts/documents/{path.relative_to(CHECKOUT).as_posix()}"
            assert packed[name] == path.read_bytes()
    assert "edustream_contracts/py.typed" in packed


def test_the_installed_wheel_finds_its_documents(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)

    done = subprocess.run(
        [sys.executable, "-c", READ_FROM_WHEEL, str(tmp_path)], check=True, capture_output=True, text=True, cwd=tmp_path
    )

    found, names, digest = json.loads(done.stdout)
    assert found == str(tmp_path / "edustream_contracts" / "documents")
    assert names == contract_names()
    assert len(digest) == 64
