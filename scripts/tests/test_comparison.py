"""The page that compares is what the figures say, in both languages."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from claims import said

from edustream_lab.comparison import PAGES, POLL, RECORD, ROWS, SIDES, TABLE, Shown, page, record, write_pages
from edustream_lab.experiments import EXPERIMENTS
from edustream_lab.language import Language
from edustream_lab.places import Checkout

BY_NAME = {experiment.name: experiment for experiment in EXPERIMENTS}
CELLS = [(f"{row}-{side}", shown) for row, both in ROWS.items() for side, shown in zip(SIDES, both, strict=True)]
each_cell = pytest.mark.parametrize(("cell", "shown"), CELLS, ids=[cell for cell, _ in CELLS])


@pytest.fixture(scope="module")
def recorded(checkout: Checkout) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((checkout.root / RECORD).read_text())
    return found


@pytest.mark.parametrize("language", Language)
def test_the_page_tells_what_was_recorded(language: Language, recorded: dict[str, Any], checkout: Checkout) -> None:
    told = (checkout.root / PAGES[language]).read_text(encoding="utf-8")
    assert told == page(recorded, language), "run scripts/experiments/compare.py"


def test_another_figure_makes_another_page(recorded: dict[str, Any]) -> None:
    other = deepcopy(recorded)
    other["experiments"]["fridays-release"]["figures"]["rollback_s"] = 1234.5
    assert "1234,5 s" in page(other, Language.SPANISH)


def test_a_row_takes_a_figure_from_the_experiment_that_it_names_and_from_no_other(recorded: dict[str, Any]) -> None:
    other = deepcopy(recorded)
    other["experiments"]["two-at-once"]["figures"]["rollback_s"] = 1234.5
    assert page(other, Language.ENGLISH) == page(recorded, Language.ENGLISH)
    del other["experiments"]["fridays-release"]["figures"]["rollback_s"]
    with pytest.raises(KeyError, match="rollback_s"):
        page(other, Language.ENGLISH)


@each_cell
def test_the_experiment_that_a_cell_names_states_the_facts_that_show_it(cell: str, shown: Shown) -> None:
    assert shown.facts
    assert set(shown.facts) <= set(said(BY_NAME[shown.experiment], "fact")), cell


@each_cell
def test_the_facts_that_a_cell_names_say_its_figures(cell: str, shown: Shown) -> None:
    sentences = BY_NAME[shown.experiment].script.sentences
    claimed = {blank for fact in shown.facts for blank in sentences[fact].blanks[Language.ENGLISH]}
    assert TABLE.sentences[cell].blanks[Language.ENGLISH] <= claimed | {POLL}


@each_cell
def test_a_cell_with_a_time_says_that_it_is_of_one_run_and_how_often_consumers_look(cell: str, shown: Shown) -> None:
    sentence = TABLE.sentences[cell]
    blanks = sentence.blanks[Language.ENGLISH]
    if any(blank.endswith("_s") for blank in blanks):
        assert "(one run)" in sentence.texts[Language.ENGLISH]
        assert "(una ejecución)" in sentence.texts[Language.SPANISH]
        assert (POLL in blanks) == cell.endswith("-multirepo")


def test_a_record_keeps_what_others_measured_before_with_its_date_and_machine(tmp_path: Path) -> None:
    path = tmp_path / "experiments.json"
    record({"one": {"first_s": 1.0}, "two": {"lines": 2}}, path)
    written = json.loads(path.read_text())
    assert written["experiments"]["two"]["cores"] >= 1
    long_ago = {"measured_at": "2001-01-01", "cores": 99, POLL: 7, "figures": {"lines": 2}}
    path.write_text(json.dumps({"experiments": written["experiments"] | {"two": long_ago}}))
    record({"one": {"first_s": 1.5}}, path)
    written = json.loads(path.read_text())
    assert written["experiments"]["two"] == long_ago
    assert written["experiments"]["one"]["figures"] == {"first_s": 1.5}
    assert written["experiments"]["one"]["measured_at"] > "2001-01-01"


def test_the_pages_are_written_from_the_record(recorded: dict[str, Any], tmp_path: Path) -> None:
    for folder in ("bench", "docs"):
        (tmp_path / folder).mkdir()
    (tmp_path / RECORD).write_text(json.dumps(recorded))
    assert write_pages(tmp_path) == [tmp_path / path for path in PAGES.values()]
    assert (tmp_path / PAGES[Language.SPANISH]).read_text(encoding="utf-8") == page(recorded, Language.SPANISH)


def test_every_experiment_was_recorded_and_is_in_the_table(recorded: dict[str, Any]) -> None:
    assert set(recorded["experiments"]) == set(BY_NAME)
    assert {shown.experiment for _, shown in CELLS} == set(BY_NAME)


def test_the_table_is_in_step_in_both_languages() -> None:
    assert TABLE.problems == []
    cells = {cell for cell, _ in CELLS} | {f"{row}-question" for row in ROWS}
    assert {key for key in TABLE.sentences if key.rpartition("-")[2] in (*SIDES, "question")} == cells
