"""The contract changes: what protects the backend developer from a data scientist's change, and the other way round."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from edustream_lab.company import Company
from edustream_lab.exit_codes import ExitCode
from edustream_lab.narrator import Narrator
from edustream_lab.processes import Finished
from edustream_lab.publication import publish_contract, released

CONSUMER: Final = "api"
CONSUMER_CODE: Final = """\
from pathlib import Path
from pydantic import ValidationError
from churn_types import ChurnInput
try:
    print("accepted:", ChurnInput.model_validate_json(Path("row.json").read_text()).tenure)
except ValidationError as error:
    print("refused:", *(one["loc"][0] for one in error.errors()))
"""


def change_the_contract(company: Company, narrator: Narrator) -> None:
    """Tell the story in a company whose registry runs and holds no release.

    Raises `ClaimFailed` for a fact that is none, `ProgramFailed` for a program that misbehaves.
    """
    narrator.title("The contract changes: who is protected from whom")
    _first_release(company, narrator)
    _wider(company, narrator)
    counterexample = _narrower(company, narrator)
    _consumer_is_asked(company, narrator)
    _types(company, narrator, counterexample)


def _first_release(company: Company, narrator: Narrator) -> None:
    narrator.step("A release, and a consumer that says what it needs of it")
    done = publish_contract(company, "first", lambda contract: None)
    narrator.fact("The contract of churn is released as 1.0.0.", released(done) == "1.0.0", done)
    _moved(company, narrator, "1.0.0")
    stated = company.registry("needs", "add", "churn@production", "--reads", "prediction", as_repo="repo-api")
    narrator.shows(stated.output)
    narrator.fact(
        "The consumer signs what it sends and reads, with its own key and its own prefix of the bucket.",
        stated.returncode == 0 and bool(company.keys(f"consumers/{CONSUMER}/")),
        stated,
    )


def _wider(company: Company, narrator: Narrator) -> None:
    narrator.step("The data scientist admits longer contracts: tenure up to 168 months instead of 120")
    done = publish_contract(company, "wider", lambda contract: _set_longest_tenure(contract, 168))
    narrator.shows(done.output)
    narrator.fact("Whoever sent valid rows still does, so the version is 1.1.0.", released(done) == "1.1.0", done)
    asked = company.registry("check", "churn@1.1.0", "--to", "production")
    narrator.shows(asked.output)
    narrator.fact("The registry says that it may be promoted.", asked.returncode == 0, asked)
    _moved(company, narrator, "1.1.0")


def _narrower(company: Company, narrator: Narrator) -> dict[str, Any]:
    narrator.step("Next the data scientist admits at most 60 months, and calls that 1.2.0")
    refused = publish_contract(company, "narrower", lambda contract: _set_longest_tenure(contract, 60), "1.2.0")
    narrator.shows(refused.output)
    narrator.fact(
        "It is refused before anything is written, with the right version and a row that shows why.",
        refused.returncode == ExitCode.GATE_REFUSED
        and "2.0.0" in refused.output
        and '"tenure"' in refused.output.replace("'", '"'),
        refused,
    )
    narrator.fact("Nothing was released.", "1.2.0" not in company.registry("releases", "churn").output)
    done = publish_contract(company, "narrower", lambda contract: _set_longest_tenure(contract, 60))
    narrator.shows(done.output)
    narrator.fact("Left to itself, the registry takes 2.0.0.", released(done) == "2.0.0", done)
    narrator.shows(company.registry("diff", "churn@1.1.0", "churn@2.0.0").output)
    compared = company.registry_json("diff", "churn@1.1.0", "churn@2.0.0")
    counterexample = _counterexample(compared)
    narrator.fact(
        "The difference names the keyword, calls it breaking, and shows a row that was valid and is not any more.",
        compared["contract"]["verdict"] == "breaking"
        and "/input/properties/tenure/maximum" in json.dumps(compared)
        and 60 < counterexample["tenure"] <= 168,
        compared,
    )
    return counterexample


def _consumer_is_asked(company: Company, narrator: Narrator) -> None:
    narrator.step("May 2.0.0 be promoted?")
    asked = company.registry("check", "churn@2.0.0", "--to", "production")
    narrator.fact(
        "The registry says no, and names the consumer that would break.",
        asked.returncode == ExitCode.GATE_REFUSED and CONSUMER in asked.output,
        asked,
    )
    refused = company.registry("promote", "churn@2.0.0", "--to", "production", "--reason", "it is more accurate")
    narrator.shows(refused.output)
    narrator.fact(
        "The promotion is refused, and says who would break.",
        refused.returncode == ExitCode.GATE_REFUSED and f"--break {CONSUMER}" in refused.output,
        refused,
    )
    standing = company.registry_json("resolve", "churn@production")["version"]
    narrator.fact("The channel stays at 1.1.0.", standing == "1.1.0", standing)


def _types(company: Company, narrator: Narrator, counterexample: dict[str, Any]) -> None:
    narrator.step("The backend developer generates types for both majors, and moves")
    for major, expected in (("1", f"accepted: {counterexample['tenure']}"), ("2", "refused: tenure")):
        folder = company.home / f"types-{major}"
        done = company.registry("types", f"churn@^{major}", "--output", str(folder), as_repo="repo-api")
        narrator.fact(
            f"Types of churn@^{major} are written for Python and TypeScript.",
            done.returncode == 0 and {path.name for path in folder.iterdir()} == {"churn_types.py", "churn.d.ts"},
            done,
        )
        used = _used(company, folder, counterexample)
        narrator.shows(used.output)
        narrator.fact(
            f"ChurnInput of {major} says the same of that row as the contract.", used.output.strip() == expected, used
        )
    agreed = company.registry(
        *("promote", "churn@2.0.0", "--to", "production", "--break", CONSUMER, "--reason", "agreed with the API team")
    )
    narrator.shows(agreed.output)
    narrator.fact("With the consumer named, 2.0.0 is promoted.", agreed.returncode == 0, agreed)


def _set_longest_tenure(contract: dict[str, Any], months: int) -> None:
    contract["input"]["properties"]["tenure"]["maximum"] = months


def _moved(company: Company, narrator: Narrator, version: str) -> None:
    done = company.registry("promote", f"churn@{version}", "--to", "production")
    narrator.fact(f"The channel production points at {version}.", done.returncode == 0, done)


def _counterexample(compared: Any) -> dict[str, Any]:
    """The first counterexample in what `diff --json` says."""
    found = (reason["counterexample"] for reason in compared["contract"]["reasons"])
    return dict(next(filter(None, found)))


def _used(company: Company, folder: Path, row: dict[str, Any]) -> Finished:
    """Run a small program of the consumer's that puts a row into the generated class."""
    (folder / "use.py").write_text(CONSUMER_CODE)
    (folder / "row.json").write_text(json.dumps(row))
    return company.stage.run(
        "consumer-code", [company.checkout.python(company.checkout.consumer), "use.py"], cwd=folder
    )
