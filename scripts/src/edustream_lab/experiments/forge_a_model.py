"""Forge a model: a changed byte, a wrong key, an old release offered as new, a pickle with code in it."""

from __future__ import annotations

import json
import pickle
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from edustream_lab.company import Company, Consumer
from edustream_lab.exit_codes import ExitCode
from edustream_lab.experiment import Experiment
from edustream_lab.monorepo import Monorepo
from edustream_lab.processes import ProgramFailed
from edustream_lab.publication import publish_files, pull, released
from edustream_lab.teller import Teller

MODEL_FILE: Final = "model.onnx"
LOG: Final = "models/churn/channels/production/log"
HEAD: Final = "models/churn/channels/production/HEAD"


class CodeInAPickle:
    """Writes a file wherever it is unpickled: any code could stand there."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.mark,))


def tell(company: Company, teller: Teller) -> None:
    """Tell it in a company whose registry holds churn@1.0.0 and 1.0.1, promoted by entries 1 and 2."""
    running = company.serving(cache="cache-running")
    before = running.predict(company.example_row()).json()
    # With which exit code a consumer without a past meets each forgery.
    codes = [
        _changed_byte(company, teller, running, before),
        _wrong_key(company, teller, running),
        _old_as_new(company, teller),
        _pickle(company, teller, before),
    ]
    refused = codes.count(ExitCode.REJECTED)
    teller.step("all")
    teller.fact("newcomer-refuses", refused == len(codes) - 1, codes, forgeries=len(codes), forgeries_refused=refused)
    teller.measured("forgeries", len(codes))
    teller.measured("forgeries_refused", refused)


def _changed_byte(company: Company, teller: Teller, running: Consumer, before: Any) -> int:
    teller.step("changed-byte")
    key = company.file_key("1.0.1", MODEL_FILE)
    genuine = company.read(key)
    forged = bytearray(genuine)
    forged[len(forged) // 2] ^= 1
    company.write(key, bytes(forged))
    stopped = company.serve_to_the_end(cache="cache-byte")
    teller.shows(stopped.words)
    told = stopped.returncode == ExitCode.REJECTED and "SHA-256" in stopped.output
    teller.fact("byte-refused", told, stopped, code=ExitCode.REJECTED)
    running.wait_for_polls()
    answer = running.predict(company.example_row())
    teller.fact("byte-harms-nobody", answer.status_code == 200 and answer.json() == before, answer.text)
    company.write(key, genuine)
    return stopped.returncode


def _wrong_key(company: Company, teller: Teller, running: Consumer) -> int:
    teller.step("wrong-key")
    forger = _forger(company)
    folder = pull(company, "churn@1.0.0", "forged")
    published = publish_files(company, folder, "1.0.2", forger)
    promoted = company.registry(
        *("promote", "churn@1.0.2", "--to", "production", "--reason", "trust me"), env_file=forger
    )
    entry, manifest = f"{LOG}/000000000003.json", "models/churn/releases/1.0.2.json"
    taken = entry in company.keys(LOG) and manifest in company.keys("models/churn/releases/")
    teller.fact("store-takes-it", released(published) == "1.0.2" and taken, (published, promoted))
    running.wait_until(lambda: running.get("/health").json()["last_refusal"] is not None, "refusing the forged entry")
    refusal = running.get("/health").json()["last_refusal"]
    teller.shows(json.dumps(refusal, indent=2))
    teller.fact("key-refused", refusal["kind"] == "signature" and running.version() == "1.0.1", refusal)
    stopped = company.serve_to_the_end(cache="cache-key")
    teller.fact("key-stops-new", stopped.returncode == ExitCode.REJECTED, stopped, code=ExitCode.REJECTED)
    running.stop()
    for key in (entry, HEAD, manifest):
        company.delete(key)
    return stopped.returncode


def _old_as_new(company: Company, teller: Teller) -> int:
    teller.step("old-as-new")
    second = _taken_away(company, 2)
    remembers = company.serving(cache="cache-running")
    refusal = remembers.get("/health").json()["last_refusal"]
    teller.shows(json.dumps(refusal, indent=2))
    teller.fact("old-refused", refusal["kind"] == "rollback" and remembers.version() == "1.0.1", refusal)
    remembers.stop()
    fresh = company.serving(cache="cache-old")
    teller.fact("old-fools-newcomers", fresh.version() == "1.0.0", fresh.version())
    code = fresh.stop()

    teller.step("young-entries")
    company.write(*second)
    age_s = _age_of_the_last_entry_s(company)
    trust = ("--trust-file", str(company.home / "repo-api" / "trust.json"))
    company.registry_tool("keys", "demand", "--max-entry-age-s", str(age_s), *trust)
    renewed = company.registry("promote", "churn@1.0.1", "--to", "production", "--renew", "--reason", "still good")
    teller.shows(renewed.output)
    young = company.serving(cache="cache-young")
    teller.fact("young-is-served", young.version() == "1.0.1", young.version(), seconds=age_s)
    young.stop()
    kept = [_taken_away(company, number) for number in (2, 3)]
    stopped = company.serve_to_the_end(cache="cache-age")
    teller.shows(stopped.words)
    too_old = stopped.returncode == ExitCode.REJECTED and '"kind":"freeze"' in stopped.output
    teller.fact("age-protects", too_old, stopped, code=ExitCode.REJECTED)
    company.registry_tool("keys", "demand", "--any-age", *trust)
    for key, entry in kept:
        company.write(key, entry)
    return code


def _taken_away(company: Company, number: int) -> tuple[str, bytes]:
    """Delete an entry of the channel; its key and what it held."""
    key = f"{LOG}/{number:012d}.json"
    entry = company.read(key)
    company.delete(key)
    return key, entry


def _age_of_the_last_entry_s(company: Company) -> int:
    """How many whole seconds ago the channel was moved last."""
    last = company.registry_json("history", "churn@production")[0]
    return int((datetime.now(UTC) - datetime.fromisoformat(last["promoted_at"])).total_seconds())


def _pickle(company: Company, teller: Teller, before: Any) -> int:
    teller.step("pickle-monorepo")
    mark = company.home / "the-code-ran"
    code = pickle.dumps(CodeInAPickle(mark))
    monorepo = Monorepo.write(company)
    monorepo.model.parent.mkdir()
    monorepo.model.write_bytes(code)
    api = monorepo.start_api()
    api.wait()
    teller.shows(api.program.output)
    teller.fact("code-ran", mark.exists())
    api.program.stop()
    mark.unlink()

    teller.step("pickle-multirepo")
    running = company.serving(cache="cache-running")
    folder = pull(company, "churn@1.0.1", "pickled")
    (folder / MODEL_FILE).write_bytes(code)
    published = publish_files(company, folder, "1.0.2")
    promoted = company.registry("promote", "churn@1.0.2", "--to", "production", "--reason", "a stolen key")
    checked = company.registry("check", "churn@production")
    teller.shows(checked.output)
    signed = "manifest of churn@1.0.2 signed by" in checked.output and promoted.returncode == ExitCode.DONE
    teller.fact("signed-by-the-right-key", released(published) == "1.0.2" and signed, (published, promoted, checked))
    stopped = company.serve_to_the_end(cache="cache-pickle")
    teller.shows(stopped.words)
    no_model = stopped.returncode == ExitCode.REJECTED and "INVALID_PROTOBUF" in stopped.output
    teller.fact("pickle-refused", no_model, stopped, code=ExitCode.REJECTED)
    running.wait_until(lambda: running.get("/health").json()["last_refusal"] is not None, "refusing the pickle")
    refusal = running.get("/health").json()["last_refusal"]
    answer = running.predict(company.example_row())
    same = answer.status_code == 200 and answer.json() == before
    teller.fact("pickle-harms-nobody", same and "INVALID_PROTOBUF" in json.dumps(refusal), (refusal, answer.text))
    teller.fact("code-did-not-run", not mark.exists())
    running.stop()
    return stopped.returncode


def _forger(company: Company) -> Path:
    """The env file of somebody who has the producer's access to the store, and a signing key that nobody trusts."""
    folder = company.home / "forger"
    folder.mkdir()
    generated = company.registry_tool("keys", "generate", str(folder / "key.pem"))
    shutil.copy(company.home / "repo-ml" / "trust.json", folder / "trust.json")
    public = [path for path in folder.glob("*.pem") if path.name != "key.pem"]
    if len(public) != 1:
        raise ProgramFailed(f"edustream-registry keys generate wrote no public key: {generated.output}")
    company.registry_tool("keys", "trust", str(public[0]), "--trust-file", str(folder / "trust.json"))
    env_file = folder / ".env"
    settings = company.settings("repo-ml") | {
        "EDUSTREAM_TRUST_FILE": str(folder / "trust.json"),
        "EDUSTREAM_SIGNING_KEY_FILE": str(folder / "key.pem"),
    }
    env_file.write_text("".join(f"{name}='{value}'\n" for name, value in settings.items()))
    return env_file


EXPERIMENT: Final = Experiment("forge-a-model", tell, releases=2)
