"""Files of rows, what scores them, and what it says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from edustream_api.joint_inference import JointInference
from edustream_api.loading import ServedModel
from edustream_api.prediction import predict

Rows = list[dict[str, Any]]
Score = Callable[..., int]


def predicted(model: ServedModel, body: bytes) -> bytes:
    """What /predict answers."""
    return asyncio.run(predict(model, body, JointInference()))


def write(path: Path, rows: Sequence[dict[str, Any]], **options: Any) -> None:
    pq.write_table(pa.Table.from_pylist(list(rows)), path, **options)


def rejected(side_file: Path) -> Rows:
    """What is told of each row that was not scored."""
    return [json.loads(line) for line in side_file.read_text().splitlines()]


def refused(score: Score, capsys: pytest.CaptureFixture[str], *argv: str, code: int = 2, **changes: str) -> str:
    assert score(*argv, **changes) == code
    told = capsys.readouterr().err
    assert "Next: " in told
    return told
