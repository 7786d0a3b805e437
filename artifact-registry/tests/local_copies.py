"""The files of a local copy on this disk."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edustream_registry.names import Reference
from edustream_registry.resolved import Resolved

PRODUCTION = Reference.parse("churn@production")
FILES = ["contract.json", "golden.json", "model.onnx"]


def path_of(directory: Path, found: Resolved, name: str) -> Path:
    file = found.manifest.content.file(name)
    return directory / "files" / file.sha256 / name


def state_path(directory: Path) -> Path:
    (path,) = (directory / "state").iterdir()
    return path


def rewrite(directory: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = state_path(directory)
    state = json.loads(path.read_bytes())
    change(state)
    path.write_text(json.dumps(state))
