"""Writes students to a CSV file, however many there are, in the memory of one chunk."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow.csv import WriteOptions, write_csv

from edustream_ml.students.best_possible import BestPossible
from edustream_ml.students.cancellation import Probabilities, Relation, cancellation_probability
from edustream_ml.students.population import draw

CHUNK: Final = 50_000
TARGET: Final = "cancelled"
DRIFTED_ENGAGEMENT: Final = -0.8
DRIFTED_PRICES: Final = 1.25


class Drift(StrEnum):
    """What changes from a certain student on.

    With `inputs` students are less engaged by 0.8 standard deviations and prices are up by a quarter, while the same
    student cancels as before. With `relation` students are as before, and cancel for other reasons.
    """

    NONE = "none"
    INPUTS = "inputs"
    RELATION = "relation"


@dataclass(frozen=True, slots=True)
class StudentsFile:
    """What was written: the file's SHA-256, its rows, the share that cancelled, the best possible ROC AUC."""

    path: Path
    sha256: str
    rows: int
    cancelled: float
    best_roc_auc: float


def students(rows: int, seed: int, drift: Drift = Drift.NONE, drift_from: int = 0) -> Iterator[pd.DataFrame]:
    """Students in chunks, with `cancelled` (Yes or No) and the true `probability` as last columns.

    The first students are the same however many there are. With a drift, those before row `drift_from` (from 0) are the
    same as without.
    """
    for number, begin in enumerate(range(0, rows, CHUNK)):
        chunk = _chunk(seed, number, Drift.NONE)
        if drift is not Drift.NONE and begin + CHUNK > drift_from:
            known = max(drift_from - begin, 0)
            chunk = pd.concat([chunk[:known], _chunk(seed, number, drift)[known:]], ignore_index=True)
        yield chunk[: rows - begin]


def write_students(path: Path, rows: int, seed: int, drift: Drift = Drift.NONE, drift_from: int = 0) -> StudentsFile:
    """Write a CSV file as the producer reads it; it appears under its name when it is complete.

    Raises `OSError` where it cannot be written.
    """
    best, digest, cancelled = BestPossible(), hashlib.sha256(), 0
    unfinished = path.with_name(f"{path.name}.part")
    with unfinished.open("wb") as file:
        for chunk in students(rows, seed, drift, drift_from):
            best.add(chunk.pop("probability").to_numpy())
            cancelled += int((chunk[TARGET] == "Yes").sum())
            data = _csv(chunk, header=file.tell() == 0)
            digest.update(data)
            file.write(data)
    unfinished.replace(path)
    return StudentsFile(path, digest.hexdigest(), rows, cancelled / rows, best.roc_auc)


def _chunk(seed: int, number: int, drift: Drift) -> pd.DataFrame:
    rng = np.random.default_rng([seed, number])
    moved = drift is Drift.INPUTS
    chunk = draw(
        rng,
        CHUNK,
        engagement=DRIFTED_ENGAGEMENT if moved else 0.0,
        prices=DRIFTED_PRICES if moved else 1.0,
    )
    relation = Relation.CHANGED if drift is Drift.RELATION else Relation.USUAL
    probability: Probabilities = cancellation_probability(chunk, relation)
    chunk[TARGET] = np.where(rng.random(CHUNK) < probability, "Yes", "No")
    chunk["probability"] = probability
    return chunk


def _csv(chunk: pd.DataFrame, *, header: bool) -> bytes:
    sink = pa.BufferOutputStream()
    plain = chunk.astype(dict.fromkeys(chunk.select_dtypes("category"), object))
    table = pa.Table.from_pandas(plain, preserve_index=False)
    write_csv(table, sink, WriteOptions(include_header=False, quoting_style="none"))
    head = ",".join(chunk.columns) + "\n" if header else ""
    return head.encode() + bytes(sink.getvalue())
