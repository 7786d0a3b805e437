"""Profiles of the tenure model's releases, and rows that are drawn from them or shifted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from consumers import ConsumerBench
from edustream_registry.manifest import ReleaseContent, ReleaseFile
from edustream_registry.release_documents import PROFILE

TENURE_EDGES = [0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0]
"""Rows have a tenure from 0 to 59, each as often."""


def profile(rows: int = 6000, **changes: Any) -> dict[str, Any]:
    share = rows // 6
    tenure = {"kind": "numeric", "edges": TENURE_EDGES, "counts": [0, *[share] * 6, 0], "missing": 0}
    contracts = {
        "kind": "categorical",
        "categories": ["Month-to-month", "One year", "Two year"],
        "counts": [rows // 2, rows // 3, rows // 6],
        "missing": 0,
    }
    # P(Yes) = sigmoid(-tenure / 20), which falls with every bin of the tenure.
    edges = [float(1 / (1 + np.exp((edge - 0.5) / 20))) for edge in reversed(TENURE_EDGES)]
    probability = {"kind": "numeric", "edges": edges, "counts": [0, *[share] * 6, 0], "missing": 0}
    return {
        "profile_format": 1,
        "rows": rows,
        "features": {"tenure": tenure, "contract": contracts},
        "prediction": probability,
        **changes,
    }


def release(bench: ConsumerBench, version: str, document: object | bytes | None = None, **changes: Any) -> None:
    """Publish and promote a release with a profile; whatever it says, nobody checks it."""
    data = document if isinstance(document, bytes) else json.dumps(document or profile()).encode()
    content, directory = bench.content(version, **changes)
    content = with_file(content, directory, PROFILE, data)
    bench.registry.publish_unchecked(content, directory, version)
    bench.registry.promote(content.model, version)


def with_file(content: ReleaseContent, directory: Path, name: str, data: bytes) -> ReleaseContent:
    (directory / name).write_bytes(data)
    return content.model_copy(update={"files": (*content.files, ReleaseFile.of(directory / name))})


def drawn(row: Mapping[str, Any], number: int, seed: int = 0) -> list[dict[str, Any]]:
    """Rows as the profile describes them."""
    random = np.random.default_rng(seed)
    tenures = random.integers(0, 60, number).tolist()
    contracts = random.choice(["Month-to-month", "One year", "Two year"], number, p=[1 / 2, 1 / 3, 1 / 6]).tolist()
    return [{**row, "tenure": t, "contract": c} for t, c in zip(tenures, contracts, strict=True)]
