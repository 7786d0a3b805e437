"""Data that are odd and yet keep to the contract are trained on; the run says what is odd."""

from __future__ import annotations

import io
from pathlib import Path

import pandas as pd
from conftest import small_csv, small_document, write_project
from rich.console import Console

from edustream_contracts.canonical import sha256_hex
from edustream_ml.configuration import load_plan
from edustream_ml.progress import ProgressReport
from edustream_ml.release import release_files
from edustream_ml.workflow import train


def test_a_constant_column_and_a_category_seen_once_are_trained_on(tmp_path: Path) -> None:
    table = pd.read_csv(io.StringIO(small_csv()), dtype=str, keep_default_na=False)
    table["senior_citizen"] = "0"
    table["total_charges"] = ""
    table["payment_method"] = ["Mailed check", *["Electronic check"] * (len(table) - 1)]
    data = table.to_csv(index=False).encode()
    document = small_document()
    document["data"]["sha256"] = sha256_hex(data)
    plan = load_plan(write_project(tmp_path, document, data))
    console = Console(record=True, width=200, file=io.StringIO())
    training = train(plan, ProgressReport(console, 8))
    said = console.export_text()
    assert "column senior_citizen holds the same value in every row: nothing can be learned from it" in said
    assert "column total_charges holds the same value in every row" in said
    assert "column payment_method" not in said
    assert training.parity.rows == 600
    assert release_files(training)
