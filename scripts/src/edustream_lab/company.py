"""A small company on one stage: a registry, a producer, consumers, and an administrator with the S3 key."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import boto3
import httpx
import yaml
from dotenv import dotenv_values

from edustream_lab.places import Checkout
from edustream_lab.processes import Finished, Program, ProgramFailed, Stage, free_port

REGISTRY_BUDGET_S: Final = 90.0
CONSUMER_BUDGET_S: Final = 60.0
POLL_INTERVAL_S: Final = "0.5"
# Worker processes take longer to start than the few folds of a quick training.
WITHOUT_WORKERS: Final = {"JOBLIB_MULTIPROCESSING": "0"}


class Consumer:
    """A consumer process, seen through HTTP."""

    def __init__(self, program: Program, port: int) -> None:
        self.program = program
        self.url = f"http://127.0.0.1:{port}"
        self._client = httpx.Client(base_url=self.url, timeout=10.0, trust_env=False)

    def get(self, path: str) -> httpx.Response:
        """GET a path."""
        return self._client.get(path)

    def post(self, path: str, document: Any) -> httpx.Response:
        """POST a JSON document to a path."""
        return self._client.post(path, json=document)

    def predict(self, row: dict[str, Any]) -> httpx.Response:
        """POST one row to /predict."""
        return self.post("/predict", row)

    def predict_batch(self, rows: Sequence[dict[str, Any]]) -> httpx.Response:
        """POST many rows to /predict/batch."""
        return self._client.post("/predict/batch", json={"rows": rows})

    def state(self) -> str | None:
        """The state that /health reports; None while nothing answers."""
        try:
            return str(self.get("/health").json()["state"])
        except (httpx.HTTPError, ValueError, KeyError):
            return None

    def version(self) -> str:
        """The version of the model that is being served."""
        return str(self.get("/model").json()["version"])

    def polls(self) -> int:
        """How often the consumer has looked at the registry since it started, by its own count."""
        return int(sum(map(float, re.findall(r"^edustream_polls_total\{.*\} (\S+)$", self.get("/metrics").text, re.M))))

    def wait_for_polls(self) -> None:
        """Wait until the consumer has looked at the registry as it is now."""
        # The first of two further looks may have been under way already.
        looks = self.polls() + 2
        self.wait_until(lambda: self.polls() >= looks, "polling")

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait until `condition()` holds; `ProgramFailed` if it never does."""
        self.program.wait_for(condition, what, CONSUMER_BUDGET_S)

    def stop(self) -> int:
        """End the process; its exit code."""
        self._client.close()
        return self.program.stop()


@dataclass(frozen=True, slots=True)
class Company:
    """Everything that the two teams and the administrator can do, each with the own key only.

    In a `quick` one the data scientist trains by `quick_config`, unless told otherwise, in one process.
    """

    checkout: Checkout
    stage: Stage
    home: Path
    quick: bool = False

    def start_registry(self, port: int = 0) -> Program:
        """Start a registry with its users and keys, and wait until it is ready."""
        for folder in ("artifact-registry", "repo-ml", "repo-api"):
            (self.home / folder).mkdir(parents=True, exist_ok=True)
        command = [self.checkout.registry_command, "serve", "--port", str(port), "--data", str(self.home / "data")]
        program = self.stage.start("registry", [*command, "--init", str(self.home)], cwd=self.home)
        program.wait_for(lambda: "Registry ready" in program.output, "ready", REGISTRY_BUDGET_S)
        return program

    def stop_registry(self) -> None:
        """End the registry's process."""
        self.stage.stop_all("registry")

    @property
    def registry_port(self) -> int:
        """The port of 127.0.0.1 where the registry answers."""
        return int(self.settings()["AWS_ENDPOINT_URL_S3"].rpartition(":")[2])

    def train(self, *arguments: str, repo: Path | None = None, echo: bool = False) -> Finished:
        """Run the data scientist's command, in the producer's repo or in a copy of it, by whose own code."""
        return self.start_training(*arguments, repo=repo).finish(echo=echo)

    def start_training(self, *arguments: str, who: str = "producer", repo: Path | None = None) -> Program:
        """Start the data scientist's command, whose release says that `who` published it."""
        python = self.checkout.python(self.checkout.producer)
        command = [python, "train_publish.py", "--env-file", str(self.home / "repo-ml" / ".env")]
        if self.quick and "--config" not in arguments:
            command += ["--config", str(self.quick_config(1))]
        command += ["--out", str(self.home / "release"), *arguments]
        variables = {"EDUSTREAM_WHO": who, **(WITHOUT_WORKERS if self.quick else {}), **code_of(repo)}
        return self.stage.start(who, command, cwd=repo or self.checkout.producer, variables=variables)

    def quick_config(self, seed: int, change: Callable[[dict[str, Any]], None] = lambda config: None) -> Path:
        """The producer's configuration with another seed, the quickest candidate alone, and a change to the rest."""
        source = self.checkout.producer / "configs" / "churn.yaml"
        config = yaml.safe_load(source.read_text())
        config["seed"] = seed
        config["data"]["path"] = str((source.parent / config["data"]["path"]).resolve())
        config["candidates"] = [c for c in config["candidates"] if c["estimator"] == "logistic_regression"]
        config["cross_validation"]["repeats"] = 1
        config["thresholds"] = {"roc_auc": 0.8}
        # Models of other seeds follow one another here, and none is to be refused for being a little worse.
        config["gates"] = {"champion": {"margin": 0.2}}
        change(config)
        target = self.home / f"churn-{seed}.yaml"
        target.write_text(yaml.safe_dump(config))
        return target

    def registry(self, *arguments: str, as_repo: str = "repo-ml", env_file: Path | None = None) -> Finished:
        """Run `edustream-registry` with the env file of one of the repos, or with another."""
        return self.registry_tool(*arguments, "--env-file", str(env_file or self.home / as_repo / ".env"))

    def registry_tool(self, *arguments: str) -> Finished:
        """Run `edustream-registry` where it needs no registry."""
        command = [self.checkout.registry_command, *arguments]
        return self.stage.run("registry-command", command, cwd=self.home, budget_s=60.0)

    def registry_json(self, *arguments: str) -> Any:
        """The JSON answer of `edustream-registry`."""
        done = self.registry(*arguments, "--json")
        if done.returncode:
            raise ProgramFailed(f"edustream-registry {' '.join(arguments)} ended with {done.returncode}: {done.output}")
        return json.loads(done.output)

    def serving(
        self, *arguments: str, cache: str = "cache", model: str = "churn@production", repo: Path | None = None
    ) -> Consumer:
        """A consumer that was started and is READY."""
        consumer = self.start_consumer(*arguments, cache=cache, model=model, repo=repo)
        consumer.wait_until(lambda: consumer.state() == "READY", "READY")
        return consumer

    def start_consumer(
        self,
        *arguments: str,
        cache: str = "cache",
        model: str = "churn@production",
        before: Sequence[str] = (),
        repo: Path | None = None,
    ) -> Consumer:
        """Start the backend developer's command in the background, and do not wait; `before` precedes it (taskset).

        It runs in the consumer's repo or in `repo`, a copy of it, by whose own code.
        """
        port = free_port()
        command = [*before, *self._serve(port, cache, model, *arguments)]
        program = self.stage.start("consumer", command, cwd=repo or self.checkout.consumer, variables=code_of(repo))
        return Consumer(program, port)

    def serve_to_the_end(self, *arguments: str, cache: str = "cache", model: str = "churn@production") -> Finished:
        """Run the backend developer's command where it is expected to stop by itself."""
        command = self._serve(free_port(), cache, model, *arguments)
        return self.stage.run("consumer", command, cwd=self.checkout.consumer, budget_s=CONSUMER_BUDGET_S)

    def settings(self, repo: str = "artifact-registry") -> dict[str, str]:
        """The variables in a repo's env file; the administrator's by default."""
        values = dotenv_values(self.home / repo / ".env")
        return {name: value for name, value in values.items() if value is not None}

    def s3(self, repo: str = "artifact-registry") -> Any:
        """An S3 client with a repo's own key; the administrator's by default."""
        settings = self.settings(repo)
        return boto3.client(
            "s3",
            endpoint_url=settings["AWS_ENDPOINT_URL_S3"],
            aws_access_key_id=settings["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=settings["AWS_SECRET_ACCESS_KEY"],
            region_name=settings["AWS_REGION"],
        )

    @property
    def bucket(self) -> str:
        """The registry's bucket."""
        return self.settings()["REGISTRY_URL"].removeprefix("s3://").partition("/")[0]

    def file_key(self, version: str, name: str) -> str:
        """The key of a file of a release of churn."""
        files = self.registry_json("show", f"churn@{version}")["manifest"]["content"]["files"]
        return f"models/churn/files/{next(file['sha256'] for file in files if file['name'] == name)}/{name}"

    def read(self, key: str) -> bytes:
        """An object of the bucket, as the administrator reads it."""
        return bytes(self.s3().get_object(Bucket=self.bucket, Key=key)["Body"].read())

    def write(self, key: str, data: bytes) -> None:
        """Write an object of the bucket as the administrator, whatever it holds."""
        self.s3().put_object(Bucket=self.bucket, Key=key, Body=data)

    def delete(self, key: str) -> None:
        """Delete an object of the bucket as the administrator."""
        self.s3().delete_object(Bucket=self.bucket, Key=key)

    def keys(self, prefix: str) -> list[str]:
        """The keys below a prefix, as the administrator sees them."""
        pages = self.s3().get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        return [row["Key"] for page in pages for row in page.get("Contents", ())]

    def example_row(self, model: str = "churn") -> dict[str, Any]:
        """A valid input row: the first example of the model's contract."""
        contract = json.loads((self.checkout.root / "contracts" / "models" / model / "contract.json").read_text())
        return dict(contract["input"]["examples"][0])

    def _serve(self, port: int, cache: str, model: str, *arguments: str) -> list[str]:
        repo = self.checkout.consumer
        return [
            *(self.checkout.python(repo), "serve_consume.py", "--model", model, "--port", str(port)),
            *("--env-file", str(self.home / "repo-api" / ".env"), "--cache-dir", str(self.home / cache)),
            *("--poll-interval-s", POLL_INTERVAL_S, *arguments),
        ]


def code_of(copy: Path | None) -> dict[str, str]:
    """What has an interpreter take a repo's own package from a copy of it; nothing where there is none."""
    return {"PYTHONPATH": str(copy / "src")} if copy else {}
