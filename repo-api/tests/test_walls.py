"""What the consumer must not know: the training side, the writing side, and whatever makes it slow to start."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

REPO = Path(__file__).parents[1]
FORBIDDEN = (
    "edustream_ml",
    "edustream_registry.authorship",
    "edustream_registry.collecting",
    "edustream_registry.deletion",
    "edustream_registry.promotion",
    "edustream_registry.provisioning",
    "edustream_registry.publishing",
    "edustream_registry.testing",
    "edustream_registry.writing",
    "edustream_registry.yanking",
    "limits",
    "moto",
    "pandas",
    "redis",
    "rich",
    "sklearn",
    "typer",
)


def test_the_entry_point_loads_nothing_of_the_other_sides() -> None:
    program = "import sys, edustream_api.cli; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert set(FORBIDDEN).isdisjoint(done.stdout.split())


def test_the_import_contracts_hold() -> None:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=REPO)
    assert done.returncode == 0, done.stdout


def test_the_environment_holds_no_training_library() -> None:
    project = tomllib.loads((REPO / "pyproject.toml").read_text())["project"]
    stated = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    names = {re.split(r"[^a-z0-9-]", text)[0] for text in stated}
    assert {"scikit-learn", "pandas", "skl2onnx", "edustream-ml"}.isdisjoint(names)
