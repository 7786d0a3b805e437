"""`make bench`: against MLflow, an empty endpoint, boto3's own transfers, and a registry with few releases.

Everything is measured side by side, A B A B, in one run; what is written are ratios of medians, with the seconds and
requests behind them.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import httpx
from environments import python_of
from figures import Figure, figure, printed, printed_json, timed
from record import machine, report, say, versions
from scale import Growth, LargeFiles

from edustream_lab.company import Company
from edustream_lab.places import Checkout
from edustream_lab.processes import ProgramFailed, Stage, free_port, stage

HERE: Final = Path(__file__).resolve().parent
ROOT: Final = HERE.parents[1]
REPEATS: Final = 3
LOAD_SECONDS: Final = 4
LOAD_ROUNDS: Final = 3
CONNECTIONS: Final = 8
READY_BUDGET_S: Final = 60.0
REPLAY_BUDGET_MS: Final = 50.0
VERDICT_BUDGET_MS: Final = 50.0


class Bench:
    """One run on one throwaway company."""

    def __init__(self, company: Company, folder: Path, mlflow: Path) -> None:
        self.company = company
        self.folder = folder
        self.mlflow = mlflow
        self.data = company.checkout.producer / "data" / "telco_churn.csv"
        self.release = folder / "pulled"

    def publishing(self) -> list[Figure]:
        """Publishing an exported release, against MLflow's log-and-register."""
        ours, sklearn, onnx = [], [], []
        python = self.company.checkout.python(self.company.checkout.producer)
        env_file = str(self.company.home / "repo-ml" / ".env")
        log = [str(self.mlflow), str(HERE / "mlflow_log.py"), str(self.data), str(self.folder)]
        for _ in range(REPEATS):
            ours.append(printed([python, str(HERE / "publish_release.py"), str(self.release), env_file], self.folder))
            sklearn.append(printed([*log, "sklearn"], self.folder))
            onnx.append(printed([*log, "onnx", str(self.release / "model.onnx")], self.folder))
        return [
            figure("publish and promote / MLflow log and register (scikit-learn)", ours, sklearn, "s", "<= 0.2"),
            figure("publish and promote / MLflow log and register (the same ONNX file)", ours, onnx, "s", "<= 0.2"),
        ]

    def start_up(self) -> list[Figure]:
        """From process start to first prediction, against the imports alone and against MLflow's registry."""
        python = self.company.checkout.python(self.company.checkout.consumer)
        load = [str(self.mlflow), str(HERE / "mlflow_load.py"), str(self.data), str(self.folder)]
        imports, ours, theirs = [], [], []
        for number in range(REPEATS):
            imports.append(timed([python, str(HERE / "imports_only.py")], self.company.checkout.consumer))
            ours.append(self._first_prediction(f"cache-{number}"))
            theirs.append(timed(load, self.folder))
        return [
            figure("consumer start to first prediction, cold / imports alone", ours, imports, "s", "<= 1.5"),
            figure(
                "consumer start to first prediction, cold / MLflow load from its registry", ours, theirs, "s", "<= 0.25"
            ),
        ]

    def _first_prediction(self, cache: str) -> float:
        row = self.company.example_row()
        began = time.perf_counter()
        consumer = self.company.start_consumer(cache=cache)
        while True:
            try:
                answer = consumer.predict(row)
            except httpx.TransportError:
                if time.perf_counter() - began > READY_BUDGET_S:
                    raise ProgramFailed(
                        f"No prediction within {READY_BUDGET_S:.0f} s:\n{consumer.program.tail()}"
                    ) from None
                continue
            took = time.perf_counter() - began
            if answer.status_code != 200:
                raise ProgramFailed(f"The first prediction failed: {answer.text}")
            consumer.stop()
            return took

    def replaying(self) -> list[Figure]:
        """The golden vectors of the pulled release, as before a swap, against the time that is allowed."""
        python = self.company.checkout.python(self.company.checkout.consumer)
        replayed = printed_json([python, str(HERE / "golden_replay.py"), str(self.release)], self.folder)
        name = f"golden replay of {replayed['rows']} rows / allowed"
        return [figure(name, replayed["milliseconds"], [REPLAY_BUDGET_MS], "ms", "<= 1")]

    def comparing(self) -> list[Figure]:
        """The verdict on two contracts every field of which breaks, against the time that is allowed."""
        python = self.company.checkout.python(self.company.checkout.consumer)
        compared = printed_json([python, str(HERE / "compare_contracts.py")], self.folder)
        if compared["counterexamples"] != compared["fields"]:
            raise ProgramFailed(f"The verdict shows {compared['counterexamples']} of {compared['fields']} breaks.")
        name = f"verdict on two contracts of {compared['fields']} fields / allowed"
        return [figure(name, compared["milliseconds"], [VERDICT_BUDGET_MS], "ms", "<= 1")]

    def serving(self) -> list[Figure]:
        """One row a request on one core, against an endpoint that does nothing; the load comes from another core."""
        stage = self.company.stage
        python = self.company.checkout.python(self.company.checkout.consumer)
        pin = ["taskset", "--cpu-list", "0"] if shutil.which("taskset") and (os.cpu_count() or 1) > 1 else []
        cwd = self.company.checkout.consumer
        ports = {name: free_port() for name in ("fastapi", "plain")}
        for name, port in ports.items():
            stage.start(name, [*pin, python, str(HERE / "empty_endpoint.py"), name, str(port)], cwd=cwd)
        consumer = self.company.start_consumer(cache="cache-load")
        consumer.wait_until(lambda: consumer.state() == "READY", "READY")
        if pin:
            process = str(consumer.program.process.pid)
            timed(["taskset", "--all-tasks", "--cpu-list", "--pid", "0", process], cwd)
        for port in ports.values():
            _await_answer(port)
        ports["ours"] = int(consumer.url.rpartition(":")[2])
        body = json.dumps(self.company.example_row())
        rates: dict[str, list[float]] = {name: [] for name in ports}
        for _ in range(LOAD_ROUNDS):
            for name, port in ports.items():
                rates[name].append(self._load(port, body))
        return [
            figure(
                "one-row /predict / empty FastAPI POST endpoint",
                rates["ours"],
                rates["fastapi"],
                "requests/s",
                ">= 0.6",
            ),
            figure("one-row /predict / empty plain ASGI route", rates["ours"], rates["plain"], "requests/s", ">= 0"),
        ]

    def _load(self, port: int, body: str) -> float:
        script = self.folder / "post.lua"
        quoted = json.dumps(body)
        script.write_text(
            f'wrk.method = "POST"\nwrk.body = {quoted}\nwrk.headers["Content-Type"] = "application/json"\n'
        )
        command = ["wrk", "--threads", "1", "--connections", str(CONNECTIONS), "--duration", f"{LOAD_SECONDS}s"]
        pin = ["taskset", "--cpu-list", "1"] if shutil.which("taskset") and (os.cpu_count() or 1) > 1 else []
        command = [*pin, *command, "--script", str(script), f"http://127.0.0.1:{port}/predict"]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        if "Non-2xx" in done.stdout or "Socket errors" in done.stdout:
            raise ProgramFailed(f"The load met errors:\n{done.stdout}")
        found = re.search(r"Requests/sec:\s+([0-9.]+)", done.stdout)
        if not found:
            raise ProgramFailed(f"wrk said nothing of its rate:\n{done.stdout}")
        return float(found[1])


def _await_answer(port: int) -> None:
    deadline = time.monotonic() + READY_BUDGET_S
    while True:
        try:
            httpx.post(f"http://127.0.0.1:{port}/predict", json={}, trust_env=False)
        except httpx.TransportError:
            if time.monotonic() > deadline:
                raise
        else:
            return


def measure(programs: Stage, folder: Path) -> dict[str, Any]:
    """Prepare a company, measure everything, and return the results."""
    checkout = Checkout.of(Path(__file__))
    company = Company(checkout, programs, folder)
    say("preparing: MLflow's environment, a registry, a trained release")
    mlflow = python_of(folder / "mlflow-environment", HERE / "mlflow.lock")
    company.start_registry()
    done = company.train()
    if done.returncode:
        raise ProgramFailed(f"Training failed:\n{done.output}")
    pulled = company.registry("pull", "churn@production", "--to", str(folder / "pulled"))
    if pulled.returncode:
        raise ProgramFailed(f"Pulling failed:\n{pulled.output}")
    bench = Bench(company, folder, mlflow)
    figures: list[Figure] = []
    growth, large = Growth(company, folder), LargeFiles(company, programs, folder)
    parts = (bench.publishing, bench.start_up, bench.replaying, bench.comparing, bench.serving)
    for part in (*parts, growth.questions, large.transfers):
        for row in part():
            figures.append(row)
            report(row)
    consumer = checkout.python(checkout.consumer)
    compared = {
        "mlflow": str(mlflow),
        "fastapi": consumer,
        "uvicorn": consumer,
        "onnxruntime": consumer,
        "boto3": consumer,
    }
    return {
        "measured_at": datetime.now(UTC).date().isoformat(),
        "machine": machine(),
        "versions": versions(compared),
        "repeats": REPEATS,
        "figures": [asdict(row) for row in figures],
    }


def main() -> int:
    """Measure, write bench/results.json; 0 when every target is met."""
    if not shutil.which("wrk"):
        sys.stderr.write("The benchmark needs wrk: apt-get install wrk, or your system's package manager.\n")
        return 2
    with tempfile.TemporaryDirectory(prefix="edustream-bench-") as folder, stage(Path(folder) / "logs") as programs:
        try:
            results = measure(programs, Path(folder))
        except ProgramFailed as error:
            sys.stderr.write(f"The benchmark failed: {error}\n")
            return 1
        except KeyboardInterrupt:
            sys.stderr.write("Interrupted; stopping everything.\n")
            return 130
    target = ROOT / "bench" / "results.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(results, indent=2) + "\n")
    say(f"written: {target.relative_to(ROOT)}")
    return 0 if all(row["met"] for row in results["figures"]) else 1


if __name__ == "__main__":
    sys.exit(main())
