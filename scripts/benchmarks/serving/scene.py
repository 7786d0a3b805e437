"""The company that is measured: a registry, the promoted release, and another one of the same kind."""

from __future__ import annotations

import csv
import json
import subprocess
import time
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import httpx
import yaml
from figures import printed_json

from edustream_lab.company import Company, Consumer
from edustream_lab.processes import Finished, Program, ProgramFailed
from serving import cores
from serving.closed_loop import CONNECTIONS, Target
from serving.latencies import Load

BENCHMARKS: Final = Path(__file__).resolve().parents[1]
HERE: Final = Path(__file__).resolve().parent
POLL_INTERVAL_S: Final = 5.0
READY_BUDGET_S: Final = 120.0
BATCH_ROWS: Final = 1000
SIBLING_SEED: Final = 7


class Scene:
    """A registry whose `churn@production` is the trained model, and `churn@candidate` its sibling of another seed."""

    def __init__(self, company: Company, folder: Path) -> None:
        self.company = company
        self.folder = folder
        self.release = folder / "pulled"
        self.sibling = folder / "pulled-sibling"

    @property
    def consumer_python(self) -> str:
        """The interpreter of the consumer's environment."""
        return self.company.checkout.python(self.company.checkout.consumer)

    @property
    def producer_python(self) -> str:
        """The interpreter of the producer's environment."""
        return self.company.checkout.python(self.company.checkout.producer)

    @property
    def data(self) -> Path:
        """The producer's own data set."""
        return self.company.checkout.producer / "data" / "telco_churn.csv"

    def prepare(self) -> None:
        """Start the registry, train, and promote both releases. Raises `ProgramFailed`."""
        with cores.staying_on(cores.LOAD):
            self.company.start_registry()
        _require(self.company.train(), "training")
        _require(self.company.registry("pull", "churn@production", "--to", str(self.release)), "pulling")
        config = self.folder / "sibling.yaml"
        config.write_text(yaml.safe_dump(self._sibling_config()))
        _require(self.company.train("--config", str(config), "--promote", "candidate"), "training the sibling")
        _require(self.company.registry("pull", "churn@candidate", "--to", str(self.sibling)), "pulling the sibling")

    @cached_property
    def versions(self) -> tuple[str, str]:
        """The promoted release's version, and its sibling's."""
        first, second = (
            str(self.company.registry_json("resolve", f"churn@{channel}")["version"])
            for channel in ("production", "candidate")
        )
        return first, second

    @cached_property
    def chosen(self) -> str:
        """The label of the candidate that training chose."""
        return str(json.loads((self.release / "metrics.json").read_bytes())["chosen"])

    @cached_property
    def rows_file(self) -> Path:
        """A file with the rows of the data set, a JSON array."""
        file = self.folder / "all-rows.json"
        file.write_text(json.dumps(self.rows))
        return file

    @cached_property
    def rows(self) -> list[dict[str, Any]]:
        """The rows of the data set as a caller would send them; an empty cell is null."""
        fields = json.loads((self.release / "contract.json").read_bytes())["input"]["properties"]
        with self.data.open(newline="") as file:
            return [{name: _value(row[name], fields[name]) for name in fields} for row in csv.DictReader(file)]

    def start_consumer(self, *options: str, cache: str) -> Consumer:
        """A consumer of `churn@production` that has the server's core to itself and answers."""
        consumer = self.started(*options, cache=cache)
        consumer.wait_until(lambda: consumer.state() == "READY", "READY")
        return consumer

    def started(self, *options: str, cache: str) -> Consumer:
        """The same, without waiting."""
        polled = ("--poll-interval-s", str(POLL_INTERVAL_S))
        return self.company.start_consumer(*polled, *options, cache=cache, before=cores.on(cores.SERVER))

    def one_row(self, name: str, url: str) -> Target:
        """A target that is sent the contract's example."""
        return Target(name, f"{url}/predict", json.dumps(self.company.example_row()))

    def batch(self, name: str, url: str) -> Target:
        """A target that is sent the first rows of the data set at once."""
        return Target(name, f"{url}/predict/batch", json.dumps({"rows": self.rows[:BATCH_ROWS]}))

    def load(self, target: Target, rate: float, seconds: float) -> Load:
        """What a load of so many requests a second saw."""
        program = self.begin_load(target, rate, seconds)
        return program()

    def begin_load(self, target: Target, rate: float, seconds: float) -> Callable[[], Load]:
        """Begin such a load; what it saw is given to whoever calls the result, which waits for its end."""
        body, seen = self.folder / "body.json", self.folder / "load.json"
        body.write_text(target.body)
        command = [self.consumer_python, "-m", "serving.open_loop", target.url, str(body)]
        command += [str(rate), str(seconds), str(CONNECTIONS), str(seen)]
        program = self.company.stage.start("load", [*cores.on(cores.LOAD), *command], cwd=BENCHMARKS)

        def finish() -> Load:
            try:
                code = program.process.wait(seconds + READY_BUDGET_S)
            except subprocess.TimeoutExpired:
                raise ProgramFailed(
                    f"The load did not end within {READY_BUDGET_S:.0f} s more than it was to."
                ) from None
            if code:
                raise ProgramFailed(f"The load on {target.name} ended with {code}:\n{program.tail()}")
            return Load.read(seen)

        return finish

    def in_producer(self, script: str, *arguments: str, core: int = cores.SERVER) -> Any:
        """What a script of this folder printed as JSON, run in the producer's environment."""
        return printed_json([*cores.on(core), self.producer_python, str(HERE / script), *arguments], self.folder)

    def in_consumer(self, script: str, *arguments: str) -> Any:
        """What a script of this folder printed as JSON, run in the consumer's environment, on the server's core."""
        return printed_json(
            [*cores.on(cores.SERVER), self.consumer_python, str(HERE / script), *arguments], self.folder
        )

    def _sibling_config(self) -> Any:
        source = self.company.checkout.producer / "configs" / "churn.yaml"
        config = yaml.safe_load(source.read_text())
        config["seed"] = SIBLING_SEED
        config["data"]["path"] = str((source.parent / config["data"]["path"]).resolve())
        config["candidates"] = [one for one in config["candidates"] if self.chosen.startswith(one["estimator"])]
        config["cross_validation"] = {"folds": 2, "repeats": 1}
        config["thresholds"] = {"roc_auc": 0.8}
        # Models of other seeds follow one another here, and none is to be refused for being a little worse.
        config["gates"] = {"champion": {"margin": 0.2}}
        return config


def first_answer(target: Target, program: Program, budget_s: float = READY_BUDGET_S) -> float:
    """The moment (seconds of `time.perf_counter`) of the first success. Raises `ProgramFailed`."""
    deadline = time.perf_counter() + budget_s
    headers = {"content-type": "application/json"}
    with httpx.Client(trust_env=False, timeout=budget_s) as client:
        while program.process.poll() is None:
            try:
                answer = client.post(target.url, content=target.body, headers=headers)
            except httpx.TransportError:
                answer = None
            moment = time.perf_counter()
            if answer is not None and answer.is_success:
                return moment
            if moment > deadline:
                said = answer.text if answer is not None else "nothing"
                raise ProgramFailed(
                    f"{target.name} did not answer within {budget_s:.0f} s; last it said: {said}\n{program.tail()}"
                )
            time.sleep(0.002)
    raise ProgramFailed(f"{target.name} ended before it answered:\n{program.tail()}")


def _require(done: Finished, what: str) -> None:
    if done.returncode:
        raise ProgramFailed(f"The {what} failed:\n{done.output}")


def _value(cell: str, field: dict[str, Any]) -> Any:
    if cell == "":
        return None
    kinds = field["type"] if isinstance(field["type"], list) else [field["type"]]
    if "integer" in kinds:
        return int(cell)
    return float(cell) if "number" in kinds else cell
