"""Friday's release is bad: golden vectors refuse one, shadow and drift reveal another, a rollback takes seconds."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
import time
from pathlib import Path
from typing import Any, Final

from edustream_lab.company import Company, Consumer
from edustream_lab.experiment import Experiment
from edustream_lab.load import Load
from edustream_lab.publication import publish_files, pull, released
from edustream_lab.teller import Teller

MODEL_FILE: Final = "model.onnx"
ROWS: Final = 1000
FORGOTTEN: Final = "Month-to-month"


def tell(company: Company, teller: Teller) -> None:
    """Tell it in a company whose registry holds churn@1.0.0 and 1.0.1, promoted by entries 1 and 2."""
    teller.step("thursday")
    consumer = company.serving("--shadow", "churn@candidate", "--shadow-sample", "1", "--wait")
    row = company.example_row()
    before = consumer.predict(row).json()
    teller.shows(json.dumps(before))
    teller.fact("thursday-answers", before["model_version"] == "1.0.1", before)
    with Load(consumer.url, row) as load:
        _wrong_file(company, teller, consumer)
        version = _wrong_data(company, teller, consumer)
        _in_production(company, teller, consumer, version)
        _roll_back(company, teller, consumer, load)
    teller.fact("same-answer", consumer.predict(row).json() == before)
    teller.fact("nobody-restarted", consumer.program.process.poll() is None)
    teller.fact("none-failed", load.failed == 0, load.statuses, rollback_failed_percent=load.failed)
    teller.measured("rollback_failed_percent", load.failed)
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


def _wrong_data(company: Company, teller: Teller, consumer: Consumer) -> str:
    teller.step("wrong-data")
    data = company.home / "friday.csv"
    _forget_customers(company, data)

    def change(config: dict[str, Any]) -> None:
        config["data"]["path"] = str(data)
        config["data"]["sha256"] = hashlib.sha256(data.read_bytes()).hexdigest()
        config["thresholds"] = {"roc_auc": 0.7}

    done = company.train("--config", str(company.quick_config(5, change)), "--promote", "candidate")
    teller.shows("\n".join(done.output.splitlines()[-10:]))
    found = company.registry_json("resolve", "churn@candidate")
    teller.fact("gates-pass", done.returncode == 0, done, version=found["version"])

    teller.step("shadow")
    version = str(found["version"])
    consumer.wait_until(lambda: consumer.get("/shadow").json()["challenger"]["model_version"] == version, "shadowing")
    _ask_for_many(company, consumer)
    consumer.wait_until(lambda: (_comparison(consumer) or {"rows": 0})["rows"] >= ROWS, "comparing")
    comparison = _comparison(consumer)
    teller.shows(json.dumps({name: comparison[name] for name in ("rows", "agreement", "differences")}, indent=2))
    agreement = comparison["agreement"]["share"]
    teller.fact("shadow-reveals", agreement < 0.9, comparison, rows=comparison["rows"], percent=100 * agreement)
    teller.fact("shadow-changes-nothing", consumer.version() == "1.0.1", consumer.version())
    return version


def _in_production(company: Company, teller: Teller, consumer: Consumer, version: str) -> None:
    teller.step("promoted-all-the-same")
    company.registry("promote", f"churn@{version}", "--to", "production", "--reason", "ready for the weekend")
    consumer.wait_until(lambda: consumer.version() == version, f"swapped to {version}")
    teller.fact("swapped", consumer.state() == "READY", version=version)
    _ask_for_many(company, consumer)
    consumer.wait_until(lambda: consumer.get("/drift").json()["verdict"] == "major_shift", "reporting a shift")
    drift = consumer.get("/drift").json()
    field = drift["fields"]["contract"]
    teller.shows(json.dumps({"contract": {**field, "bins": "..."}}, indent=2))
    teller.fact("drift-reveals", drift["alarm"] and field["verdict"] == "major_shift", drift, index=float(field["psi"]))


def _roll_back(company: Company, teller: Teller, consumer: Consumer, load: Load) -> None:
    teller.step("rollback")
    answered = load.versions["1.0.1"]
    began = time.monotonic()
    done = company.registry("rollback", "churn@production", "--reason", "trained on a part of the customers")
    consumer.wait_until(lambda: load.versions["1.0.1"] > answered, "answering with 1.0.1")
    seconds = time.monotonic() - began
    teller.shows(done.output)
    teller.fact("rolled-back", done.returncode == 0 and consumer.version() == "1.0.1", done, rollback_s=seconds)
    teller.measured("rollback_s", seconds)


def _forget_customers(company: Company, path: Path) -> None:
    """Write the training data without the customers of one kind of contract."""
    with (company.checkout.producer / "data" / "telco_churn.csv").open(newline="") as source:
        rows = csv.DictReader(source)
        with path.open("w", newline="") as target:
            kept = csv.DictWriter(target, list(rows.fieldnames or ()), lineterminator="\n")
            kept.writeheader()
            kept.writerows(row for row in rows if row["contract"] != FORGOTTEN)


def _ask_for_many(company: Company, consumer: Consumer) -> None:
    """Ask for the churn of customers of all kinds, in one batch."""
    contract = json.loads((company.checkout.root / "contracts" / "models" / "churn" / "contract.json").read_text())
    fields = contract["input"]["properties"]
    with (company.checkout.producer / "data" / "telco_churn.csv").open(newline="") as source:
        rows = [
            {name: _value(row[name], fields[name]["type"]) for name in fields}
            for row, _ in zip(csv.DictReader(source), range(ROWS), strict=False)
        ]
    consumer.predict_batch(rows).raise_for_status()


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
