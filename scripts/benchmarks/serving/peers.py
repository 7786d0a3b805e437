"""Other model servers, each set up as its own documentation shows, with the model as a pipeline on pandas."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Final

from environments import python_of

from edustream_lab.processes import Program, ProgramFailed, free_port
from serving import cores
from serving.closed_loop import Target
from serving.scene import BENCHMARKS, HERE, Scene

FILES: Final = HERE / "peer_files"
QUIET: Final = {"DO_NOT_TRACK": "true", "MLFLOW_DISABLE_TELEMETRY": "true", "BENTOML_DO_NOT_TRACK": "True"}
NUMBERS: Final = {int: "INT64", float: "FP64"}


class Peer(ABC):
    """A server in an environment of its own, with one worker."""

    package: ClassVar[str]
    label: ClassVar[str]
    lock: ClassVar[Path]

    def __init__(self, scene: Scene, environments: Path) -> None:
        self.scene = scene
        self.python = python_of(environments / self.package, self.lock)
        self.home = scene.folder / self.package
        self.home.mkdir()

    @abstractmethod
    def save(self) -> None:
        """Train the pipeline and leave it where the server looks for it."""

    @abstractmethod
    def command(self, port: int) -> list[str]:
        """What starts the server."""

    @abstractmethod
    def path(self) -> str:
        """Where rows are sent to."""

    @abstractmethod
    def body(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """One row as this server takes it."""

    def start(self) -> tuple[Program, Target]:
        """Start the server on the server's core, and do not wait."""
        port = free_port()
        variables = {**self.variables(), **self.listening(port)}
        command = [*cores.on(cores.SERVER), *self.command(port)]
        program = self.scene.company.stage.start(self.package, command, cwd=FILES, variables=variables)
        body = json.dumps(self.body(self.scene.company.example_row()))
        return program, Target(self.label, f"http://127.0.0.1:{port}{self.path()}", body)

    def program(self, name: str) -> str:
        """A program of the environment."""
        return str(self.python.with_name(name))

    def variables(self) -> dict[str, str]:
        """The environment variables of the server and of what saves the model."""
        path = f"{self.python.parent}:/usr/local/bin:/usr/bin:/bin"
        return {**QUIET, "PATH": path, "PYTHONPATH": str(BENCHMARKS), "BENTOML_HOME": str(self.home)}

    def listening(self, port: int) -> dict[str, str]:
        """The variables that tell the server where to listen; none where its command does."""
        return {}

    def run(self, script: Path, *arguments: str) -> None:
        """Run a script in the environment. Raises `ProgramFailed`."""
        command = [str(self.python), str(script), *arguments]
        done = self.scene.company.stage.run(self.package, command, cwd=self.home, variables=self.variables())
        if done.returncode:
            raise ProgramFailed(f"{script.name} failed:\n{done.output}")


class MLflow(Peer):
    """`mlflow models serve` of a registered model."""

    package = "mlflow"
    label = "MLflow models serve"
    lock = BENCHMARKS / "mlflow.lock"

    def save(self) -> None:
        """Log and register, as in the benchmark of publishing."""
        self.run(BENCHMARKS / "mlflow_log.py", str(self.scene.data), str(self.home), "sklearn")

    def command(self, port: int) -> list[str]:
        """`mlflow models serve`, in this environment."""
        serve = [self.program("mlflow"), "models", "serve", "--model-uri", "models:/churn@production"]
        return [*serve, "--env-manager", "local", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]

    def path(self) -> str:
        """MLflow's path of every model."""
        return "/invocations"

    def body(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Columns and rows, which is what MLflow recommends."""
        return {"dataframe_split": {"columns": list(row), "data": [list(row.values())]}}

    def variables(self) -> dict[str, str]:
        """Where MLflow's registry is."""
        return {**super().variables(), "MLFLOW_TRACKING_URI": f"sqlite:///{self.home}/mlflow.db"}


class BentoML(Peer):
    """`bentoml serve` of a service that takes a DataFrame."""

    package = "bentoml"
    label = "BentoML"
    lock = FILES / "bentoml.lock"

    def save(self) -> None:
        """Save into the model store."""
        self.run(FILES / "save_bentoml.py", str(self.scene.data))

    def command(self, port: int) -> list[str]:
        """`bentoml serve`, with the one worker that it starts by default."""
        return [self.program("bentoml"), "serve", "bentoml_service:Churn", "--host", "127.0.0.1", "--port", str(port)]

    def path(self) -> str:
        """The service's method."""
        return "/predict"

    def body(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The method's argument, as records."""
        return {"rows": [dict(row)]}


class MLServer(Peer):
    """`mlserver start` of the scikit-learn runtime, over the Open Inference Protocol."""

    package = "mlserver"
    label = "MLServer"
    lock = FILES / "mlserver.lock"

    def save(self) -> None:
        """Save as joblib, with the settings beside it."""
        self.run(FILES / "save_mlserver.py", str(self.scene.data), str(self.home))

    def command(self, port: int) -> list[str]:
        """`mlserver start`, with the one inference worker that it starts by default."""
        return [self.program("mlserver"), "start", str(self.home)]

    def listening(self, port: int) -> dict[str, str]:
        """MLServer wants three ports, and is told of them by variables."""
        others = {name: str(free_port()) for name in ("MLSERVER_GRPC_PORT", "MLSERVER_METRICS_PORT")}
        return {"MLSERVER_HTTP_PORT": str(port), **others}

    def path(self) -> str:
        """The protocol's path of the model."""
        return "/v2/models/churn/infer"

    def body(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """One tensor a column, decoded as a DataFrame."""
        return {"parameters": {"content_type": "pd"}, "inputs": [_tensor(*column) for column in row.items()]}


def _tensor(name: str, value: Any) -> dict[str, Any]:
    tensor = {"name": name, "shape": [1, 1], "data": [value]}
    if isinstance(value, str):
        return {**tensor, "datatype": "BYTES", "parameters": {"content_type": "str"}}
    return {**tensor, "datatype": NUMBERS[type(value)]}


PEERS: Final = (MLflow, BentoML, MLServer)


class Peers:
    """The peers of one run, each set up when it is first asked for."""

    def __init__(self, scene: Scene, environments: Path) -> None:
        self._scene = scene
        self._environments = environments
        self._ready: dict[type[Peer], Peer] = {}

    def ready(self, kind: type[Peer]) -> Peer:
        """A peer that has saved its model."""
        if kind not in self._ready:
            self._ready[kind] = kind(self._scene, self._environments)
            self._ready[kind].save()
        return self._ready[kind]

    def pythons(self) -> dict[str, str]:
        """The interpreter of each peer that was set up, by its package."""
        return {kind.package: str(peer.python) for kind, peer in self._ready.items()}
