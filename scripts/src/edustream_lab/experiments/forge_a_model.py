"""Forge a model: a changed byte, a wrong key, an old release offered as new, a pickle with code in it."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path
from typing import Any, Final

from edustream_lab.company import Company
from edustream_lab.experiment import Experiment
from edustream_lab.monorepo import Monorepo
from edustream_lab.publication import publish_files, pull, released
from edustream_lab.teller import Teller

REJECTED: Final = 4
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
    # With which exit code a consumer without a past meets each forgery.
    codes = [
        _changed_byte(company, teller),
        _wrong_key(company, teller),
        _old_as_new(company, teller),
        _pickle(company, teller),
    ]
    teller.measured("forgeries", len(codes))
    teller.measured("forgeries_refused", codes.count(REJECTED))


def _changed_byte(company: Company, teller: Teller) -> int:
    teller.step("changed-byte")
    key = company.file_key("1.0.1", MODEL_FILE)
    genuine = company.read(key)
    forged = bytearray(genuine)
    forged[len(forged) // 2] ^= 1
    company.write(key, bytes(forged))
    stopped = company.serve_to_the_end(cache="cache-byte")
    teller.shows(stopped.words)
    teller.fact("byte-refused", stopped.returncode == REJECTED and "SHA-256" in stopped.output, stopped, code=REJECTED)
    company.write(key, genuine)
    return stopped.returncode


def _wrong_key(company: Company, teller: Teller) -> int:
    teller.step("wrong-key")
    running = company.serving(cache="cache-running")
    forger = _forger(company)
    folder = pull(company, "churn@1.0.0", "forged")
    published = publish_files(company, folder, "1.0.2", forger)
    teller.fact("store-takes-it", released(published) == "1.0.2", published)
    company.registry("promote", "churn@1.0.2", "--to", "production", "--reason", "trust me", env_file=forger)
    running.wait_until(lambda: running.get("/health").json()["last_refusal"] is not None, "refusing the forged entry")
    refusal = running.get("/health").json()["last_refusal"]
    teller.shows(json.dumps(refusal, indent=2))
    teller.fact("key-refused", refusal["kind"] == "signature" and running.version() == "1.0.1", refusal)
    stopped = company.serve_to_the_end(cache="cache-key")
    teller.fact("key-stops-new", stopped.returncode == REJECTED, stopped, code=REJECTED)
    running.stop()
    for key in (f"{LOG}/000000000003.json", HEAD, "models/churn/releases/1.0.2.json"):
        company.delete(key)
    return stopped.returncode


def _old_as_new(company: Company, teller: Teller) -> int:
    teller.step("old-as-new")
    second = company.read(f"{LOG}/000000000002.json")
    company.delete(f"{LOG}/000000000002.json")
    remembers = company.serving(cache="cache-running")
    refusal = remembers.get("/health").json()["last_refusal"]
    teller.shows(json.dumps(refusal, indent=2))
    teller.fact("old-refused", refusal["kind"] == "rollback" and remembers.version() == "1.0.1", refusal)
    remembers.stop()
    fresh = company.serving(cache="cache-old")
    teller.fact("old-fools-newcomers", fresh.version() == "1.0.0", fresh.version())
    code = fresh.stop()
    trust = ("--trust-file", str(company.home / "repo-api" / "trust.json"))
    company.registry_tool("keys", "demand", "--max-entry-age-s", "1", *trust)
    stopped = company.serve_to_the_end(cache="cache-age")
    teller.shows(stopped.words)
    too_old = '"kind":"freeze"' in stopped.output
    teller.fact("age-protects", stopped.returncode == REJECTED and too_old, stopped, code=REJECTED)
    company.registry_tool("keys", "demand", "--any-age", *trust)
    company.write(f"{LOG}/000000000002.json", second)
    return code


def _pickle(company: Company, teller: Teller) -> int:
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
    folder = pull(company, "churn@1.0.1", "pickled")
    (folder / MODEL_FILE).write_bytes(code)
    published = publish_files(company, folder, "1.0.2")
    teller.fact("signed-by-the-right-key", released(published) == "1.0.2", published)
    company.registry("promote", "churn@1.0.2", "--to", "production", "--reason", "a stolen key")
    stopped = company.serve_to_the_end(cache="cache-pickle")
    teller.shows(stopped.words)
    no_model = "INVALID_PROTOBUF" in stopped.output
    teller.fact("pickle-refused", stopped.returncode == REJECTED and no_model, stopped, code=REJECTED)
    teller.fact("code-did-not-run", not mark.exists())
    return stopped.returncode


def _forger(company: Company) -> Path:
    """The env file of somebody who has the producer's access to the store, and a signing key that nobody trusts."""
    folder = company.home / "forger"
    folder.mkdir()
    company.registry_tool("keys", "generate", str(folder / "key.pem"))
    shutil.copy(company.home / "repo-ml" / "trust.json", folder / "trust.json")
    public = next(path for path in folder.glob("*.pem") if path.name != "key.pem")
    company.registry_tool("keys", "trust", str(public), "--trust-file", str(folder / "trust.json"))
    env_file = folder / ".env"
    settings = company.settings("repo-ml") | {
        "EDUSTREAM_TRUST_FILE": str(folder / "trust.json"),
        "EDUSTREAM_SIGNING_KEY_FILE": str(folder / "key.pem"),
    }
    env_file.write_text("".join(f"{name}='{value}'\n" for name, value in settings.items()))
    return env_file


EXPERIMENT: Final = Experiment("forge-a-model", tell, releases=2)
