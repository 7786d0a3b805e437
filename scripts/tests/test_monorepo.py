from __future__ import annotations

from pathlib import Path

import pytest

from edustream_lab.company import Company
from edustream_lab.monorepo import API, FITTED, SHARED_CODE, TRAINING, Monorepo, changed_lines
from edustream_lab.places import Checkout
from edustream_lab.processes import Stage


@pytest.fixture
def monorepo(checkout: Checkout, programs: Stage, tmp_path: Path) -> Monorepo:
    return Monorepo.write(Company(checkout, programs, tmp_path))


def test_it_holds_shared_code_training_api_and_data(monorepo: Monorepo) -> None:
    for file in (SHARED_CODE, TRAINING, API, "data/churn.csv"):
        assert (monorepo.folder / file).is_file()


def test_without_a_model_next_door_the_api_does_not_start(monorepo: Monorepo) -> None:
    api = monorepo.start_api()
    assert api.program.finish().returncode == 1
    missing = "[Errno 2] No such file or directory: '../ml/models/churn_model.pkl'"
    assert api.last_error == f"FileNotFoundError: {missing}"
    assert api.answer({}) is None


def test_training_says_when_it_has_fitted_before_it_writes_the_model(monorepo: Monorepo) -> None:
    done = monorepo.train()
    assert done.output.splitlines() == [FITTED, "wrote ml/models/churn_model.pkl"]
    assert monorepo.model.is_file()


def test_an_edit_counts_the_lines_that_it_changes(monorepo: Monorepo) -> None:
    assert monorepo.edit(API, "../ml/models/", "../ml/artefactos/") == 1
    assert "../ml/artefactos/churn_model.pkl" in (monorepo.folder / API).read_text()
    with pytest.raises(ValueError, match="does not hold 'models/gone'"):
        monorepo.edit(API, "models/gone", "models/here")


@pytest.mark.parametrize(
    ("before", "after", "lines"), [("a\nb\n", "a\nb\n", 0), ("a\nb\n", "a\nc\n", 1), ("a\n", "a\nb\nc\n", 2)]
)
def test_changed_lines_are_those_that_are_new_or_other(before: str, after: str, lines: int) -> None:
    assert changed_lines(before, after) == lines
