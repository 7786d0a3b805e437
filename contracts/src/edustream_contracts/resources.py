"""Finds the JSON documents: beside the code in a wheel, at the top of `contracts/` in a checkout."""

from __future__ import annotations

import json
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

PACKAGED = files("edustream_contracts").joinpath("documents")
CHECKOUT = Path(__file__).resolve().parents[2]


def documents() -> Traversable:
    """The folder that holds `schemas/`, `models/` and `compatibility/`."""
    return PACKAGED if PACKAGED.is_dir() else CHECKOUT


def read_json(*path: str) -> Any:
    """The JSON document at `path` below `documents()`. Raises FileNotFoundError when there is none."""
    return json.loads(documents().joinpath(*path).read_bytes())
