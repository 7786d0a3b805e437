from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import REPOSITORY

from edustream_contracts.canonical import sha256_hex
from edustream_contracts.contract import contract_from, parse_contract
from edustream_contracts.errors import InvalidInput
from edustream_ml import release
from edustream_ml.cards import data_card, model_card
from edustream_ml.provenance import code_version, lock_digest
from edustream_ml.release import write_release
from edustream_ml.training import Training
from edustream_registry.manifest import ReleaseContent

EXPECTED = {
    "calibration.png",
    "contract.json",
    "data_card.md",
    "feature_importance.png",
    "golden.json",
    "metrics.json",
    "model.onnx",
    "model_card.md",
    "precision_recall.png",
    "profile.json",
    "report.html",
    "roc.png",
}


def test_a_release_holds_every_file_and_describes_it(small_release: tuple[ReleaseContent, Path]) -> None:
    content, folder = small_release
    assert {file.name for file in content.files} == EXPECTED
    assert {path.name for path in folder.iterdir()} == EXPECTED
    for file in content.files:
        assert sha256_hex((folder / file.name).read_bytes()) == file.sha256
    contract = parse_contract((folder / "contract.json").read_bytes())
    assert contract.digest == content.contract_digest
    assert [tensor.columns for tensor in content.inputs] == [contract.numeric, contract.categorical]
    assert content.outputs.classes == ("No", "Yes")
    assert content.data.rows == 600
    assert content.thresholds.keys() <= content.metrics.keys()


def test_two_processes_write_the_same_bytes(repository: Path, small_release: tuple[ReleaseContent, Path]) -> None:
    out = repository / "release"
    seed = "0" if sys.flags.hash_randomization else "1"
    environment = {**os.environ, "PYTHONHASHSEED": seed, "HOME": str(repository), "TMPDIR": str(repository)}
    environment.pop("ORT_DISABLE_TELEMETRY", None)
    command = [sys.executable, "train_publish.py", "--dry-run", "--out", str(out)]
    done = subprocess.run(command, cwd=repository, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "DRY RUN COMPLETE" in done.stdout
    here, there = (
        {path.name: sha256_hex(path.read_bytes()) for path in folder.iterdir()} for folder in (small_release[1], out)
    )
    assert here == there
    assert set(there) == EXPECTED
    assert not list(repository.rglob("*onnxruntime*")), "ONNX Runtime's telemetry keeps its identity and queue there"


def test_the_cards_name_units_thresholds_and_missing_cells(small_release: tuple[ReleaseContent, Path]) -> None:
    model, data = ((small_release[1] / name).read_text(encoding="utf-8") for name in ("model_card.md", "data_card.md"))
    features, answer = model.split("## Features")[1].split("## Answer")
    tenure = "| `tenure` | Whole months that the customer has been with the company | month |"
    assert f"{tenure} a whole number from 0 to 120 |\n" in features
    assert "| What the customer is billed each month | USD/month | a number from 0 to 500 |" in features
    assert '| `internet_service` | Kind of internet connection |  | one of "DSL", "Fiber optic", "No" |' in features
    assert '| `prediction` | Yes when the customer is expected to leave |  | one of "No", "Yes" |' in answer
    assert "| `probability` | Estimated probability that the customer leaves |  | a number from 0 to 1 |" in answer
    assert re.search(rf"{re.escape(tenure)} a whole number from 0 to 120 \| 0 to 72, median 28\.50 \| 0 \|\n", data)
    assert "| ROC AUC |" in model
    assert "| at least 0.6 | yes |" in model
    assert "charges_per_month_of_tenure" in model
    assert re.search(r"\| USD \| a number from 0 to 60000 or null \| .+, median .+ \| 1 \|", data)
    assert '| one of "DSL", "Fiber optic", "No" | Fiber optic ' in data
    assert "None: every column is a feature or the target." in data


def test_texts_of_the_contract_do_not_break_the_cards_tables(small_training: Training) -> None:
    document = json.loads(json.dumps(small_training.plan.contract.document))
    tenure = {"type": "integer", "description": "Months | as\nbilled", "x-unit": "a|b", "exclusiveMinimum": -1}
    document["input"]["properties"]["tenure"] = tenure
    document["output"]["properties"]["probability"]["x-unit"] = "share"
    plan = replace(small_training.plan, contract=contract_from(document))
    report = small_training.report()
    row = r"| `tenure` | Months \| as billed | a\|b | a whole number above -1 |"
    assert row in model_card(report, plan)
    assert row in data_card(report, plan)
    assert "customer leaves | share | a number from 0 to 1 |" in model_card(report, plan)


def test_a_folder_that_cannot_be_written_is_named(
    small_training: Training, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(release, "release_files", lambda training: {"model.onnx": training.onnx})
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(InvalidInput, match="cannot be written to"):
        write_release(small_training, tmp_path / "file" / "release", REPOSITORY)


def test_outside_git_the_commit_is_unknown(tmp_path: Path) -> None:
    assert code_version(tmp_path).commit == "unknown"
    assert code_version(tmp_path / "nowhere").commit == "unknown"


def test_inside_git_the_commit_and_changes_are_told(tmp_path: Path) -> None:
    git = ["git", "-C", str(tmp_path), "-c", "user.name=t", "-c", "user.email=t@example.org"]
    subprocess.run([*git, "init", "-q"], check=True)
    (tmp_path / "a").write_text("a", encoding="utf-8")
    subprocess.run([*git, "add", "a"], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "a"], check=True)
    version = code_version(tmp_path)
    assert re.fullmatch(r"[0-9a-f]{40}", version.commit)
    assert not version.dirty
    (tmp_path / "a").write_text("b", encoding="utf-8")
    assert code_version(tmp_path).dirty


def test_the_lock_file_is_recorded(tmp_path: Path) -> None:
    assert lock_digest(tmp_path) == sha256_hex(b"")
    (tmp_path / "requirements.lock").write_bytes(b"numpy==2")
    assert lock_digest(tmp_path) == sha256_hex(b"numpy==2")


def test_git_gives_back_every_byte_whose_digest_counts(tmp_path: Path) -> None:
    """Whoever writes CRLF, as Python's csv module and Excel do, commits CRLF: the digest is that of the file."""
    folder = tmp_path / "project" / "repo-ml"
    files = ("data/rows.csv", "configs/loan.yaml", "requirements.lock")
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"a,b\r\n1,2\r\n")
    (folder.parent / ".gitattributes").write_text("* text=auto eol=lf\n", encoding="utf-8")
    (folder / ".gitattributes").write_bytes((REPOSITORY / ".gitattributes").read_bytes())
    git = ["git", "-C", str(folder.parent), "-c", "user.name=t", "-c", "user.email=t@example.org"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "data"]):
        subprocess.run([*git, *command], check=True)
    subprocess.run([*git, "clone", "-q", ".", str(tmp_path / "clone")], check=True)
    assert {(tmp_path / "clone" / "repo-ml" / name).read_bytes() for name in files} == {b"a,b\r\n1,2\r\n"}
