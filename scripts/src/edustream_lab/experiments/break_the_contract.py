"""Break the contract: refused with a row that proves it, forced through as a new major, and who is reached by it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from dotenv import set_key

from edustream_lab.company import Company, Consumer
from edustream_lab.exit_codes import ExitCode
from edustream_lab.experiment import Experiment
from edustream_lab.monorepo import SHARED_CODE, Monorepo
from edustream_lab.processes import Finished
from edustream_lab.publication import publish_contract, publish_files, pull, released
from edustream_lab.teller import Teller

CONSUMER: Final = "api"
LONGEST_TENURE: Final = 60
NO_BUCKET: Final = "there-is-none"
EXAMPLE: Final = "counterexample of "


def tell(company: Company, teller: Teller) -> None:
    """Tell it in a company whose registry holds churn@1.0.0."""
    _in_the_monorepo(company, teller)

    teller.step("consumers")
    pinned = company.serving(cache="cache-pinned", model="churn@^1")
    following = company.serving(cache="cache-following")
    row = company.example_row()
    before = pinned.predict(row).json()
    teller.fact("both-answer", "prediction" in before and following.predict(row).json() == before, before)
    following.wait_until(lambda: bool(following.get("/health").json()["needs"]["running"]), "stating its needs")
    contract = pinned.get("/contract").json()
    listed = company.registry_json("needs", "list")
    stated = [one for one in listed["stated"] if one["consumer"] == CONSUMER and one["follows"] == "production"]
    fields = (set(contract["input"]["properties"]), set(contract["output"]["properties"]))
    teller.fact("needs-stated", [(set(one["sends"]), set(one["reads"])) for one in stated] == [fields], listed)

    _needed_first(company, teller, len(fields[0]))
    _refused(company, teller, pinned)
    _forced(company, teller)

    following.wait_until(lambda: following.get("/health").json()["last_refusal"] is not None, "refusing 2.0.0")
    refusal = following.get("/health").json()["last_refusal"]
    teller.shows(json.dumps(refusal, indent=2))
    teller.fact(
        "follower-keeps",
        refusal["kind"] == "contract" and following.version() == "1.0.0" and following.predict(row).json() == before,
        refusal,
    )
    pinned.wait_for_polls()
    health = pinned.get("/health").json()
    stays = pinned.version() == "1.0.0" and health["state"] == "READY"
    teller.fact("pinned-stays", stays and health["last_refusal"] is None, health)
    teller.fact("pinned-answers-alike", pinned.predict(row).json() == before)
    stopped = company.serve_to_the_end(cache="cache-new")
    teller.shows(stopped.words)
    told = stopped.returncode == ExitCode.INCOMPATIBLE and "region" in stopped.output
    teller.fact("new-stops", told, stopped, code=ExitCode.INCOMPATIBLE)
    pinned.stop()
    following.stop()


def _in_the_monorepo(company: Company, teller: Teller) -> None:
    teller.step("monorepo")
    monorepo = Monorepo.write(company)
    kinds = {path.suffix for path in monorepo.folder.rglob("*") if path.is_file()}
    data = monorepo.folder / "data" / "churn.csv"
    data.write_text(data.read_text().replace(",tenure,", ",months,", 1))
    monorepo.edit(SHARED_CODE, '"tenure"', '"months"')
    trained = monorepo.train()
    teller.shows(trained.output)
    api = monorepo.start_api()
    api.wait()
    teller.shows(api.program.output)
    teller.fact("monorepo-needs-nothing", trained.returncode == 0 and kinds == {".py", ".csv"}, kinds)
    silent = not any(word in trained.output + api.program.output for word in ("Warning", "Error"))
    teller.fact("monorepo-notices-nothing", trained.returncode == 0 and silent, (trained, api.program.output))
    answer = api.answer(company.example_row())
    teller.shows(api.last_error)
    teller.fact("customer-notices", answer is None and "months" in api.last_error, api.program.output)
    api.program.stop()


def _needed_first(company: Company, teller: Teller, fields: int) -> None:
    teller.step("needed-first")
    folder = pull(company, "churn@1.0.0", "pulled")
    without_key, without_bucket = (
        publish_files(company, folder, "1.0.1", _changed_env(company, name, value))
        for name, value in (("EDUSTREAM_SIGNING_KEY_FILE", ""), ("REGISTRY_URL", f"s3://{NO_BUCKET}"))
    )
    for done in (without_key, without_bucket):
        teller.shows("\n".join(done.output.splitlines()[-2:]))
    published = released(without_key) or released(without_bucket)
    teller.fact("no-key", not published and "nothing could be signed" in without_key.output, without_key)
    teller.fact("no-bucket", not published and NO_BUCKET in without_bucket.output, without_bucket)
    names = [file["name"] for file in company.registry_json("show", "churn@1.0.0")["manifest"]["content"]["files"]]
    held = "contract.json" in names and (folder / "contract.json").is_file()
    teller.fact("release-holds", held, names, release_files=len(names), contract_fields=fields)
    teller.measured("release_files", len(names))
    teller.measured("contract_fields", fields)


def _changed_env(company: Company, name: str, value: str) -> Path:
    """A copy of the producer's env file with another value of one variable."""
    env_file = company.home / "repo-ml" / f"{name}.env"
    shutil.copy(company.home / "repo-ml" / ".env", env_file)
    set_key(env_file, name, value)
    return env_file


def _refused(company: Company, teller: Teller, pinned: Consumer) -> None:
    teller.step("rename-field")
    renamed = publish_contract(company, "renamed", _rename_a_field, "1.1.0")
    _is_refused(teller, renamed, pinned, lambda row: "tenure" in row)
    teller.step("narrow-range")
    narrowed = publish_contract(company, "narrowed", _narrow_a_range, "1.1.0")
    _is_refused(teller, narrowed, pinned, lambda row: row["tenure"] > LONGEST_TENURE)
    teller.step("require-field")
    required = publish_contract(company, "required", _require_a_field, "1.1.0")
    _is_refused(teller, required, pinned, lambda row: "region" not in row)
    changes = (renamed, narrowed, required)
    refused = sum(change.returncode == ExitCode.GATE_REFUSED for change in changes)
    listed = company.registry_json("releases", "churn")
    teller.fact(
        "nothing-written",
        refused == len(changes) and "1.1.0" not in json.dumps(listed),
        listed,
        breaking_changes=len(changes),
        breaking_changes_refused=refused,
    )
    teller.measured("breaking_changes", len(changes))
    teller.measured("breaking_changes_refused", refused)


def _is_refused(teller: Teller, refused: Finished, pinned: Consumer, breaks: Callable[[dict[str, Any]], bool]) -> None:
    teller.shows(refused.output)
    told = refused.returncode == ExitCode.GATE_REFUSED and "2.0.0" in refused.output
    teller.fact("refused", told, refused, code=ExitCode.GATE_REFUSED)
    row = _counterexample(refused.output)
    # The consumer that serves 1.0.0 says what was valid, the change itself what is not any more.
    was_valid = pinned.predict(row).status_code == 200
    teller.fact("counterexample", was_valid and breaks(row), refused)


def _counterexample(words: str) -> dict[str, Any]:
    """The first row that a refusal shows; empty where it shows none."""
    shown = next((line for line in words.splitlines() if EXAMPLE in line), "")
    return dict(json.loads(shown.partition(": ")[2])) if shown else {}


def _forced(company: Company, teller: Teller) -> None:
    teller.step("force")
    done = publish_contract(company, "forced", _require_a_field)
    teller.shows(done.output)
    teller.fact("new-major", released(done) == "2.0.0", done)
    refused = company.registry("promote", "churn@2.0.0", "--to", "production", "--reason", "we need the region")
    teller.shows(refused.output)
    named = refused.returncode == ExitCode.GATE_REFUSED and f"--break {CONSUMER}" in refused.output
    teller.fact("who-breaks", named, refused)
    forced = company.registry(
        *("promote", "churn@2.0.0", "--to", "production", "--break", CONSUMER, "--reason", "we need the region")
    )
    teller.shows(forced.output)
    standing = company.registry_json("resolve", "churn@production")["version"]
    teller.fact("promoted", forced.returncode == ExitCode.DONE and standing == "2.0.0", forced)


def _rename_a_field(contract: dict[str, Any]) -> None:
    fields = contract["input"]
    fields["properties"] = {"months" if name == "tenure" else name: said for name, said in fields["properties"].items()}
    fields["required"] = ["months" if name == "tenure" else name for name in fields["required"]]
    for example in fields["examples"]:
        example["months"] = example.pop("tenure")


def _narrow_a_range(contract: dict[str, Any]) -> None:
    contract["input"]["properties"]["tenure"]["maximum"] = LONGEST_TENURE


def _require_a_field(contract: dict[str, Any]) -> None:
    fields = contract["input"]
    fields["properties"]["region"] = {
        "type": "string",
        "enum": ["north", "south"],
        "title": "Region",
        "description": "Where the customer lives",
    }
    fields["required"].append("region")
    for example in fields["examples"]:
        example["region"] = "north"


EXPERIMENT: Final = Experiment("break-the-contract", tell)
