"""Friday's release is bad: golden vectors refuse one, shadow and drift reveal another, a rollback takes seconds."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
import time
from pathlib import Path
from typing import Any, Final

import yaml

from edustream_lab.company import POLL_INTERVAL_S, Company, Consumer
from edustream_lab.experiment import Experiment
from edustream_lab.load import Load
from edustream_lab.publication import publish_files, pull, released
from edustream_lab.teller import Teller

MODEL_FILE: Final = "model.onnx"
ROWS: Final = 1000
TOO_FEW_ROWS: Final = "too_few_rows"
MONTHS_OF_A_YEAR: Final = 12
AGREEMENT: Final = 0.95
"""Two models of the same customers agree on more: what the interval lies below is no accident."""
ESTIMATOR: Final = "histogram_gradient_boosting"
KEPT: Final = "kept  "
REFUSED: Final = "refused  "
"""How the producer's command says what became of a gate."""


def tell(company: Company, teller: Teller) -> None:
    """Tell it in a company whose registry holds churn@1.0.0 and 1.0.1, promoted by entries 1 and 2."""
    teller.step("thursday")
    consumer = company.serving("--shadow", "churn@candidate", "--shadow-sample", "1", "--wait")
    row = company.example_row()
    before = consumer.predict(row).json()
    teller.shows(json.dumps(before))
    teller.fact("thursday-answers", before["model_version"] == "1.0.1", before)
    customers = _customers(company)
    consumer.predict_batch(customers).raise_for_status()
    consumer.wait_until(lambda: consumer.get("/drift").json()["verdict"] != TOO_FEW_ROWS, "judging drift")
    drift = consumer.get("/drift").json()
    teller.fact("thursday-no-alarm", not drift["alarm"], drift, customers=len(customers))
    with Load(consumer.url, *customers) as load:
        _wrong_file(company, teller, consumer)
        version = _wrong_unit(company, teller, consumer, customers)
        _in_production(company, teller, consumer, version, customers)
        _roll_back(company, teller, consumer, load)
    teller.fact("same-answer", consumer.predict(row).json() == before)
    teller.fact("nobody-restarted", consumer.program.process.poll() is None)
    teller.fact("none-failed", load.failed == 0 and load.statuses[200], load.statuses, rollback_failed_percent=0)
    teller.measured("rollback_failed_percent", 0)
    consumer.stop()


def _wrong_file(company: Company, teller: Teller, consumer: Consumer) -> None:
    teller.step("wrong-file")
    folder, other = pull(company, "churn@1.0.1", "friday"), pull(company, "churn@1.0.0", "old")
    shutil.copy(other / MODEL_FILE, folder / MODEL_FILE)
    done = publish_files(company, folder, "1.0.2")
    teller.fact("wrong-file-released", released(done) == "1.0.2", done)
    company.registry("promote", "churn@1.0.2", "--to", "production", "--reason", "ready for the weekend")
    consumer.wait_until(lambda: consumer.get("/health").json()["last_refusal"] is not None, "refusing 1.0.2")
    refusal = consumer.get("/health").json()["last_refusal"]
    teller.shows(json.dumps({**refusal, "problems": refusal["problems"][:1]}, indent=2))
    teller.fact("golden-refuses", refusal["kind"] == "golden" and consumer.version() == "1.0.1", refusal)
    company.registry("rollback", "churn@production", "--reason", "not the model that was measured")


def _wrong_unit(company: Company, teller: Teller, consumer: Consumer, customers: list[dict[str, Any]]) -> str:
    teller.step("wrong-unit")
    data = company.home / "friday.csv"
    _state_tenure_in_years(company, data)
    done = company.train("--config", str(_one_candidate(company, data)), "--promote", "candidate")
    said = [line.strip() for line in done.output.splitlines()]
    gates = [line for line in said if line.startswith((KEPT, REFUSED))]
    teller.shows("\n".join(gates))
    version = str(company.registry_json("resolve", "churn@candidate")["version"])
    kept = done.returncode == 0 and gates and all(line.startswith(KEPT) for line in gates)
    teller.fact("gates-pass", kept, done, version=version, gates=len(gates))

    teller.step("shadow")
    consumer.wait_until(lambda: consumer.get("/shadow").json()["challenger"]["model_version"] == version, "shadowing")
    consumer.predict_batch(customers).raise_for_status()
    consumer.wait_until(lambda: (_comparison(consumer) or {"rows": 0})["rows"] >= ROWS, "comparing")
    comparison = _comparison(consumer)
    teller.shows(json.dumps({name: comparison[name] for name in ("rows", "agreement", "differences")}, indent=2))
    agreement, lower = comparison["agreement"], -comparison["differences"]["probability"]["mean"]
    teller.fact(
        "shadow-reveals",
        agreement["high"] < AGREEMENT and lower > 0,
        comparison,
        rows=comparison["rows"],
        percent=100 * (1 - agreement["share"]),
        lower=100 * lower,
    )
    teller.fact("shadow-changes-nothing", consumer.version() == "1.0.1", consumer.version())
    return version


def _in_production(
    company: Company, teller: Teller, consumer: Consumer, version: str, customers: list[dict[str, Any]]
) -> None:
    teller.step("promoted-all-the-same")
    company.registry("promote", f"churn@{version}", "--to", "production", "--reason", "ready for the weekend")
    consumer.wait_until(lambda: consumer.version() == version, f"swapped to {version}")
    teller.fact("swapped", consumer.state() == "READY", version=version)
    consumer.predict_batch(customers).raise_for_status()
    consumer.wait_until(lambda: consumer.get("/drift").json()["verdict"] == "major_shift", "reporting a shift")
    drift = consumer.get("/drift").json()
    field = drift["fields"]["tenure"]
    teller.shows(json.dumps({"tenure": {**field, "bins": "..."}}, indent=2))
    teller.fact("drift-reveals", drift["alarm"] and field["verdict"] == "major_shift", drift, index=float(field["psi"]))


def _roll_back(company: Company, teller: Teller, consumer: Consumer, load: Load) -> None:
    teller.step("rollback")
    answered = load.versions["1.0.1"]
    began = time.monotonic()
    done = company.registry("rollback", "churn@production", "--reason", "trained on tenure in years")
    consumer.wait_until(lambda: load.versions["1.0.1"] > answered, "answering with 1.0.1")
    seconds = time.monotonic() - began
    teller.shows(done.output)
    rolled_back = done.returncode == 0 and consumer.version() == "1.0.1"
    poll_ms = round(1000 * float(POLL_INTERVAL_S))
    teller.fact("rolled-back", rolled_back, done, rollback_s=seconds, poll_ms=poll_ms)
    teller.measured("rollback_s", seconds)


def _state_tenure_in_years(company: Company, path: Path) -> None:
    """Write the training data with the tenure in whole years, where the contract says months."""
    with (company.checkout.producer / "data" / "telco_churn.csv").open(newline="") as source:
        rows = csv.DictReader(source)
        with path.open("w", newline="") as target:
            stated = csv.DictWriter(target, list(rows.fieldnames or ()), lineterminator="\n")
            stated.writeheader()
            stated.writerows({**row, "tenure": int(row["tenure"]) // MONTHS_OF_A_YEAR} for row in rows)


def _one_candidate(company: Company, data: Path) -> Path:
    """The repo's own configuration for other data, with every threshold and gate; one kind of model is tried, once."""
    config = yaml.safe_load((company.checkout.producer / "configs" / "churn.yaml").read_text())
    config["data"] |= {"path": str(data), "sha256": hashlib.sha256(data.read_bytes()).hexdigest()}
    config["candidates"] = [one for one in config["candidates"] if one["estimator"] == ESTIMATOR]
    config["cross_validation"]["repeats"] = 1
    target = company.home / "friday.yaml"
    target.write_text(yaml.safe_dump(config))
    return target


def _customers(company: Company) -> list[dict[str, Any]]:
    """The first `ROWS` customers of the data, as the contract describes them."""
    contract = json.loads((company.checkout.root / "contracts" / "models" / "churn" / "contract.json").read_text())
    fields = contract["input"]["properties"]
    with (company.checkout.producer / "data" / "telco_churn.csv").open(newline="") as source:
        return [
            {name: _value(row[name], fields[name]["type"]) for name in fields}
            for row, _ in zip(csv.DictReader(source), range(ROWS), strict=False)
        ]


def _value(text: str, kind: str | list[str]) -> str | int | float | None:
    """A cell as a value of the contract's type."""
    if not text:
        return None
    if "string" in kind:
        return text
    return int(text) if "integer" in kind else float(text)


def _comparison(consumer: Consumer) -> Any:
    return consumer.get("/shadow").json()["comparison"]


EXPERIMENT: Final = Experiment("fridays-release", tell, releases=2)
