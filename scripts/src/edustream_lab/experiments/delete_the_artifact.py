"""Delete the artifact: the model's file, the release's manifest, the channel's entry, and see who notices."""

from __future__ import annotations

import json
from typing import Any, Final

from edustream_lab.company import Company, Consumer
from edustream_lab.exit_codes import ExitCode
from edustream_lab.experiment import Experiment
from edustream_lab.monorepo import Monorepo
from edustream_lab.processes import Finished
from edustream_lab.publication import publish_files, pull
from edustream_lab.teller import Teller

MODEL_FILE: Final = "model.onnx"
FILES: Final = "models/churn/files/"
MANIFEST: Final = "models/churn/releases/1.0.0.json"
ENTRY: Final = "models/churn/channels/production/log/000000000001.json"
STACK_TRACE: Final = "Traceback (most recent call last)"


def tell(company: Company, teller: Teller) -> None:
    """Tell it in a company whose registry holds churn@1.0.0, promoted by the first entry of its channel."""
    _in_the_monorepo(company, teller)
    running, answer = _serve(company, teller)
    waiting, model = _delete_the_file(company, teller, running, answer)
    _publish_again(company, teller, waiting, model)
    _delete_the_manifest(company, teller, running, answer)
    _delete_the_entry(company, teller, running, answer)
    waiting.stop()


def _in_the_monorepo(company: Company, teller: Teller) -> None:
    teller.step("monorepo")
    monorepo = Monorepo.write(company)
    monorepo.train()
    api = monorepo.start_api()
    api.wait()
    row = company.example_row()
    before = api.probability(row)
    monorepo.model.unlink()
    after = api.probability(row)
    teller.fact("monorepo-goes-on", after == before, (before, after))
    api.program.stop()
    broken = monorepo.start_api().program.finish()
    teller.shows(broken.output)
    told = STACK_TRACE in broken.output and "FileNotFoundError" in broken.output
    teller.fact("monorepo-breaks", broken.returncode == 1 and told, broken, code=broken.returncode)


def _serve(company: Company, teller: Teller) -> tuple[Consumer, Any]:
    teller.step("serve")
    running = company.serving(cache="cache-running")
    answer = running.predict(company.example_row())
    teller.shows(answer.text)
    teller.fact("served", answer.status_code == 200 and running.state() == "READY", answer.text)
    return running, answer.json()


def _delete_the_file(company: Company, teller: Teller, running: Consumer, answer: Any) -> tuple[Consumer, bytes]:
    teller.step("delete-file")
    key = company.file_key("1.0.0", MODEL_FILE)
    model = company.read(key)
    company.delete(key)
    teller.fact("file-gone", key not in company.keys(FILES), key)
    _goes_on(company, teller, running, answer)

    teller.step("new-consumer")
    stopped = company.serve_to_the_end(cache="cache-new")
    _stops(teller, stopped)
    teller.fact("names-file", MODEL_FILE in stopped.output and key in stopped.output, stopped)
    teller.fact("says-next", "publish the release again" in stopped.output, stopped)
    again = company.serve_to_the_end(cache="cache-running")
    teller.fact("copy-obeys", again.returncode == stopped.returncode, again)

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
    return waiting, model


def _publish_again(company: Company, teller: Teller, waiting: Consumer, model: bytes) -> None:
    teller.step("publish-again")
    done = company.train()
    teller.shows("\n".join(done.output.splitlines()[-12:]))
    checked = company.registry("check", "churn@1.0.0")
    same = company.read(company.file_key("1.0.0", MODEL_FILE)) == model
    whole = checked.returncode == ExitCode.DONE and "every digest right" in checked.output
    teller.fact("same-file", done.returncode == ExitCode.DONE and same and whole, (done, checked))
    waiting.wait_until(lambda: waiting.state() == "READY", "READY")
    answer = waiting.predict(company.example_row())
    teller.shows(answer.text)
    teller.fact("healed", answer.status_code == 200, answer.text)
    teller.fact("same-process", waiting.program.process.poll() is None)


def _delete_the_manifest(company: Company, teller: Teller, running: Consumer, answer: Any) -> None:
    teller.step("delete-manifest")
    pulled = pull(company, "churn@1.0.0", "pulled")
    files = company.keys(FILES)
    manifest = company.read(MANIFEST)
    company.delete(MANIFEST)
    _goes_on(company, teller, running, answer)
    _stops(teller, company.serve_to_the_end(cache="cache-new"))
    left = company.keys(FILES)
    teller.fact("files-without-release", left == files and not _releases(company), left, files=len(left))
    refused = publish_files(company, pulled)
    teller.shows(refused.output)
    told = "1.0.0 (production) is not in the registry" in refused.output and "state the next major" in refused.output
    teller.fact(
        "not-made-again",
        refused.returncode == ExitCode.GATE_REFUSED and told and not _releases(company),
        refused,
        code=ExitCode.GATE_REFUSED,
    )
    company.write(MANIFEST, manifest)
    checked = company.registry("check", "churn@production")
    signed = "manifest of churn@1.0.0 signed by" in checked.output
    teller.fact("backup-heals", checked.returncode == ExitCode.DONE and signed, checked)


def _delete_the_entry(company: Company, teller: Teller, running: Consumer, answer: Any) -> None:
    teller.step("delete-entry")
    company.delete(ENTRY)
    _goes_on(company, teller, running, answer)
    stopped = company.serve_to_the_end(cache="cache-new")
    teller.shows(stopped.words)
    teller.fact(
        "nothing-promoted",
        stopped.returncode == ExitCode.NOTHING_TO_SERVE and "Nothing was promoted" in stopped.output,
        stopped,
    )
    exact = company.registry("check", "churn@1.0.0")
    may = "churn@1.0.0 may be deployed" in exact.output
    teller.fact("release-whole", exact.returncode == ExitCode.DONE and may, exact)

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
    told = refusal is not None and "was replaced by another one" in refusal["fact"]
    teller.fact("memory-refuses", told and refusal["kind"] == "mix_and_match", refusal)
    same = remembers.predict(company.example_row())
    teller.fact("memory-serves-copy", same.status_code == 200 and same.json() == answer, same.text)
    remembers.stop()


def _stops(teller: Teller, stopped: Finished) -> None:
    teller.shows(stopped.words)
    controlled = stopped.returncode == ExitCode.NOTHING_TO_SERVE and STACK_TRACE not in stopped.output
    teller.fact("stops", controlled, stopped, code=ExitCode.NOTHING_TO_SERVE)


def _goes_on(company: Company, teller: Teller, running: Consumer, before: Any) -> None:
    running.wait_for_polls()
    answer = running.predict(company.example_row())
    same = answer.status_code == 200 and answer.json() == before
    teller.fact("goes-on", same and running.state() == "READY", answer.text)


def _releases(company: Company) -> list[str]:
    """The keys of the manifests of churn."""
    return company.keys("models/churn/releases/")


EXPERIMENT: Final = Experiment("delete-the-artifact", tell)
