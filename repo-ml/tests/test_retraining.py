"""A consumer is played by a web server whose answers are those of `GET /drift`."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from conftest import small_csv, small_document, write_project

from edustream_contracts.canonical import sha256_hex
from edustream_ml import cli
from edustream_ml.retraining import command
from edustream_ml.training import Training
from edustream_ml.workflow import train
from edustream_registry.manifest import ReleaseContent
from edustream_registry.names import Reference
from edustream_registry.testing.simulator import RegistrySimulator

ENVIRON = {"REGISTRY_URL": "s3://models"}


class Consumer:
    """What the consumer answers next, and where it is."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/drift"
        self.status = 200
        self.body = b""
        self.authorized: str | None = None

    def says(self, verdict: str | None, **changed: Any) -> None:
        """The document of repo-api's drift report: two fields, one of which shifted as far as the model did."""
        fields = {
            "tenure": {"of": "row", "verdict": verdict, "psi": 0.41},
            "contract": {"of": "row", "verdict": "stable", "psi": 0.01},
        }
        document: dict[str, Any] = {
            "model": "churn",
            "model_version": "1.0.0",
            "manifest_digest": "0" * 64,
            "verdict": verdict,
        }
        if verdict is None:
            document |= {"alarm": False, "reason": "Drift is not recorded here; start the consumer with --drift true."}
        else:
            document |= {"alarm": verdict == "major_shift", "rows": 1200, "fields": fields, "without_reference": {}}
        self.body = json.dumps({**document, **changed}).encode()


@pytest.fixture
def consumer() -> Iterator[Consumer]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            played.authorized = self.headers["Authorization"]
            self.send_response(played.status)
            self.end_headers()
            self.wfile.write(played.body)

        def log_message(self, *arguments: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        played = Consumer(server.server_port)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield played
        server.shutdown()
        thread.join()


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> RegistrySimulator:
    simulator = RegistrySimulator()
    monkeypatch.setattr(cli, "open_author", lambda settings, who: simulator.author)
    return simulator


def retrain(folder: Path, consumer: Consumer, *arguments: str) -> int:
    config = folder / "configs" / "churn.yaml"
    return command.main(["--if-drift", consumer.url, "--config", str(config), *arguments], ENVIRON, folder)


def last_version(registry: RegistrySimulator, channel: str) -> str | None:
    entry = registry.reader.last_entry("churn", channel)
    return entry.statement.version if entry else None


@pytest.fixture
def newer(tmp_path: Path) -> Path:
    """The same customers, all of them a month longer with the company."""
    lines = small_csv().splitlines(keepends=True)
    column = lines[0].split(",").index("tenure")
    rows = [line.split(",") for line in lines[1:]]
    later = [",".join([*row[:column], str(min(int(row[column]) + 1, 72)), *row[column + 1 :]]) for row in rows]
    path = tmp_path / "newer.csv"
    path.write_text("".join([lines[0], *later]), encoding="utf-8")
    return path


@pytest.mark.parametrize("verdict", ["stable", "minor_shift", "too_few_rows"])
def test_without_drift_nothing_happens(
    registry: RegistrySimulator,
    consumer: Consumer,
    repository: Path,
    capsys: pytest.CaptureFixture[str],
    verdict: str,
) -> None:
    consumer.says(verdict)
    assert retrain(repository, consumer) == 0
    captured = capsys.readouterr()
    assert f"No drift that calls for training. churn@1.0.0: {verdict} over 1200 rows" in captured.out
    assert "[1/" not in captured.out
    assert registry.reader.models() == []


def test_with_drift_new_data_become_a_candidate_and_then_the_live_release(
    registry: RegistrySimulator,
    consumer: Consumer,
    repository: Path,
    newer: Path,
    small_training: Training,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    document = small_document()
    document["gates"]["champion"] = {"margin": 0.5}
    write_project(repository, document)
    with monkeypatch.context() as patched:
        patched.setattr(cli, "train", lambda *arguments, **options: small_training)
        assert cli.main([], ENVIRON, repository) == 0
    consumer.says("major_shift")
    capsys.readouterr()

    trained: list[Training] = []

    def train_once(*arguments: Any, **options: Any) -> Training:
        trained.append(trained[0] if trained else train(*arguments, **options))
        return trained[0]

    monkeypatch.setattr(cli, "train", train_once)
    assert retrain(repository, consumer, "--data", str(newer)) == 0

    out = capsys.readouterr().out
    assert "Drift. churn@1.0.0: major_shift over 1200 rows; shifted, with the stability index: tenure (0.41)." in out
    assert "champion" in out
    candidate = last_version(registry, "candidate")
    assert (candidate, last_version(registry, "production")) == ("1.0.1-candidate.1", "1.0.0")
    assert registry.reader.resolve(Reference.parse("churn@^1")).version == "1.0.0"
    content = registry.reader.manifest("churn", "1.0.1-candidate.1").statement.content
    assert content.data.name == "newer.csv"
    assert content.data.sha256 == sha256_hex(newer.read_bytes())
    assert content.rebuild.command == "python train_publish.py --config configs/churn.yaml --data data/newer.csv"
    card = (repository / "releases" / "churn" / "data_card.md").read_text(encoding="utf-8")
    assert "newer.csv, given in place of Telco customer churn" in card
    assert "IBM Watson" not in card
    assert content.gates is not None
    assert "churn@1.0.0 (production)" in next(gate.explanation for gate in content.gates if gate.kind == "champion")

    assert retrain(repository, consumer, "--data", str(newer)) == 0
    assert "Nothing to do: churn@candidate was trained on these rows already." in capsys.readouterr().out
    assert len(trained) == 1

    assert retrain(repository, consumer, "--data", str(newer), "--promote", "production") == 0
    assert last_version(registry, "production") == "1.0.1"


def test_a_new_model_that_a_gate_refuses_leaves_the_live_one(
    registry: RegistrySimulator,
    consumer: Consumer,
    tmp_path: Path,
    newer: Path,
    small_release: tuple[ReleaseContent, Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    registry.publish(*small_release, "1.0.0")
    document = small_document()
    document["thresholds"] = {"roc_auc": 0.999}
    write_project(tmp_path, document)
    consumer.says("minor_shift")
    assert retrain(tmp_path, consumer, "--data", str(newer), "--at", "minor_shift", "--promote", "production") == 8
    assert "gates say no" in capsys.readouterr().err
    assert registry.reader.versions("churn") == ["1.0.0"]


def test_drift_without_new_data_is_an_error_before_any_training(
    registry: RegistrySimulator,
    consumer: Consumer,
    repository: Path,
    small_release: tuple[ReleaseContent, Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    registry.publish(*small_release, "1.0.0")
    consumer.says("major_shift")
    capsys.readouterr()
    assert retrain(repository, consumer) == 2
    captured = capsys.readouterr()
    assert "There is drift, and no new data: " in captured.err
    assert "churn@1.0.0 was trained on" in captured.err
    assert "[1/" not in captured.out


def test_a_release_that_the_registry_does_not_hold_is_an_error_before_any_training(
    registry: RegistrySimulator,
    consumer: Consumer,
    repository: Path,
    newer: Path,
    small_release: tuple[ReleaseContent, Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The consumer of another environment, whose registry is another one."""
    registry.publish(*small_release, "1.0.0")
    consumer.says("major_shift", model_version="9.9.9")
    capsys.readouterr()
    assert retrain(repository, consumer, "--data", str(newer)) == 2
    captured = capsys.readouterr()
    assert "The consumer serves churn@9.9.9, and memory://" in captured.err
    assert "holds no such release" in captured.err
    assert "[1/" not in captured.out


def test_a_consumer_behind_a_password_is_sent_it(
    consumer: Consumer, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    consumer.says("stable")
    consumer.url = consumer.url.replace("127", "user:s3cret%40@127")
    assert retrain(repository, consumer) == 0
    assert consumer.authorized == f"Basic {base64.b64encode(b'user:s3cret@').decode()}"
    consumer.body = b"[]"
    assert retrain(repository, consumer) == 2
    assert "s3cret" not in "".join(capsys.readouterr())


@pytest.mark.parametrize(
    ("verdict", "changed", "said"),
    [
        (None, {}, "has no verdict on churn@1.0.0: Drift is not recorded here"),
        ("major_shift", {"model": "plans"}, "reports on 'plans'; 'churn' was to be trained"),
        ("sideways", {}, "its verdict is 'sideways'"),
    ],
)
def test_a_report_that_does_not_answer_the_question_is_refused(
    consumer: Consumer,
    repository: Path,
    capsys: pytest.CaptureFixture[str],
    verdict: str | None,
    changed: dict[str, Any],
    said: str,
) -> None:
    consumer.says(verdict, **changed)
    assert retrain(repository, consumer) == 2
    assert said in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    "body",
    [
        b"<html>hello</html>",
        b"[]",
        b"[" * 200_000,
        b'{"model": "churn", "model_version": 1, "verdict": "stable", "rows": 1, "fields": {}}',
        b'{"model": "churn", "model_version": "newest", "verdict": "stable", "rows": 1, "fields": {}}',
        b'{"model": "churn", "model_version": "1.0.0", "verdict": "stable", "rows": Infinity, "fields": {}}',
        b'{"model": "churn", "model_version": "1.0.0", "verdict": "stable"}',
        b'{"model": "churn", "model_version": "1.0.0", "verdict": "stable", "rows": 1, "fields": []}',
        b'{"model": "churn", "model_version": "1.0.0", "verdict": "stable", "rows": 1, "fields": {"a": {"psi": "x"}}}',
    ],
)
def test_what_is_no_report_is_refused(
    consumer: Consumer, repository: Path, capsys: pytest.CaptureFixture[str], body: bytes
) -> None:
    consumer.body = body
    assert retrain(repository, consumer) == 2
    assert f"is no drift report: it says {body[:200].decode()}" in capsys.readouterr().err


def test_what_is_no_address_is_refused(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = str(repository / "configs" / "churn.yaml")
    assert command.main(["--if-drift", "file:///etc/passwd", "--config", config], ENVIRON, repository) == 2
    assert "is no address of a consumer" in capsys.readouterr().err
    assert command.main(["--if-drift", "http://[bad", "--config", config], ENVIRON, repository) == 6
    assert "No consumer answers at http://[bad" in capsys.readouterr().err


def test_a_consumer_that_is_away_exits_with_6(
    consumer: Consumer, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    consumer.status, consumer.body = 503, b'{"reason": "NO_RELEASE"}'
    assert retrain(repository, consumer) == 6
    assert 'answers 503: {"reason": "NO_RELEASE"}' in capsys.readouterr().err
    config = str(repository / "configs" / "churn.yaml")
    away = "http://user:s3cret@127.0.0.1:9/drift?token=t0ken"
    assert command.main(["--if-drift", away, "--config", config], ENVIRON, repository) == 6
    error = capsys.readouterr().err
    assert "s3cret" not in error
    assert "t0ken" not in error
    assert "No consumer answers at http://127.0.0.1:9/drift" in error
    assert "nothing was trained" in " ".join(error.split())


def test_data_that_are_not_there_are_refused(
    consumer: Consumer, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert retrain(repository, consumer, "--data", "nowhere.csv") == 2
    assert "The data set nowhere.csv cannot be read: No such file" in capsys.readouterr().err
    assert retrain(repository, consumer, "--data", "new rows.csv") == 2
    assert "has no plain name" in capsys.readouterr().err
