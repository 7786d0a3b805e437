from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from readme_tables import rendered, sources, spanish, with_tables

RESULTS: dict[str, Any] = {
    "measured_at": "2026-11-21",
    "machine": {"cores": 2},
    "versions": {"fastapi": "1.0", "mlflow": "3.1"},
    "figures": [
        {"name": "a / b", "ours": 1.5, "theirs": 1.0, "unit": "s", "ratio": 1.5, "target": "<= 1.3", "met": False},
        {"name": "c / d", "ours": 4.0, "theirs": 2.0, "unit": "rows/s", "ratio": 2.0, "target": ">= 1.5", "met": True},
        {"name": "e / f", "ours": 4.0, "theirs": 2.0, "unit": "MiB", "ratio": 2.0, "target": ">= 0", "met": True},
    ],
}
TEXT = "before\n<!-- from bench/x.json -->\nold\n| rows |\n<!-- end -->\nafter\n"


def test_every_figure_is_a_row_and_what_was_missed_is_named() -> None:
    text = rendered(RESULTS)
    assert "| a / b | 1.5 / 1.0 s | 1.5 | <= 1.3 |\n" in text
    assert "| e / f | 4.0 / 2.0 MiB | 2.0 | none |\n" in text
    assert "1 of 2 targets were met in that run. Missed:\n\n- a / b\n" in text
    assert "on 2 cores, with fastapi 1.0, mlflow 3.1." in text


def test_parts_that_were_not_measured_are_named() -> None:
    results = {**RESULTS, "not_measured": ["swaps: no server.", "load: no data"]}
    assert "Not measured: `swaps: no server`; `load: no data`." in rendered(results)


def test_only_what_stands_between_the_comments_is_written_anew() -> None:
    assert sources(TEXT) == ["bench/x.json"]
    text = with_tables(TEXT, {"bench/x.json": RESULTS})
    assert text.startswith("before\n<!-- from bench/x.json -->\n\nMeasured on")
    assert text.endswith("\n<!-- end -->\nafter\n")
    assert "old" not in text
    assert with_tables(text, {"bench/x.json": RESULTS}) == text


def test_in_spanish_the_figures_are_the_same_with_spanish_names_units_and_commas() -> None:
    names = {"a / b": "una / otra", "c / d": "tres / cuatro", "e / f": "cinco / seis", "rows/s": "filas/s"}
    text = rendered(RESULTS, replace(spanish(), names=names))
    assert "| una / otra | 1,5 / 1,0 s | 1,5 | <= 1,3 |\n" in text
    assert "| tres / cuatro | 4,0 / 2,0 filas/s | 2,0 | >= 1,5 |\n" in text
    assert "| cinco / seis | 4,0 / 2,0 MiB | 2,0 | ninguno |\n" in text
    assert "se cumplieron 1 de 2 objetivos. No se cumplieron:\n\n- una / otra\n" in text
    assert "con fastapi 1.0, mlflow 3.1." in text


def test_a_figure_without_a_spanish_name_is_named() -> None:
    with pytest.raises(LookupError, match=r"no name for the figure 'a / b'; add it"):
        rendered(RESULTS, spanish())
