"""The script for contract pull requests, on real repositories."""

from __future__ import annotations

import copy
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import contract_diff
import pytest

Run = Callable[..., tuple[int, str, str]]


class Team:
    """A repository with a folder of contracts, and a branch that changes them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.contracts = root / "contracts"
        self.contracts.mkdir(parents=True)
        self.git("init", "--quiet", "--initial-branch", "main")

    def git(self, *arguments: str) -> None:
        identity = ["-c", "user.name=Team", "-c", "user.email=team@example.org", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", "-C", str(self.root), *identity, *arguments], check=True, capture_output=True)

    def write(self, model: str, document: Any) -> None:
        folder = self.contracts / "models" / model
        folder.mkdir(parents=True, exist_ok=True)
        text = document if isinstance(document, str) else json.dumps({**document, "model": model})
        (folder / "contract.json").write_text(text)

    def commit(self) -> None:
        self.git("add", ".")
        self.git("commit", "--quiet", "--allow-empty", "--message", "A change")


@pytest.fixture
def team(tmp_path: Path, churn_document: dict[str, Any]) -> Team:
    team = Team(tmp_path / "team")
    team.write("churn", churn_document)
    team.commit()
    team.git("checkout", "--quiet", "-b", "change")
    return team


@pytest.fixture
def run(team: Team, capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: str) -> tuple[int, str, str]:
        code = contract_diff.main(["--contracts", str(team.contracts), "--base", "main", *arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def test_nothing_changed(run: Run) -> None:
    assert run() == (0, "churn: identical (input identical, output identical)\n", "")


def test_a_compatible_change_passes_with_its_reason(team: Team, run: Run, churn_document: dict[str, Any]) -> None:
    churn_document["input"]["properties"]["tenure"]["maximum"] = 150
    team.write("churn", churn_document)

    code, out, err = run()

    assert (code, err) == (0, "")
    assert "churn: compatible (input compatible, output identical)" in out
    assert "compatible  maximum-raised      /input/properties/tenure/maximum" in out


def test_a_breaking_change_is_stopped_with_its_counterexample(
    team: Team, run: Run, churn_document: dict[str, Any]
) -> None:
    churn_document["input"]["properties"]["tenure"]["maximum"] = 100
    churn_document["input"]["properties"]["monthly_charges"]["x-unit"] = "EUR/month"
    team.write("churn", churn_document)
    team.commit()

    code, out, err = run()

    assert code == 8
    assert "breaking    maximum-lowered     /input/properties/tenure/maximum" in out
    assert "valid under the old contract alone:" in out
    assert '"tenure": 101' in out
    assert "read in another way now:" in out
    assert err.startswith("churn: the change breaks those who built upon the contract.\nNext: ")
    assert max(map(len, out.splitlines())) <= 118


def test_breaking_is_allowed_as_a_stated_intention(team: Team, run: Run, churn_document: dict[str, Any]) -> None:
    del churn_document["output"]["properties"]["probability"]
    churn_document["output"]["required"].remove("probability")
    del churn_document["output"]["examples"][0]["probability"]
    team.write("churn", churn_document)

    assert run()[0] == 8
    code, out, err = run("--allow-breaking")
    assert (code, err) == (0, "")
    assert "valid under the new contract alone:" in out


def test_json(team: Team, run: Run, churn_document: dict[str, Any]) -> None:
    churn_document["input"]["properties"]["tenure"]["minimum"] = 1
    team.write("churn", churn_document)

    code, out, _ = run("--json")
    (change,) = json.loads(out)

    assert code == 8
    assert (change["model"], change["verdict"], change["input"], change["output"]) == (
        "churn",
        "breaking",
        "breaking",
        "identical",
    )
    (reason,) = change["reasons"]
    assert reason["rule"] == "minimum-raised"
    assert reason["before"] == {"minimum": 0}
    assert reason["after"] == {"minimum": 1}
    assert reason["counterexample"]["tenure"] == 0


def test_a_new_contract_has_nobody_to_break(team: Team, run: Run, churn_document: dict[str, Any]) -> None:
    team.write("fraud", churn_document)

    code, out, _ = run()

    assert code == 0
    assert "fraud: a new contract; nobody built upon it yet\n" in out


def test_a_removed_contract_breaks(team: Team, run: Run) -> None:
    (team.contracts / "models" / "churn" / "contract.json").unlink()

    code, out, err = run()

    assert (code, out) == (8, "churn: removed; whoever built upon it has nothing left\n")
    assert "churn" in err
    assert json.loads(run("--json", "--allow-breaking")[1])[0]["verdict"] == "removed"


def test_without_contracts(team: Team, run: Run) -> None:
    team.git("rm", "-r", "--quiet", "contracts")
    team.git("commit", "--quiet", "--message", "Away with it")
    team.git("branch", "--force", "main", "HEAD")
    team.contracts.mkdir(exist_ok=True)

    assert run() == (0, "There are no contracts.\n", "")


def test_what_the_base_did_since_is_not_blamed_on_the_branch(
    team: Team, run: Run, churn_document: dict[str, Any]
) -> None:
    wider = copy.deepcopy(churn_document)
    wider["input"]["properties"]["tenure"]["maximum"] = 200
    team.git("checkout", "--quiet", "main")
    team.write("churn", wider)
    team.commit()
    team.git("checkout", "--quiet", "change")

    assert run()[1].startswith("churn: identical")


def test_every_problem_of_every_contract_in_the_tree(team: Team, run: Run, churn_document: dict[str, Any]) -> None:
    churn_document["input"]["properties"]["tenure"].update(minimum=9, maximum=8)
    team.write("churn", churn_document)
    team.write("fraud", "{")
    team.write("spam", json.dumps(json.loads((team.contracts / "models/churn/contract.json").read_text())))

    code, out, err = run()

    assert (code, out) == (2, "")
    assert "models/churn/contract.json#/input/properties/tenure/maximum: admits nothing" in err
    assert "models/fraud/contract.json#: is no JSON" in err
    assert "models/spam/contract.json#/input/properties/tenure/maximum" in err


def test_a_contract_in_the_wrong_folder(team: Team, run: Run, churn_document: dict[str, Any]) -> None:
    team.write("fraud", json.dumps(churn_document))

    code, _, err = run()

    assert code == 2
    assert "models/fraud/contract.json#/model: is 'churn' in the folder of 'fraud'" in err


def test_a_contract_that_was_outside_the_profile(team: Team, run: Run, churn_document: dict[str, Any]) -> None:
    broken = copy.deepcopy(churn_document)
    broken["input"]["properties"]["tenure"]["multipleOf"] = 2
    team.write("churn", broken)
    team.commit()
    team.git("branch", "--force", "main", "HEAD")
    team.write("churn", churn_document)

    code, out, _ = run()

    assert code == 8
    assert "churn: the contract at the merge base is outside the profile" in out
    assert "/input/properties/tenure/multipleOf: is not a field of the contract" in out
    assert run("--allow-breaking")[0] == 0


@pytest.mark.parametrize("base", ["nowhere", "--all", ""])
def test_an_unknown_base(run: Run, base: str) -> None:
    code, out, err = run(f"--base={base}")

    assert (code, out) == (2, "")
    assert f"no merge base of {base!r}" in err
    assert "--base" in err.splitlines()[-1]


def test_a_folder_whose_name_is_no_text(team: Team, run: Run, churn_document: dict[str, Any]) -> None:
    odd = team.contracts / "models" / os.fsdecode(b"odd-\xff")
    odd.mkdir()
    (odd / "contract.json").write_text(json.dumps(churn_document))
    team.commit()
    team.git("branch", "--force", "main", "HEAD")

    code, _, err = run()
    assert code == 2
    assert "is 'churn' in the folder of 'odd-" in err

    shutil.rmtree(odd)
    code, out, _ = run()
    assert code == 8
    assert "odd-\\udcff: removed" in out


def test_a_base_that_cannot_be_read(team: Team, run: Run) -> None:
    asked = ["git", "-C", str(team.root), "hash-object", "contracts/models/churn/contract.json"]
    found = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()
    (team.root / ".git" / "objects" / found[:2] / found[2:]).unlink()

    code, out, err = run()

    assert (code, out) == (2, "")
    assert "cannot be read in" in err
    assert "models/churn/contract.json" in err


def test_a_history_without_common_commit(team: Team, run: Run) -> None:
    team.git("checkout", "--quiet", "--orphan", "elsewhere")
    (team.root / "another").touch()
    team.commit()

    code, _, err = run()

    assert code == 2
    assert "the histories have no commit in common" in err


def test_outside_a_repository(tmp_path: Path, run: Run) -> None:
    (tmp_path / "loose").mkdir()

    code, _, err = run("--contracts", str(tmp_path / "loose"))

    assert code == 2
    assert "not a git repository" in err


def test_a_folder_that_is_not_there(tmp_path: Path, run: Run) -> None:
    code, _, err = run("--contracts", str(tmp_path / "nothing"))

    assert code == 2
    assert "Next:" in err


def test_without_git(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    code, _, err = run()

    assert code == 2
    assert "no program git" in err
