"""Break the contract: refused with a row that proves it, forced through as a new major, and who is reached by it."""

from __future__ import annotations

import json
from typing import Any, Final

from edustream_lab.company import Company
from edustream_lab.experiment import Experiment
from edustream_lab.monorepo import SHARED_CODE, Monorepo
from edustream_lab.processes import Finished
from edustream_lab.publication import publish_contract, released
from edustream_lab.teller import Teller

GATE: Final = 8
INCOMPATIBLE: Final = 5
CONSUMER: Final = "api"


def tell(company: Company, teller: Teller) -> None:
    """Tell it in a company whose registry holds churn@1.0.0."""
    _in_the_monorepo(company, teller)

    teller.step("consumers")
    pinned = company.serving(cache="cache-pinned", model="churn@^1")
    following = company.serving(cache="cache-following")
    row = company.example_row()
    before = pinned.predict(row).json()
    teller.fact("both-answer", following.predict(row).json() == before, before)
    following.wait_until(lambda: bool(following.get("/health").json()["needs"]["running"]), "stating its needs")
    teller.fact("needs-stated", company.keys(f"consumers/{CONSUMER}/"))

    manifest = company.registry_json("show", "churn@1.0.0")["manifest"]
    teller.measured("release_files", len(manifest["content"]["files"]))
    teller.measured("contract_fields", len(pinned.get("/contract").json()["input"]["properties"]))
    _refused(company, teller)
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
    teller.fact("pinned-stays", health["state"] == "READY" and health["last_refusal"] is None, health)
    teller.fact("pinned-answers-alike", pinned.predict(row).json() == before)
    stopped = company.serve_to_the_end(cache="cache-new")
    teller.shows(stopped.words)
    names = "region" in stopped.output
    teller.fact("new-stops", stopped.returncode == INCOMPATIBLE and names, stopped, code=INCOMPATIBLE)
    pinned.stop()
    following.stop()


def _in_the_monorepo(company: Company, teller: Teller) -> None:
    teller.step("monorepo")
    monorepo = Monorepo.write(company)
    data = monorepo.folder / "data" / "churn.csv"
    data.write_text(data.read_text().replace(",tenure,", ",months,", 1))
    monorepo.edit(SHARED_CODE, '"tenure"', '"months"')
    trained = monorepo.train()
    teller.shows(trained.output)
    api = monorepo.start_api()
    api.wait()
    teller.shows(api.program.output)
    teller.fact("monorepo-notices-nothing", trained.returncode == 0, trained)
    answer = api.answer(company.example_row())
    teller.shows(api.last_error)
    teller.fact("customer-notices", answer is None and "months" in api.last_error, api.program.output)
    api.program.stop()


def _refused(company: Company, teller: Teller) -> None:
    teller.step("rename-field")
    renamed = publish_contract(company, "renamed", _rename_a_field, "1.1.0")
    _is_refused(teller, renamed)
    teller.step("narrow-range")
    narrowed = publish_contract(company, "narrowed", _narrow_a_range, "1.1.0")
    _is_refused(teller, narrowed)
    teller.step("require-field")
    required = publish_contract(company, "required", _require_a_field, "1.1.0")
    _is_refused(teller, required)
    listed = company.registry_json("releases", "churn")
    teller.fact("nothing-written", "1.1.0" not in json.dumps(listed), listed)
    changes = (renamed, narrowed, required)
    teller.measured("breaking_changes", len(changes))
    teller.measured("breaking_changes_refused", sum(change.returncode == GATE for change in changes))


def _is_refused(teller: Teller, refused: Finished) -> None:
    teller.shows(refused.output)
    teller.fact("refused", refused.returncode == GATE and "2.0.0" in refused.output, refused, code=GATE)
    proof = "monthly_charges" in refused.output and "payment_method" in refused.output
    teller.fact("counterexample", proof, refused)


def _forced(company: Company, teller: Teller) -> None:
    teller.step("force")
    done = publish_contract(company, "forced", _require_a_field)
    teller.shows(done.output)
    teller.fact("new-major", released(done) == "2.0.0", done)
    refused = company.registry("promote", "churn@2.0.0", "--to", "production", "--reason", "we need the region")
    teller.shows(refused.output)
    teller.fact("who-breaks", refused.returncode == GATE and f"--break {CONSUMER}" in refused.output, refused)
    forced = company.registry(
        *("promote", "churn@2.0.0", "--to", "production", "--break", CONSUMER, "--reason", "we need the region")
    )
    teller.shows(forced.output)
    teller.fact("promoted", forced.returncode == 0, forced)


def _rename_a_field(contract: dict[str, Any]) -> None:
    fields = contract["input"]
    fields["properties"] = {"months" if name == "tenure" else name: said for name, said in fields["properties"].items()}
    fields["required"] = ["months" if name == "tenure" else name for name in fields["required"]]
    for example in fields["examples"]:
        example["months"] = example.pop("tenure")


def _narrow_a_range(contract: dict[str, Any]) -> None:
    contract["input"]["properties"]["tenure"]["maximum"] = 60


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
