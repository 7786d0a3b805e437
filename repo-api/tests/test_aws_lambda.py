"""A cold start: a fresh process imports the handler, as Lambda does, and answers with what an S3 server holds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import lambda_events
from processes import PATIENCE_S, Registry

CONTAINER = """
import json, sys
from edustream_api.aws_lambda import handler
json.dump([handler(event, None) for event in json.load(sys.stdin)], sys.stdout)
"""
SERVER_ALONE = ("EDUSTREAM_CACHE_DIR", "EDUSTREAM_PORT", "EDUSTREAM_POLL_INTERVAL_S")


def container(environ: dict[str, str], *events: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    given = {name: value for name, value in environ.items() if name not in SERVER_ALONE}
    return subprocess.run(
        [sys.executable, "-c", CONTAINER],
        input=json.dumps(events),
        env={**os.environ, **given},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )


def test_a_cold_start_answers_with_what_there_is(registry: Registry, row: dict[str, Any], tmp_path: Path) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    environ = {**registry.environ, "TMPDIR": str(temporary)}
    asked = lambda_events.http_api("POST", "/predict", json.dumps(row).encode())
    done = container(environ, asked)
    assert done.returncode == 0, done.stderr
    (answer,) = json.loads(done.stdout)
    problem = json.loads(answer["body"])
    assert (answer["statusCode"], problem["reason"]) == (503, "NO_RELEASE")
    assert "churn@production is not served" in problem["detail"]

    registry.release("1.0.0")
    done = container(environ, asked, lambda_events.rest_api("GET", "/health"))
    assert done.returncode == 0, done.stderr
    answer, health = json.loads(done.stdout)
    assert answer["statusCode"] == 200
    assert json.loads(answer["body"])["model_version"] == "1.0.0"
    assert json.loads(health["body"])["state"] == "READY"
    assert [path.name for path in temporary.iterdir()] == ["edustream-cache"]
    events = [json.loads(line)["event"] for line in done.stderr.splitlines()]
    assert events.count("release_swapped") == 1


def test_a_wrong_configuration_ends_the_start_with_its_reason() -> None:
    done = container({"EDUSTREAM_MAX_ROWS": "many"})
    assert done.returncode == 1
    assert "EDUSTREAM_MAX_ROWS" in done.stderr
