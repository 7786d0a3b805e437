"""The page that compares is what the figures say, in both languages."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from edustream_lab.comparison import COLUMNS, PAGES, RECORD, ROWS, TABLE, page, record, write_pages
from edustream_lab.experiments import EXPERIMENTS
from edustream_lab.language import Language
from edustream_lab.places import Checkout


@pytest.fixture(scope="module")
def recorded(checkout: Checkout) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((checkout.root / RECORD).read_text())
    return found


@pytest.mark.parametrize("language", Language)
def test_the_page_tells_what_was_recorded(language: Language, recorded: dict[str, Any], checkout: Checkout) -> None:
    told = (checkout.root / PAGES[language]).read_text(encoding="utf-8")
    assert told == page(recorded, language), "run scripts/experiments/compare.py"


def test_another_figure_makes_another_page(recorded: dict[str, Any]) -> None:
    figures = recorded["figures"]
    other = {**figures, "fridays-release": {**figures["fridays-release"], "rollback_s": 1234.5}}
    assert "1234,5 s" in page({**recorded, "figures": other}, Language.SPANISH)


def test_a_record_keeps_what_others_measured_before(tmp_path: Path) -> None:
    path = tmp_path / "experiments.json"
    record({"one": {"first_s": 1.0}, "two": {"lines": 2}}, path)
    record({"one": {"first_s": 1.5}}, path)
    written = json.loads(path.read_text())
    assert written["figures"] == {"one": {"first_s": 1.5}, "two": {"lines": 2}}
    assert written["machine"]["cores"] >= 1


def test_the_pages_are_written_from_the_record(recorded: dict[str, Any], tmp_path: Path) -> None:
    for folder in ("bench", "docs"):
        (tmp_path / folder).mkdir()
    (tmp_path / RECORD).write_text(json.dumps(recorded))
    assert write_pages(tmp_path) == [tmp_path / path for path in PAGES.values()]
    assert (tmp_path / PAGES[Language.SPANISH]).read_text(encoding="utf-8") == page(recorded, Language.SPANISH)


def test_every_experiment_was_recorded_and_is_in_the_table(recorded: dict[str, Any]) -> None:
    names = {experiment.name for experiment in EXPERIMENTS}
    assert set(recorded["figures"]) == names
    assert set(ROWS.values()) == names


def test_no_two_experiments_measure_under_one_name(recorded: dict[str, Any]) -> None:
    names = Counter(name for figures in recorded["figures"].values() for name in figures)
    assert max(names.values()) == 1


def test_the_table_is_in_step_in_both_languages() -> None:
    assert TABLE.problems == []
    rows = {f"{row}-{column}" for row in ROWS for column in COLUMNS}
    assert {key for key in TABLE.sentences if key.rpartition("-")[2] in COLUMNS} == rows
