"""Clients of the Open Inference Protocol that nobody here wrote, and a server process that they ask."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from processes import PATIENCE_S, Process, Registry, serving

CLIENTS = Path(__file__).parent / "open_inference_clients"
PYTHON = CLIENTS / ".venv" / "bin" / "python"


def told_by(script: str, process: Process, rows: list[dict[str, Any]]) -> dict[str, Any]:
    assert PYTHON.exists(), f"make {CLIENTS}/.venv/locked, from the root, creates the clients' environment"
    done = subprocess.run(
        [PYTHON, CLIENTS / script, process.address.removeprefix("http://")],
        input=json.dumps(rows),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def test_clients_that_others_wrote_are_answered(registry: Registry, row: dict[str, Any]) -> None:
    registry.release("1.0.0")
    rows = [row, {**row, "tenure": 100}]
    with serving(registry) as process:
        process.until("Uvicorn running")
        answers = [process.predict(one) for one in rows]
        triton = told_by("ask_with_triton.py", process, rows)
        mlserver = told_by("ask_with_mlserver.py", process, rows)
    expected = {name: [answer[name] for answer in answers] for name in ("prediction", "probability")}

    assert (triton["live"], triton["ready"], triton["model_ready"]) == (True, True, [True, True])
    assert triton["wrong_version_ready"] is False
    assert triton["extensions"] == ["binary_tensor_data"]
    for way, identity in (("by_default", "a"), ("as_json", None), ("by_version", None), ("asynchronously", None)):
        assert triton[way] == {**expected, "model_version": "1.0.0", "id": identity}
    assert triton["bad_row"][0] == "422"
    assert "tenure[0]: is 500 month; a whole number from 0 to 120 month is allowed" in triton["bad_row"][1]
    assert triton["wrong_version"][0] == "404"
    assert triton["wrong_model"][0] == "404"

    assert mlserver["frame"] == expected
    assert mlserver["model_version"] == "1.0.0"
    assert (mlserver["labels"], mlserver["scores"]) == (expected["prediction"], expected["probability"])
    assert mlserver["null"] == expected
    assert mlserver["one_array"][0] == 400
    assert "is no input; the inputs are female, " in mlserver["one_array"][1]
