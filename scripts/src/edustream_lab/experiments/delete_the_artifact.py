"""Delete the artifact: the model's file, the release's manifest, the channel's entry, and see who notices."""

from __future__ import annotations

import json
from typing import Final

from edustream_lab.company import Company, Consumer
from edustream_lab.experiment import Experiment
from edustream_lab.publication import publish_files, pull
from edustream_lab.teller import Teller

NO_RELEASE: Final = 3
GATE: Final = 8
MODEL_FILE: Final = "model.onnx"
MANIFEST: Final = "models/churn/releases/1.0.0.json"
ENTRY: Final = "models/churn/channels/production/log/000000000001.json"


def tell(company: Company, teller: Teller) -> None:
    """Tell it in a company whose registry holds churn@1.0.0, promoted by the first entry of its channel."""
    running = _serve(company, teller)
    waiting = _delete_the_file(company, teller, running)
    _publish_again(company, teller, waiting)
    _delete_the_manifest(company, teller, running)
    _delete_the_entry(company, teller, running)
    waiting.stop()


def _serve(company: Company, teller: Teller) -> Consumer:
    teller.step("serve")
    running = company.serving(cache="cache-running")
    answer = running.predict(company.example_row())
    teller.shows(answer.text)
    teller.fact("served", answer.status_code == 200, answer.text)
    return running


def _delete_the_file(company: Company, teller: Teller, running: Consumer) -> Consumer:
    teller.step("delete-file")
    key = company.file_key("1.0.0", MODEL_FILE)
    company.delete(key)
    teller.shows(f"deleted s3://{company.bucket}/{key}")
    teller.fact("file-gone", key not in company.keys("models/churn/files/"))
    _goes_on(company, teller, running)

    teller.step("new-consumer")
    stopped = company.serve_to_the_end(cache="cache-new")
    teller.shows(stopped.words)
    teller.fact("stops", stopped.returncode == NO_RELEASE, stopped, code=NO_RELEASE)
    teller.fact("names-file", MODEL_FILE in stopped.output and key in stopped.output, stopped)
    teller.fact("says-next", "publish the release again" in stopped.output, stopped)
    again = company.serve_to_the_end(cache="cache-running")
    teller.fact("copy-obeys", again.returncode == NO_RELEASE, again)

    teller.step("waiting-consumer")
    waiting = company.start_consumer("--wait", cache="cache-waiting")
    waiting.wait_until(lambda: waiting.state() == "NO_RELEASE", "NO_RELEASE")
    live, ready = waiting.get("/health/live"), waiting.get("/health/ready")
    refused = waiting.predict(company.example_row())
    teller.shows(json.dumps(refused.json(), indent=2))
    teller.fact(
        "alive-not-ready",
        (live.status_code, ready.status_code, refused.status_code) == (200, 503, 503)
        and refused.json()["reason"] == "NO_RELEASE",
        refused.text,
    )
    return waiting


def _publish_again(company: Company, teller: Teller, waiting: Consumer) -> None:
    teller.step("publish-again")
    done = company.train()
    teller.shows("\n".join(done.output.splitlines()[-12:]))
    teller.fact("same-file", done.returncode == 0, done)
    waiting.wait_until(lambda: waiting.state() == "READY", "READY")
    answer = waiting.predict(company.example_row())
    teller.shows(answer.text)
    teller.fact("healed", answer.status_code == 200, answer.text)
    teller.fact("same-process", waiting.program.process.poll() is None)


def _delete_the_manifest(company: Company, teller: Teller, running: Consumer) -> None:
    teller.step("delete-manifest")
    pulled = pull(company, "churn@1.0.0", "pulled")
    manifest = company.read(MANIFEST)
    company.delete(MANIFEST)
    teller.shows(f"deleted s3://{company.bucket}/{MANIFEST}")
    _goes_on(company, teller, running)
    stopped = company.serve_to_the_end(cache="cache-new")
    teller.shows(stopped.words)
    teller.fact("stops", stopped.returncode == NO_RELEASE, stopped, code=NO_RELEASE)
    files = company.keys("models/churn/files/")
    teller.fact("files-without-release", files and not company.keys("models/churn/releases/"), files, files=len(files))
    refused = publish_files(company, pulled)
    teller.shows(refused.output)
    teller.fact("not-made-again", refused.returncode == GATE, refused, code=GATE)
    company.write(MANIFEST, manifest)
    checked = company.registry("check", "churn@production")
    teller.fact("backup-heals", checked.returncode == 0, checked)


def _delete_the_entry(company: Company, teller: Teller, running: Consumer) -> None:
    teller.step("delete-entry")
    company.delete(ENTRY)
    teller.shows(f"deleted s3://{company.bucket}/{ENTRY}")
    _goes_on(company, teller, running)
    stopped = company.serve_to_the_end(cache="cache-new")
    teller.shows(stopped.words)
    teller.fact(
        "nothing-promoted", stopped.returncode == NO_RELEASE and "Nothing was promoted" in stopped.output, stopped
    )
    exact = company.registry("check", "churn@1.0.0")
    teller.fact("release-whole", exact.returncode == 0, exact)

    teller.step("promote-again")
    promoted = company.registry("promote", "churn@1.0.0", "--to", "production", "--reason", "the entry was deleted")
    teller.shows(promoted.output)
    fresh = company.serving(cache="cache-fresh")
    teller.fact("fresh-serves", fresh.version() == "1.0.0", fresh.version())
    fresh.stop()
    running.stop()
    remembers = company.serving(cache="cache-running")
    refusal = remembers.get("/health").json()["last_refusal"]
    teller.shows(json.dumps(refusal, indent=2))
    teller.fact("memory-refuses", refusal is not None and refusal["kind"] == "mix_and_match", refusal)
    answer = remembers.predict(company.example_row())
    teller.fact("memory-serves-copy", answer.status_code == 200, answer.text)
    remembers.stop()


def _goes_on(company: Company, teller: Teller, running: Consumer) -> None:
    running.wait_for_polls()
    answer = running.predict(company.example_row())
    teller.fact("goes-on", answer.status_code == 200 and running.state() == "READY", answer.text)


EXPERIMENT: Final = Experiment("delete-the-artifact", tell)
